package search

import (
	"context"

	"github.com/banyan-tree/banyan/internal/port"
)

var (
	find    = port.Query[FindRequest, Results]("search.find")
	suggest = port.Query[SuggestRequest, Suggestions]("search.suggest")
)

type client struct{ conn *port.Conn }

var _ Service = client{}

// NewClient gives the service as it is reached over conn.
func NewClient(conn *port.Conn) Service { return client{conn} }

func (c client) Find(ctx context.Context, r FindRequest) (Results, error) {
	return find.Call(ctx, c.conn, r)
}
func (c client) Suggest(ctx context.Context, r SuggestRequest) (Suggestions, error) {
	return suggest.Call(ctx, c.conn, r)
}

// Serve answers the contract's methods on s with svc.
func Serve(s *port.Server, svc Service) {
	find.Handle(s, svc.Find)
	suggest.Handle(s, svc.Suggest)
}
