package ordershttp

import (
	"strconv"
	"strings"
	"time"
)

// maxWait is the longest wait that is honoured.
const maxWait = 10 * time.Second

// waitOf reads the wait of a Prefer header (RFC 7240), at most maxWait. A
// preference that cannot be understood is none: the RFC has it ignored.
func waitOf(prefer string) time.Duration {
	for preference := range strings.SplitSeq(prefer, ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		if err != nil {
			return 0
		}
		return min(time.Duration(seconds)*time.Second, maxWait)
	}
	return 0
}

// preference is how an honoured wait is told.
func preference(wait time.Duration) string {
	return "wait=" + strconv.FormatInt(int64(wait/time.Second), 10)
}
