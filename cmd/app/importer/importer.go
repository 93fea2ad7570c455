// Package importer brings a product export into the shop: catalogue, prices and
// stock, through the contracts of the three modules that own them.
//
// What belongs here: the order of the writes, batches, and the report. What does
// not: the form of the file (shopcsv) and the rules about products (catalog).
//
// The rules of an import:
//   - It is idempotent by handle. Repeating it, also after a crash in the middle,
//     ends in the same state.
//   - The file decides about content, status and prices of the products in it;
//     products that are not in it stay as they are.
//   - A quantity counts only for a SKU for which no stock was ever set: a second
//     import must not undo the sales since the first. ResetStock takes every
//     quantity of the file as a fresh count. Without the column, or where its cell
//     is empty, the stock stays as it is.
//   - A product that one of the modules refuses is reported with its line and
//     reason. Where the catalogue took it and pricing or inventory did not, it is
//     in the catalogue and cannot be bought until that is mended.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/shopcsv"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// Services are the contracts that an import writes through.
type Services struct {
	Catalog   catalog.Service
	Pricing   pricing.Service
	Inventory inventory.Service
}

// Options of one import.
type Options struct {
	Reader     io.Reader // the file
	Size       int64     // its bytes, for Progress; 0: not known
	Currency   string    // of the prices in it, ISO 4217
	Services   Services
	Progress   func(bytesDone, bytesTotal int64, products int) // after each batch, from one goroutine at a time; may be nil
	BatchSize  int                                             // products a batch, at most 500; 200 unless set
	ResetStock bool                                            // quantities of the file replace what is on hand
}

const (
	defaultBatch = 200
	maxBatch     = 500 // what catalog takes in one call
	maxSKUs      = 500 // what pricing and inventory take in one call
)

// Report says what became of the products of a file.
type Report struct {
	Products  int       // read, the refused ones included
	Created   int       // were not there
	Changed   int       // content, status, a price or a counted quantity differed
	Unchanged int       // were there just so
	Refused   []Refusal // sorted by line
}

// Refusal is a product that did not go in.
type Refusal struct {
	Handle string // may be empty, where the file does not tell
	Line   int
	Reason string
}

// Unread is why nothing of a file was read: it is not there, or no product export.
type Unread struct{ error }

// NotRead makes err the reason why nothing was read.
func NotRead(err error) Unread { return Unread{err} }

func (u Unread) Unwrap() error { return u.error }

// Run imports a file. It holds a few batches in memory, whatever the file's
// size. On an error the report tells how far it came; running it again goes on.
func Run(ctx context.Context, o Options) (Report, error) {
	if !money.ValidCurrency(o.Currency) {
		return Report{}, fmt.Errorf("import: %q is no ISO 4217 currency", o.Currency)
	}
	if o.BatchSize <= 0 {
		o.BatchSize = defaultBatch
	}
	o.BatchSize = min(o.BatchSize, maxBatch)
	ctx = port.WithPrincipal(ctx, port.System("import"))

	counted := &counter{in: o.Reader}
	file, err := shopcsv.NewReader(counted, money.MinorDigits(o.Currency))
	if err != nil {
		return Report{}, fmt.Errorf("import: %w", NotRead(err))
	}
	im := &importing{Options: o}
	err = im.run(ctx, file, counted)
	slices.SortStableFunc(im.report.Refused, func(a, b Refusal) int { return a.Line - b.Line })
	if err != nil {
		return im.report, fmt.Errorf("import: %w", err)
	}
	return im.report, nil
}

// importing is one run. The report belongs to the last stage.
type importing struct {
	Options
	report Report
}

// run is a pipeline of three stages, each a batch ahead of the next: read the
// file, bring products into the catalogue, bring their prices and stock in.
func (im *importing) run(ctx context.Context, file *shopcsv.Reader, counted *counter) error {
	group, ctx := errgroup.WithContext(ctx)
	read, listed := make(chan *batch, 1), make(chan *batch, 1)
	group.Go(func() error {
		defer close(read)
		return im.read(ctx, file, counted, read)
	})
	group.Go(func() error {
		defer close(listed)
		for b := range read {
			if err := im.list(ctx, b); err != nil {
				return err
			}
			if !send(ctx, listed, b) {
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		for b := range listed {
			if err := im.offer(ctx, b); err != nil {
				return err
			}
			im.count(b)
		}
		return nil
	})
	return group.Wait()
}

// read fills batches. A batch has no more SKUs than one call takes, unless a
// single product has.
func (im *importing) read(ctx context.Context, file *shopcsv.Reader, counted *counter, out chan<- *batch) error {
	b, skus := &batch{}, 0
	flush := func() bool {
		b.bytes = counted.done.Load()
		full := b
		b, skus = &batch{}, 0
		return send(ctx, out, full)
	}
	for {
		p, err := file.Next()
		var refusal *shopcsv.Refusal
		switch {
		case errors.Is(err, io.EOF):
			flush()
			return ctx.Err()
		case errors.As(err, &refusal):
			b.refused = append(b.refused, Refusal(*refusal))
		case err != nil:
			flush() // what was read is good
			return fmt.Errorf("read the file: %w", err)
		default:
			if skus > 0 && skus+len(p.Variants) > maxSKUs && !flush() {
				return ctx.Err()
			}
			b.items = append(b.items, item{product: p})
			skus += len(p.Variants)
		}
		if len(b.items)+len(b.refused) >= im.BatchSize && !flush() {
			return ctx.Err()
		}
	}
}

func (im *importing) count(b *batch) {
	r := &im.report
	r.Products += len(b.items) + len(b.refused)
	r.Refused = append(r.Refused, b.refused...)
	for _, it := range b.items {
		switch it.outcome {
		case catalog.Created:
			r.Created++
		case catalog.Changed:
			r.Changed++
		case catalog.Unchanged:
			r.Unchanged++
		case catalog.Refused:
			r.Refused = append(r.Refused, Refusal{Handle: it.product.Handle, Line: it.product.Line, Reason: it.reason})
		}
	}
	if im.Progress != nil {
		im.Progress(b.bytes, im.Size, r.Products)
	}
}

// send gives up when ctx ends.
func send(ctx context.Context, out chan<- *batch, b *batch) bool {
	select {
	case out <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

// counter counts the bytes that were read.
type counter struct {
	in   io.Reader
	done atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.done.Add(int64(n))
	return n, err
}
