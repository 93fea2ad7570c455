package carttest

import "time"

var start = time.Now()
