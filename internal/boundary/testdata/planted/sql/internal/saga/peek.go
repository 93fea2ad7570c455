package saga

import "context"

func (e *Engine) peek(ctx context.Context) {
	e.db.Conn(ctx).Exec("DELETE FROM outbox") // want SQL "the table outbox belongs to internal/event"
}
