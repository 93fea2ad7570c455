package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/host"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/cart/carthttp"
	"github.com/banyan-tree/banyan/modules/cart/cartmodule"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/catalog/cataloghttp"
	"github.com/banyan-tree/banyan/modules/catalog/catalogmodule"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/identity/identityhttp"
	"github.com/banyan-tree/banyan/modules/identity/identitymodule"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/inventoryhttp"
	"github.com/banyan-tree/banyan/modules/inventory/inventorymodule"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/ordershttp"
	"github.com/banyan-tree/banyan/modules/orders/ordersmodule"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentshttp"
	"github.com/banyan-tree/banyan/modules/payments/paymentsmodule"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/pricinghttp"
	"github.com/banyan-tree/banyan/modules/pricing/pricingmodule"
	"github.com/banyan-tree/banyan/modules/search"
	"github.com/banyan-tree/banyan/modules/search/searchhttp"
	"github.com/banyan-tree/banyan/modules/search/searchmodule"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/shipping/shippinghttp"
	"github.com/banyan-tree/banyan/modules/shipping/shippingmodule"
	"github.com/banyan-tree/banyan/modules/wallet"
	"github.com/banyan-tree/banyan/modules/wallet/wallethttp"
	"github.com/banyan-tree/banyan/modules/wallet/walletmodule"
)

// This is the only file that knows which module runs where. Everything else
// holds contracts, and cannot tell a function call from a message.

// module is what the shop keeps of one bounded context.
type module struct {
	name       string
	weight     int // its share of the PostgreSQL connections
	migrations func() []database.Migrations
	build      func(s *shop, db *database.DB) (host.Part, error)
}

// modules lists the bounded contexts in the order in which they start: who is
// called comes before who calls.
var modules = []module{
	{"identity", 3, identitymodule.Migrations, buildIdentity},
	{"catalog", 3, catalogmodule.Migrations, buildCatalog},
	{"shipping", 2, shippingmodule.Migrations, buildShipping},
	{"pricing", 4, pricingmodule.Migrations, buildPricing},
	{"cart", 4, cartmodule.Migrations, buildCart},
	{"inventory", 6, inventorymodule.Migrations, buildInventory},
	{"payments", 6, paymentsmodule.Migrations, buildPayments},
	{"wallet", 4, walletmodule.Migrations, buildWallet},
	{"orders", 8, ordersmodule.Migrations, buildOrders},
	{"search", 2, searchmodule.Migrations, buildSearch},
}

// contracts is what modules and handlers hold of each other.
type contracts struct {
	identity  identity.Service
	catalog   catalog.Service
	shipping  shipping.Service
	pricing   pricing.Service
	cart      cart.Service
	inventory inventory.Service
	payments  payments.Service
	orders    orders.Service
	search    search.Service
	wallet    wallet.Service
}

// wire builds the modules of this process and routes calls and events: to those
// that run here as function calls, unless the settings send them over the broker,
// to the others over the broker.
func (s *shop) wire(ctx context.Context) error {
	conns := map[string]*port.Conn{}
	s.contracts = connect(func(name string) *port.Conn {
		conns[name] = s.Conn(name)
		return conns[name]
	})
	var leaving []func() // routes calls that leave this process though their module is here
	for _, m := range modules {
		conn := conns[m.name]
		if !s.cfg.Runs(m.name) {
			way, err := s.Over(m.name)
			if err != nil {
				return err
			}
			conn.Remote(way)
			continue
		}
		server := s.Server(m.name)
		if err := s.build(ctx, m, server); err != nil {
			return err
		}
		if share := s.cfg.Ports.LoopbackSample; share > 0 {
			conn.Loopback(server, share)
		} else {
			conn.Direct(server)
		}
		if s.Broker == nil {
			continue
		}
		s.BrokerOf(m.name).Serve(server, rabbit.Limits{})
		if s.cfg.OverRabbitMQ(m.name) {
			way, err := s.Over(m.name)
			if err != nil {
				return err
			}
			leaving = append(leaving, func() { conn.Remote(way) })
		}
	}
	if err := s.Finish(leaving); err != nil {
		return err
	}
	if away := func(m string) bool { return !s.cfg.Runs(m) }; !s.serves && slices.ContainsFunc(moduleNames(), away) {
		s.Dial()
	}
	return nil
}

// build makes one module with its data and adds it to the shop.
func (s *shop) build(ctx context.Context, m module, server *port.Server) error {
	db, err := s.Data(ctx, m.name, m.weight, m.migrations())
	if err != nil {
		return err
	}
	p, err := m.build(s, db)
	if err != nil {
		return fmt.Errorf("build %s: %w", m.name, err)
	}
	p.Serve(server)
	s.Add(p)
	return nil
}

// sells and opensAccounts tell whether this process can make what a new shop lacks.
func (s *shop) sells() bool {
	return s.cfg.Runs("catalog") && s.cfg.Runs("pricing") && s.cfg.Runs("inventory")
}

func (s *shop) opensAccounts() bool { return s.cfg.Runs("identity") }

// sandboxed tells whether a process runs the payment sandbox: where payments runs, or
// has left it behind, and no other provider is named.
func sandboxed(cfg config.Config) bool {
	return cfg.Payments.ProviderURL == "" && (cfg.Runs("payments") || bool(cfg.Payments.Sandbox))
}

// connect makes the calling ends. They answer Unavailable until the module
// behind them is routed.
func connect(conn func(module string) *port.Conn) contracts {
	return contracts{
		identity:  identity.NewClient(conn("identity")),
		catalog:   catalog.NewClient(conn("catalog")),
		shipping:  shipping.NewClient(conn("shipping")),
		pricing:   pricing.NewClient(conn("pricing")),
		cart:      cart.NewClient(conn("cart")),
		inventory: inventory.NewClient(conn("inventory")),
		payments:  payments.NewClient(conn("payments")),
		orders:    orders.NewClient(conn("orders")),
		search:    search.NewClient(conn("search")),
		wallet:    wallet.NewClient(conn("wallet")),
	}
}

// routes registers every HTTP handler. They are written against contracts, so
// they are the same wherever the modules run.
func routes(r *web.Router, c contracts, log *slog.Logger) {
	identityhttp.Register(r, identityhttp.Deps{Identity: c.identity, Cart: c.cart, Log: log})
	cataloghttp.Register(r, cataloghttp.Deps{Catalog: c.catalog, Pricing: c.pricing, Inventory: c.inventory})
	pricinghttp.Register(r, pricinghttp.Deps{Pricing: c.pricing})
	inventoryhttp.Register(r, inventoryhttp.Deps{Inventory: c.inventory})
	carthttp.Register(r, carthttp.Deps{Cart: c.cart})
	ordershttp.Register(r, ordershttp.Deps{Orders: c.orders})
	paymentshttp.Register(r, paymentshttp.Deps{Payments: c.payments})
	shippinghttp.Register(r, shippinghttp.Deps{Shipping: c.shipping})
	wallethttp.Register(r, wallethttp.Deps{Wallet: c.wallet})
	searchhttp.Register(r, searchhttp.Deps{Search: c.search})
}

func buildIdentity(s *shop, db *database.DB) (host.Part, error) {
	m, err := identitymodule.New(identitymodule.Deps{
		DB: db, Now: s.now, NewID: s.newID, Log: s.log, Metrics: s.metrics, Issuer: s.cfg.IssuerURL(),
	})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:  func(srv *port.Server) { identity.Serve(srv, m.Service) },
		Outbox: m.Outbox, Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks,
	}, nil
}

func buildCatalog(s *shop, db *database.DB) (host.Part, error) {
	m, err := catalogmodule.New(catalogmodule.Deps{DB: db, Now: s.now, NewID: s.newID, Log: s.log, Metrics: s.metrics})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:  func(srv *port.Server) { catalog.Serve(srv, m.Service) },
		Outbox: m.Outbox, Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks,
	}, nil
}

func buildShipping(s *shop, db *database.DB) (host.Part, error) {
	m, err := shippingmodule.New(shippingmodule.Deps{
		DB: db, Now: s.now, NewID: s.newID, Log: s.log, Metrics: s.metrics, Currency: s.cfg.Currency,
	})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:  func(srv *port.Server) { shipping.Serve(srv, m.Service) },
		Outbox: m.Outbox, Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks,
	}, nil
}

func buildPricing(s *shop, db *database.DB) (host.Part, error) {
	m, err := pricingmodule.New(pricingmodule.Deps{
		DB: db, Now: s.now, NewID: s.newID, Log: s.log, Metrics: s.metrics, Currency: s.cfg.Currency,
		Catalog: s.contracts.catalog, Shipping: s.contracts.shipping,
	})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:  func(srv *port.Server) { pricing.Serve(srv, m.Service) },
		Outbox: m.Outbox, Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks, Fits: m.Fits,
	}, nil
}

func buildCart(s *shop, db *database.DB) (host.Part, error) {
	m, err := cartmodule.New(cartmodule.Deps{
		DB: db, Now: s.now, NewID: s.newID, Log: s.log, Metrics: s.metrics, Currency: s.cfg.Currency,
		Catalog: s.contracts.catalog, Pricing: s.contracts.pricing,
	})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:  func(srv *port.Server) { cart.Serve(srv, m.Service) },
		Outbox: m.Outbox, Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks,
	}, nil
}

func buildInventory(s *shop, db *database.DB) (host.Part, error) {
	m, err := inventorymodule.New(inventorymodule.Deps{
		DB: db, Now: s.now, NewID: s.newID, Log: s.log, Metrics: s.metrics, HoldTTL: s.cfg.Inventory.HoldTTL,
	})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:  func(srv *port.Server) { inventory.Serve(srv, m.Service) },
		Outbox: m.Outbox, Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks,
	}, nil
}

func buildPayments(s *shop, db *database.DB) (host.Part, error) {
	m, err := paymentsmodule.New(paymentsmodule.Deps{
		DB: db, Now: s.now, NewID: s.newID, Log: s.log, Metrics: s.metrics, Provider: s.provider,
	})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:  func(srv *port.Server) { payments.Serve(srv, m.Service) },
		Outbox: m.Outbox, Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks, Inherit: m.Inherit, Health: m.Health,
	}, nil
}

func buildWallet(s *shop, db *database.DB) (host.Part, error) {
	m, err := walletmodule.New(walletmodule.Deps{
		DB: db, Now: s.now, NewID: s.newID, Log: s.log, Metrics: s.metrics, Currency: s.cfg.Currency, Payments: s.contracts.payments,
		KeepSagas: s.cfg.Sagas.Retention,
	})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:  func(srv *port.Server) { wallet.Serve(srv, m.Service) },
		Outbox: m.Outbox, Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks, Inherit: m.Inherit, Sagas: m.Sagas,
		Projections: m.Projections, Fits: m.Fits,
	}, nil
}

func buildOrders(s *shop, db *database.DB) (host.Part, error) {
	m, err := ordersmodule.New(ordersmodule.Deps{
		DB: db, Now: s.now, NewID: s.newID, Log: s.log, Metrics: s.metrics, Currency: s.cfg.Currency, KeepSagas: s.cfg.Sagas.Retention,
		Cart: s.contracts.cart, Pricing: s.contracts.pricing, Inventory: s.contracts.inventory,
		Payments: s.contracts.payments, Shipping: s.contracts.shipping, Wallet: s.contracts.wallet,
	})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:  func(srv *port.Server) { orders.Serve(srv, m.Service) },
		Outbox: m.Outbox, Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks, Inherit: m.Inherit, Sagas: m.Sagas,
	}, nil
}

func buildSearch(s *shop, db *database.DB) (host.Part, error) {
	m, err := searchmodule.New(searchmodule.Deps{
		DB: db, Now: s.now, NewID: s.newID, Log: s.log, Metrics: s.metrics, Currency: s.cfg.Currency,
		Owners: searchmodule.Owners{Catalog: s.contracts.catalog, Pricing: s.contracts.pricing, Inventory: s.contracts.inventory},
	})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:    func(srv *port.Server) { search.Serve(srv, m.Service) },
		Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks,
	}, nil
}
