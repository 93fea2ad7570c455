package eventstore

import (
	"context"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/audit"
)

// stuckAfter is how long a projection may fail before it counts as stuck: what goes
// wrong is tried again.
const stuckAfter = 5 * time.Minute

// Checks are the rules of the module's projections.
func (f *Feed) Checks() []audit.Check {
	return []audit.Check{{
		Rule: f.Module() + ".projections_none_stuck",
		Says: "Every projection that readers see goes on.",
		Run: func(ctx context.Context, report func(subject, detail string)) (int, error) {
			all, err := f.Status(ctx)
			examined := 0
			for _, s := range all {
				if s.State != Serving {
					continue
				}
				examined++
				behind := time.Duration(s.LagSeconds * float64(time.Second))
				if s.Failure != "" && behind > stuckAfter {
					report("projection "+s.Name, fmt.Sprintf("generation %d does not have %d events, the oldest for %s: %s",
						s.Generation, s.Lag, behind.Round(time.Second), s.Failure))
				}
			}
			return examined, err
		},
	}}
}
