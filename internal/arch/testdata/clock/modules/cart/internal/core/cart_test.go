package core

import "time"

var start = time.Now()
