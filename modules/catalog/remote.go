package catalog

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/port"
)

var (
	create   = port.Command[CreateRequest, Product]("catalog.create")
	update   = port.Command[UpdateRequest, Product]("catalog.update")
	publish  = port.Command[TransitionRequest, Product]("catalog.publish")
	archive  = port.Command[TransitionRequest, Product]("catalog.archive")
	imports  = port.Command[ImportRequest, ImportReply]("catalog.import", port.Deadline(time.Minute))
	get      = port.Query[GetRequest, Product]("catalog.get")
	list     = port.Query[ListRequest, ProductList]("catalog.list")
	variants = port.Query[VariantsRequest, VariantsReply]("catalog.variants")
)

type client struct{ conn *port.Conn }

var _ Service = client{}

// NewClient gives the service as it is reached over conn.
func NewClient(conn *port.Conn) Service { return client{conn} }

func (c client) Create(ctx context.Context, r CreateRequest) (Product, error) {
	return create.Call(ctx, c.conn, r)
}
func (c client) Update(ctx context.Context, r UpdateRequest) (Product, error) {
	return update.Call(ctx, c.conn, r)
}
func (c client) Publish(ctx context.Context, r TransitionRequest) (Product, error) {
	return publish.Call(ctx, c.conn, r)
}
func (c client) Archive(ctx context.Context, r TransitionRequest) (Product, error) {
	return archive.Call(ctx, c.conn, r)
}
func (c client) Import(ctx context.Context, r ImportRequest) (ImportReply, error) {
	return imports.Call(ctx, c.conn, r)
}
func (c client) Get(ctx context.Context, r GetRequest) (Product, error) {
	return get.Call(ctx, c.conn, r)
}
func (c client) List(ctx context.Context, r ListRequest) (ProductList, error) {
	return list.Call(ctx, c.conn, r)
}
func (c client) Variants(ctx context.Context, r VariantsRequest) (VariantsReply, error) {
	return variants.Call(ctx, c.conn, r)
}

// Serve answers the contract's methods on s with svc.
func Serve(s *port.Server, svc Service) {
	create.Handle(s, svc.Create)
	update.Handle(s, svc.Update)
	publish.Handle(s, svc.Publish)
	archive.Handle(s, svc.Archive)
	imports.Handle(s, svc.Import)
	get.Handle(s, svc.Get)
	list.Handle(s, svc.List)
	variants.Handle(s, svc.Variants)
}
