// Package resilience keeps trouble where it arises. A Guard stands before a
// dependency that may be sick: it bounds calls, stays away from one that is down,
// and pays repeats from a budget. A Gate stands before our own work: it bounds
// how much is done at a time and how long anything waits for its turn.
//
// What belongs here: deciding whether something is tried now. What does not:
// trying again, which only the one layer does that knows what may be repeated,
// and what callers are told.
package resilience

import "errors"

// Why a Guard did not make a call. None of them says anything about the outcome
// of the call: it never left.
var (
	ErrOpen     = errors.New("left alone, because it failed too often")
	ErrNoBudget = errors.New("not repeated, because too many repeats failed")
	ErrCrowded  = errors.New("too many calls are under way")
)

// NotMade tells whether err is a Guard's own, so that the call was never made.
func NotMade(err error) bool {
	return errors.Is(err, ErrOpen) || errors.Is(err, ErrNoBudget) || errors.Is(err, ErrCrowded)
}
