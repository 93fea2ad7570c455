package core

import "time"

type now struct{}

func (now) Now() {}

func touch(time2 now, deadline time.Time) {
	_ = time.Now()           // want
	_ = time.Since(deadline) // want
	f := time.Now            // want
	_ = time.Until(deadline)
	time2.Now()
	_ = f
}
