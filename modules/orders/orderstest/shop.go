package orderstest

import (
	"sync"
	"time"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Shop is the contexts around orders, in memory and without their fine print.
// Every SKU costs Price, but those that are Unpriced. Safe for concurrent use.
type Shop struct {
	Cart      cart.Service
	Pricing   pricing.Service
	Inventory inventory.Service
	Payments  payments.Service
	Shipping  shipping.Service
	Wallet    wallet.Service

	mu           sync.Mutex
	before       func(method, order string) error
	calls        map[string]int // by method and order
	carts        map[string][]cart.Line
	checkedOut   map[string]bool
	stock        map[string]int64
	quotes       map[string]pricing.Quote
	released     map[string]bool // quotes
	reservations map[string]inventory.Reservation
	payments     map[string]payments.Payment
	shipments    map[string]shipping.Shipment
	credit       map[string]int64 // available, by user
	holds        map[string]wallet.Hold
}

// SKUs of the shop.
const (
	InStock  = "mug"
	SoldOut  = "unicorn"
	Unpriced = "mystery-box"
)

// Price of every SKU; shipping costs 500 and tax is a tenth.
const Price = 1999

// Revision of every line of a cart.
const Revision = 7

// Free is the promotion that makes an order cost nothing.
const Free = "FREE"

// NewShop makes a shop with a million mugs.
func NewShop() *Shop {
	s := &Shop{
		before: func(string, string) error { return nil },
		calls:  map[string]int{}, carts: map[string][]cart.Line{}, checkedOut: map[string]bool{},
		stock:  map[string]int64{InStock: 1_000_000, SoldOut: 0, Unpriced: 10},
		quotes: map[string]pricing.Quote{}, released: map[string]bool{},
		reservations: map[string]inventory.Reservation{}, payments: map[string]payments.Payment{}, shipments: map[string]shipping.Shipment{},
		credit: map[string]int64{}, holds: map[string]wallet.Hold{},
	}
	s.Cart, s.Pricing, s.Inventory = carts{shop: s}, prices{shop: s}, stocks{shop: s}
	s.Payments, s.Shipping, s.Wallet = cashier{shop: s}, parcels{shop: s}, purses{shop: s}
	return s
}

// Before is called ahead of each call with the name of its method and of the
// order it is about; what it returns is what the call answers, unless nil.
func (s *Shop) Before(fn func(method, order string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = fn
}

// Calls tells how often a method was called about an order.
func (s *Shop) Calls(method, order string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method+" "+order]
}

// Fill puts items into a user's cart.
func (s *Shop) Fill(user string, items ...cart.CartRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range items {
		s.carts[user] = append(s.carts[user], cart.Line{SKU: i.SKU, Title: "A " + i.SKU, Quantity: i.Quantity, Revision: Revision})
	}
}

// Left counts the lines in a user's cart.
func (s *Shop) Left(user string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.carts[user])
}

// Stock tells how many of a SKU can be bought.
func (s *Shop) Stock(sku string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stock[sku]
}

// Released tells whether an order's quote was given up.
func (s *Shop) Released(order string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.released[order]
}

// Payment changes what the shop remembers of an order's payment.
func (s *Shop) Payment(order string, change func(*payments.Payment)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.payments[order]
	change(&p)
	s.payments[order] = p
}

// Shipment changes what the shop remembers of an order's shipment.
func (s *Shop) Shipment(order string, change func(*shipping.Shipment)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.shipments[order]
	change(&p)
	s.shipments[order] = p
}

// Reservation changes what the shop remembers of an order's stock.
func (s *Shop) Reservation(order string, change func(*inventory.Reservation)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.reservations[order]
	change(&r)
	s.reservations[order] = r
}

// enter counts a call and tells whether it is to fail; on success the caller
// holds the lock.
func (s *Shop) enter(method, order string) error {
	s.mu.Lock()
	s.calls[method+" "+order]++
	before := s.before
	s.mu.Unlock()
	if err := before(method, order); err != nil { // may take its time
		return err
	}
	s.mu.Lock()
	return nil
}

func usd(amount int64) money.Money { return money.Of(amount, "USD") }

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
