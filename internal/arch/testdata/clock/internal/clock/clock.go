package clock

import "time"

var System = time.Now
