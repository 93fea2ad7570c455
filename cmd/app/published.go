//go:build !lean

package main

import (
	"fmt"
	"path/filepath"

	"github.com/banyan-tree/banyan/internal/boundary"
	"github.com/banyan-tree/banyan/internal/contract"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/search"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// published lists every contract. A folder of modules/ that is missing here is an
// error of contractsOf.
func published() []contract.Module {
	return []contract.Module{
		contractOf("cart", cart.NewClient, cart.Serve, nil),
		contractOf("catalog", catalog.NewClient, catalog.Serve, catalog.Events),
		contractOf("identity", identity.NewClient, identity.Serve, identity.Events),
		contractOf("inventory", inventory.NewClient, inventory.Serve, inventory.Events),
		contractOf("orders", orders.NewClient, orders.Serve, orders.Events),
		contractOf("payments", payments.NewClient, payments.Serve, payments.Events),
		contractOf("pricing", pricing.NewClient, pricing.Serve, pricing.Events),
		contractOf("search", search.NewClient, search.Serve, nil),
		contractOf("shipping", shipping.NewClient, shipping.Serve, shipping.Events),
		contractOf("wallet", wallet.NewClient, wallet.Serve, wallet.Events),
	}
}

// contractOf asks a contract for its methods: whoever can be served can tell them.
func contractOf[S any](name string, client func(*port.Conn) S, serve func(*port.Server, S), events func() []event.Described) contract.Module {
	s := port.NewServer(name)
	serve(s, client(port.NewConn(name)))
	m := contract.Module{Name: name, Methods: s.Methods()}
	if events != nil {
		m.Events = events()
	}
	return m
}

// contractsOf writes the present contracts down, with the source tree's help, and
// tells who uses them.
func contractsOf(root string, survey *boundary.Survey) (contract.Set, contract.Users, error) {
	set := contract.Set{}
	for _, m := range published() {
		src, err := contract.ReadSource(root, m.Name)
		if err != nil {
			return nil, contract.Users{}, err
		}
		if set[m.Name], err = contract.Describe(m, src); err != nil {
			return nil, contract.Users{}, err
		}
	}
	for _, n := range survey.Graph.Modules {
		if set[n.Name] == nil {
			return nil, contract.Users{}, fmt.Errorf("%s is a module, but its contract is not listed: add it to published in cmd/app/published.go", filepath.Join("modules", n.Name))
		}
	}
	return set, contract.UsersOf(survey.Graph), nil
}

// onTheWire is what RabbitMQ calls things.
func onTheWire() contract.Wire {
	return contract.Wire{Exchange: rabbit.EventsExchange, CallQueue: rabbit.CallQueue, LogQueue: rabbit.LogQueue}
}
