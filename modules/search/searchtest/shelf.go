// Package searchtest has what neighbours of search use in their tests: a Fake,
// and the conformance suite that every implementation passes.
package searchtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/search"
)

// Harness is an implementation and the way by which it hears what the owners say.
type Harness struct {
	Service search.Service
	Hear    func(events ...event.Event) error
}

// Thing is a product as tests speak of it: one variant, whose SKU is the handle,
// unless Prices says otherwise.
type Thing struct {
	Handle, Title, Vendor, Category, Description string
	Tags                                         []string
	Price                                        int64 // minor units; 0: none
	Was                                          int64 // compare-at price; 0: none
	Stock                                        int64
	Day                                          int              // of its making, from 0
	Status                                       string           // catalog.Published unless set
	Prices                                       map[string]int64 // of several variants, by SKU
}

// Shelf makes the events of things, with the versions that their owners would count.
type Shelf struct {
	h        Harness
	versions map[string]int64
}

// NewShelf makes a shelf for a harness.
func NewShelf(h Harness) *Shelf { return &Shelf{h: h, versions: map[string]int64{}} }

func (s *Shelf) version(topic, aggregate string) int64 {
	s.versions[topic+" "+aggregate]++
	return s.versions[topic+" "+aggregate]
}

var firstDay = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// ID of a thing.
func ID(handle string) string { return "id-" + handle }

// Product is the event by which catalog tells of a thing.
func (s *Shelf) Product(t Thing) event.Event {
	p := catalog.Product{
		ID: ID(t.Handle), Handle: t.Handle, Title: t.Title, Vendor: t.Vendor, Category: t.Category, Tags: t.Tags,
		DescriptionHTML: t.Description, Status: t.Status, CreatedAt: firstDay.AddDate(0, 0, t.Day), UpdatedAt: firstDay,
		Images: []catalog.Image{{Src: "https://example.org/" + t.Handle + ".png", Alt: t.Title}},
	}
	if p.Status == "" {
		p.Status = catalog.Published
	}
	for sku := range t.prices() {
		p.Variants = append(p.Variants, catalog.Variant{SKU: sku, Title: sku})
	}
	p.Version = s.version(catalog.Topic, p.ID)
	return catalog.WasChanged.New(p.ID, p.Version, catalog.ProductChanged{Product: p})
}

func (t Thing) prices() map[string]int64 {
	if t.Prices != nil {
		return t.Prices
	}
	return map[string]int64{t.Handle: t.Price}
}

// Price is the event by which pricing tells of a SKU.
func (s *Shelf) Price(sku string, amount, was int64) event.Event {
	p := pricing.Price{SKU: sku, Price: money.Of(amount, "USD")}
	if was > 0 {
		m := money.Of(was, "USD")
		p.CompareAt = &m
	}
	return pricing.Changed.New(sku, s.version(pricing.Topic, sku), p)
}

// Stock is the event by which inventory tells of a SKU.
func (s *Shelf) Stock(sku string, available int64) event.Event {
	return inventory.Changed.New(sku, s.version(inventory.Topic, sku), inventory.Level{SKU: sku, OnHand: available, Available: available})
}

// Events are all that the owners say of things.
func (s *Shelf) Events(things ...Thing) []event.Event {
	var events []event.Event
	for _, t := range things {
		events = append(events, s.Product(t))
		for sku, price := range t.prices() {
			if price > 0 {
				events = append(events, s.Price(sku, price, t.Was))
			}
			events = append(events, s.Stock(sku, t.Stock))
		}
	}
	return events
}

// MustPut tells the implementation of things.
func (s *Shelf) MustPut(t testing.TB, things ...Thing) {
	t.Helper()
	require.NoError(t, s.h.Hear(s.Events(things...)...))
}

// MustFind finds, with a page of 100 unless the request says otherwise.
func MustFind(t testing.TB, svc search.Service, req search.FindRequest) search.Results {
	t.Helper()
	if req.Limit == 0 {
		req.Limit = search.MaxPage
	}
	r, err := svc.Find(t.Context(), req)
	require.NoError(t, err)
	return r
}

// Handles of what was found, in order.
func Handles(r search.Results) []string {
	handles := make([]string, len(r.Items))
	for i, item := range r.Items {
		handles[i] = item.Handle
	}
	return handles
}

// Numbered gives a handle like pot-007.
func Numbered(what string, n int) string { return fmt.Sprintf("%s-%03d", what, n) }
