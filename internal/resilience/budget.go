package resilience

import (
	"sync"
	"time"
)

const (
	budgetFull    = 10.0            // repeats that may fail before the budget is empty
	perRequest    = 0.1             // earned by a first try, whatever becomes of it
	perSuccess    = 0.5             // earned by each call that went well
	perRepeat     = 1.0             // paid by a repeat, given back when it goes well
	budgetDripped = 5 * time.Second // earned by waiting: one repeat, so that an idle process is never stuck
)

// budget pays for repeats. While calls go well it is always full; when nothing
// goes well it lets through a tenth as many repeats as there are first tries.
// So a sick dependency never gets much more than it was asked for.
// https://sre.google/sre-book/handling-overload/ (per-client retry budget)
type budget struct {
	now func() time.Time

	mu      sync.Mutex
	tokens  float64
	dripped time.Time
}

func newBudget(now func() time.Time) *budget {
	return &budget{now: now, tokens: budgetFull, dripped: now()}
}

// pay takes what a try costs, and tells whether there was enough.
func (b *budget) pay(repeat bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.tokens += float64(now.Sub(b.dripped)) / float64(budgetDripped)
	b.dripped = now
	if !repeat {
		b.tokens += perRequest
	}
	b.tokens = min(b.tokens, budgetFull)
	if repeat {
		if b.tokens < perRepeat {
			return false
		}
		b.tokens -= perRepeat
	}
	return true
}

// earn is for a call that went well.
func (b *budget) earn(repeat bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens += perSuccess
	if repeat {
		b.tokens += perRepeat
	}
	b.tokens = min(b.tokens, budgetFull)
}

func (b *budget) left() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tokens
}
