package pricing

import (
	"context"

	"github.com/banyan-tree/banyan/internal/port"
)

var (
	setPrices       = port.Command[SetPricesRequest, SetPricesReply]("pricing.set_prices")
	prices          = port.Query[PricesRequest, PricesReply]("pricing.prices")
	createPromotion = port.Command[CreatePromotionRequest, Promotion]("pricing.create_promotion")
	quote           = port.Command[QuoteRequest, Quote]("pricing.quote", port.Key(func(r QuoteRequest) string { return r.Key }))
	releaseQuote    = port.Command[ReleaseQuoteRequest, ReleaseQuoteReply]("pricing.release_quote", port.Key(func(r ReleaseQuoteRequest) string { return r.Key }))
)

type client struct{ conn *port.Conn }

var _ Service = client{}

// NewClient gives the service as it is reached over conn.
func NewClient(conn *port.Conn) Service { return client{conn} }

func (c client) SetPrices(ctx context.Context, r SetPricesRequest) (SetPricesReply, error) {
	return setPrices.Call(ctx, c.conn, r)
}
func (c client) Prices(ctx context.Context, r PricesRequest) (PricesReply, error) {
	return prices.Call(ctx, c.conn, r)
}
func (c client) CreatePromotion(ctx context.Context, r CreatePromotionRequest) (Promotion, error) {
	return createPromotion.Call(ctx, c.conn, r)
}
func (c client) Quote(ctx context.Context, r QuoteRequest) (Quote, error) {
	return quote.Call(ctx, c.conn, r)
}
func (c client) ReleaseQuote(ctx context.Context, r ReleaseQuoteRequest) (ReleaseQuoteReply, error) {
	return releaseQuote.Call(ctx, c.conn, r)
}

// Serve answers the contract's methods on s with svc.
func Serve(s *port.Server, svc Service) {
	setPrices.Handle(s, svc.SetPrices)
	prices.Handle(s, svc.Prices)
	createPromotion.Handle(s, svc.CreatePromotion)
	quote.Handle(s, svc.Quote)
	releaseQuote.Handle(s, svc.ReleaseQuote)
}
