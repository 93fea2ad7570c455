package saga

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/database"
)

const (
	overdueAfter = 5 * time.Minute
	auditPage    = 500
)

// Checks are the rules of the module's sagas: every saga ends, and none waits
// for a person unnoticed.
func (e *Engine) Checks() []audit.Check {
	return []audit.Check{
		{
			Rule: e.db.Module() + ".sagas_none_parked",
			Says: "No saga waits for a person.",
			Run: func(ctx context.Context, report func(subject, detail string)) (int, error) {
				return e.examine(ctx, []Status{Parked}, func(i Info) {
					detail := "parked at " + i.UpdatedAt.Format(time.RFC3339)
					if i.Step != "" {
						detail += " in step " + i.Step
					}
					if i.Parked != "" {
						detail += ": " + i.Parked
					}
					if i.Cause != nil {
						cause := i.Cause.Code + ": " + i.Cause.Message
						if !strings.HasPrefix(i.Parked, cause) { // else they are one
							detail += "; cause " + cause
						}
					}
					report("saga "+i.ID, detail)
				})
			},
		},
		{
			Rule: e.db.Module() + ".sagas_none_overdue",
			Says: "Every saga under way is driven by somebody.",
			Run: func(ctx context.Context, report func(subject, detail string)) (int, error) {
				limit := e.now().Add(-overdueAfter)
				return e.examine(ctx, []Status{Running, Compensating}, func(i Info) {
					if i.NextAt.Before(limit) {
						report("saga "+i.ID, fmt.Sprintf("%s, due since %s, and nobody takes it", i.Status, i.NextAt.Format(time.RFC3339)))
					}
				})
			},
		},
	}
}

func (e *Engine) examine(ctx context.Context, statuses []Status, look func(Info)) (examined int, err error) {
	after := ""
	for {
		var rows []row
		err := e.db.Conn(ctx).Select(brief).Where("status IN ? AND id > ?", statuses, after).
			Order("id").Limit(auditPage).Find(&rows).Error
		if err != nil {
			return examined, fmt.Errorf("look at sagas: %w", database.Fault(ctx, err))
		}
		for _, r := range rows {
			look(e.info(r))
		}
		examined += len(rows)
		if len(rows) < auditPage {
			return examined, nil
		}
		after = rows[len(rows)-1].ID
	}
}
