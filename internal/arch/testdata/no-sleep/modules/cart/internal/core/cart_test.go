package core

import "time"

func wait() {
	time.Sleep(time.Second) // want
}
