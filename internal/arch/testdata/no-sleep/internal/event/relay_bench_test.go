package event

import "time"

func pace() { time.Sleep(time.Second) }
