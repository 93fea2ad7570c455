package event

import clock "time"

func wait() {
	clock.Sleep(1) // want
	<-clock.After(1)
}
