package importer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/demo"
	"github.com/banyan-tree/banyan/cmd/app/importer"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/catalog/catalogmodule"
	"github.com/banyan-tree/banyan/modules/catalog/catalogtest"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/inventorymodule"
	"github.com/banyan-tree/banyan/modules/inventory/inventorytest"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/pricingmodule"
)

const head = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams," +
	"Variant Inventory Qty,Variant Price,Variant Compare At Price,Image Src\n"

// line is a product with one variant and the SKU of its handle.
func line(handle, title string, quantity int, price string) string {
	return fmt.Sprintf("%s,%s,<p>x</p>,V,T,a,true,Title,Default Title,,100,%d,%s,,https://img.example/%s.png\n", handle, title, quantity, price, handle)
}

// open makes the three modules, each with its own empty data.
func open(t testing.TB, of func(module string) *database.DB) importer.Services {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	migrated := func(name string, sets []database.Migrations) *database.DB {
		db := of(name)
		require.NoError(t, db.Migrate(t.Context(), sets...))
		return db
	}
	c, err := catalogmodule.New(catalogmodule.Deps{DB: migrated("catalog", catalogmodule.Migrations()), Now: clock.System, NewID: id.V7, Log: log})
	require.NoError(t, err)
	i, err := inventorymodule.New(inventorymodule.Deps{DB: migrated("inventory", inventorymodule.Migrations()), Now: clock.System, NewID: id.V7, Log: log})
	require.NoError(t, err)
	p, err := pricingmodule.New(pricingmodule.Deps{
		DB: migrated("pricing", pricingmodule.Migrations()), Now: clock.System, NewID: id.V7, Log: log, Currency: "USD", Catalog: c.Service,
	})
	require.NoError(t, err)
	return importer.Services{Catalog: c.Service, Pricing: p.Service, Inventory: i.Service}
}

func each(t *testing.T, fn func(t *testing.T, s importer.Services)) {
	t.Helper()
	testenv.EachCluster(t, func(t *testing.T, of func(string) *database.DB) { fn(t, open(t, of)) })
}

func run(t *testing.T, s importer.Services, in string) importer.Report {
	t.Helper()
	report, err := importer.Run(t.Context(), importer.Options{Reader: strings.NewReader(in), Currency: "USD", Services: s, BatchSize: 2})
	require.NoError(t, err)
	return report
}

func priceOf(t *testing.T, s importer.Services, sku string) int64 {
	t.Helper()
	reply, err := s.Pricing.Prices(t.Context(), pricing.PricesRequest{SKUs: []string{sku}})
	require.NoError(t, err)
	require.Len(t, reply.Items, 1, sku)
	require.Equal(t, "USD", reply.Items[0].Price.Currency)
	return reply.Items[0].Price.Amount
}

func TestSamples(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s importer.Services) {
		for _, name := range []string{"apparel", "home-and-garden"} {
			raw, err := os.ReadFile("../../../internal/shopcsv/testdata/" + name + ".csv")
			require.NoError(t, err)
			require.Equal(t, importer.Report{Products: 20, Created: 20}, run(t, s, string(raw)))
			require.Equal(t, importer.Report{Products: 20, Unchanged: 20}, run(t, s, string(raw)), "repeating changes nothing")
		}
		p, err := s.Catalog.Get(catalogtest.Customer(), catalog.GetRequest{Handle: "clay-plant-pot"})
		require.NoError(t, err)
		require.EqualValues(t, 1, p.Version)
		require.EqualValues(t, 1599, priceOf(t, s, "clay-plant-pot--large"))
		require.EqualValues(t, 3, inventorytest.MustLevel(t, s.Inventory, "clay-plant-pot--large").OnHand)
	})
}

func TestChangesAndRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s importer.Services) {
		run(t, s, head+line("a", "A", 5, "1.00")+line("b", "B", 5, "2.00")+line("c", "C", 5, "3.00"))
		report := run(t, s, head+
			line("a", "A", 9, "1.50")+ // another price; its quantity does not count any more
			"bad,Bad,,,,,true,Size,S,,,,free,,\n"+
			line("b", "B better", 5, "2.00")+
			"thief,Thief,,,,,true,Size,S,c,,7,9.00,,\n"+ // wants the SKU of c
			line("huge", "Huge", 1, "99999999999.00")+ // more than pricing takes
			line("c", "C", 5, "3.00")+
			line("d", "D", 4, "4.00"))
		require.Equal(t, importer.Report{Products: 7, Created: 1, Changed: 2, Unchanged: 1, Refused: report.Refused}, report)
		require.Len(t, report.Refused, 3)
		for i, want := range []struct {
			handle, reason string
			line           int
		}{{"bad", `Variant Price "free"`, 3}, {"thief", "SKU c belongs to another product", 5}, {"huge", "price: ", 6}} {
			got := report.Refused[i]
			require.Equal(t, want.handle, got.Handle)
			require.Equal(t, want.line, got.Line)
			require.Contains(t, got.Reason, want.reason)
		}
		require.EqualValues(t, 150, priceOf(t, s, "a"))
		require.EqualValues(t, 300, priceOf(t, s, "c"), "the price of a SKU is safe from a product that may not have it")
		require.EqualValues(t, 5, inventorytest.MustLevel(t, s.Inventory, "a").OnHand)
		require.EqualValues(t, 400, priceOf(t, s, "d"), "a refusal spoils no other of its batch")
	})
}

// A second import does not undo what was sold, unless it is meant as a count.
func TestStockAfterSales(t *testing.T) {
	t.Parallel()
	s := open(t, func(module string) *database.DB { return testenv.SQLite(t, module) })
	in := head + line("a", "A", 5, "1.00") + line("b", "B", 5, "1.00")
	run(t, s, in)
	for _, sku := range []string{"a", "b"} {
		_, err := s.Inventory.Hold(inventorytest.Shop(), inventory.HoldRequest{OrderID: "o-" + sku, Lines: []inventory.Line{{SKU: sku, Quantity: 2}}})
		require.NoError(t, err)
	}
	_, err := s.Inventory.Commit(inventorytest.Shop(), inventory.ReservationRequest{OrderID: "o-a"})
	require.NoError(t, err)
	require.Equal(t, importer.Report{Products: 2, Unchanged: 2}, run(t, s, in))
	require.EqualValues(t, 3, inventorytest.MustLevel(t, s.Inventory, "a").OnHand)

	recount := head + line("a", "A", 7, "1.00") + line("b", "B", 1, "1.00") // 2 of b are held
	report, err := importer.Run(t.Context(), importer.Options{Reader: strings.NewReader(recount), Currency: "USD", Services: s, ResetStock: true})
	require.NoError(t, err)
	require.Equal(t, 1, report.Changed)
	require.Len(t, report.Refused, 1)
	require.Equal(t, "b", report.Refused[0].Handle)
	require.Contains(t, report.Refused[0].Reason, "2 of b are reserved")
	require.EqualValues(t, 7, inventorytest.MustLevel(t, s.Inventory, "a").OnHand)
	require.EqualValues(t, 5, inventorytest.MustLevel(t, s.Inventory, "b").OnHand)
}

// A file that says nothing about quantities leaves the stock alone: neither is a
// count undone, nor is nothing taken for a first count of 0.
func TestFilesWithoutQuantities(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s importer.Services) {
		levels := func() []inventory.Level {
			reply, err := s.Inventory.Levels(t.Context(), inventory.LevelsRequest{SKUs: []string{"a", "b"}})
			require.NoError(t, err)
			return reply.Items
		}
		const noColumn = "Handle,Title,Option1 Name,Option1 Value,Variant Price\na,A,Title,Default Title,1.00\nb,B,Title,Default Title,2.00\n"
		blank := strings.ReplaceAll(head+line("a", "A", 7, "1.00")+line("b", "B", 7, "2.00"), ",7,", ",,")
		for _, in := range []string{noColumn, blank} {
			require.Empty(t, run(t, s, in).Refused)
			require.Empty(t, levels(), "nothing was counted yet")
		}
		run(t, s, head+line("a", "A", 50, "1.00")+line("b", "B", 0, "2.00"))
		counted := []inventory.Level{{SKU: "a", OnHand: 50, Available: 50}, {SKU: "b"}}
		require.Equal(t, counted, levels(), "the first count counts, 0 too")
		for _, in := range []string{noColumn, blank} {
			report, err := importer.Run(t.Context(), importer.Options{Reader: strings.NewReader(in), Currency: "USD", Services: s, ResetStock: true})
			require.NoError(t, err)
			require.Empty(t, report.Refused)
			require.Equal(t, counted, levels())
		}
	})
}

// A NUL is no text to PostgreSQL: it costs its product, and no other.
func TestNUL(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s importer.Services) {
		in := head + line("a", "A", 1, "1.00") +
			"bad,Bad,,,,,true,Size,S,b\x00d,,7,9.00,,\n" +
			line("b", "B", 2, "2.00")
		report := run(t, s, in)
		require.Equal(t, 2, report.Created)
		require.Equal(t, []importer.Refusal{{Handle: "bad", Line: 3, Reason: "column 10 has a NUL, which is no text: take it out"}}, report.Refused)
		require.EqualValues(t, 2, inventorytest.MustLevel(t, s.Inventory, "b").OnHand)
	})
}

// dying stands for a process that is killed: after so many calls nothing answers.
type dying struct {
	left atomic.Int64
	catalog.Service
}

var errKilled = errors.New("killed")

func (d *dying) Import(ctx context.Context, r catalog.ImportRequest) (catalog.ImportReply, error) {
	if d.left.Add(-1) < 0 {
		return catalog.ImportReply{}, errKilled
	}
	return d.Service.Import(ctx, r)
}

type dyingPrices struct {
	*dying
	pricing.Service
}

func (d dyingPrices) SetPrices(ctx context.Context, r pricing.SetPricesRequest) (pricing.SetPricesReply, error) {
	if d.left.Add(-1) < 0 {
		return pricing.SetPricesReply{}, errKilled
	}
	return d.Service.SetPrices(ctx, r)
}

type dyingStock struct {
	*dying
	inventory.Service
}

func (d dyingStock) SetOnHand(ctx context.Context, r inventory.SetOnHandRequest) (inventory.SetOnHandReply, error) {
	if d.left.Add(-1) < 0 {
		return inventory.SetOnHandReply{}, errKilled
	}
	return d.Service.SetOnHand(ctx, r)
}

// Wherever an import is killed, repeating it ends in the state of one that was not.
func TestKilledAndRepeated(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	in.WriteString(head)
	for i := range 10 {
		in.WriteString(line(fmt.Sprintf("p-%d", i), "P", i, fmt.Sprintf("%d.00", i+1)))
	}
	killed := 0
	for calls := range 16 {
		s := open(t, func(module string) *database.DB { return testenv.SQLite(t, module) })
		d := &dying{Service: s.Catalog}
		d.left.Store(int64(calls))
		_, err := importer.Run(t.Context(), importer.Options{
			Reader: strings.NewReader(in.String()), Currency: "USD", BatchSize: 2,
			Services: importer.Services{Catalog: d, Pricing: dyingPrices{d, s.Pricing}, Inventory: dyingStock{d, s.Inventory}},
		})
		if calls < 15 {
			require.ErrorIs(t, err, errKilled)
			killed++
		}
		report := run(t, s, in.String())
		require.Equal(t, 10, report.Products)
		require.Empty(t, report.Refused)
		for i := range 10 {
			sku := fmt.Sprintf("p-%d", i)
			require.EqualValues(t, 100*(i+1), priceOf(t, s, sku))
			require.EqualValues(t, i, inventorytest.MustLevel(t, s.Inventory, sku).OnHand)
			p, err := s.Catalog.Get(catalogtest.Customer(), catalog.GetRequest{Handle: sku})
			require.NoError(t, err)
			require.EqualValues(t, 1, p.Version)
		}
		require.Equal(t, importer.Report{Products: 10, Unchanged: 10}, run(t, s, in.String()))
	}
	require.Equal(t, 15, killed)
}

// flaky fails every second call in a way that may be mended.
type flaky struct {
	catalog.Service
	calls atomic.Int64
}

func (f *flaky) Import(ctx context.Context, r catalog.ImportRequest) (catalog.ImportReply, error) {
	if f.calls.Add(1)%2 == 1 {
		return catalog.ImportReply{}, fault.Unavailable.Errorf("for a moment")
	}
	return f.Service.Import(ctx, r)
}

func TestMomentaryFailures(t *testing.T) {
	t.Parallel()
	s := open(t, func(module string) *database.DB { return testenv.SQLite(t, module) })
	s.Catalog = &flaky{Service: s.Catalog}
	require.Equal(t, 3, run(t, s, head+line("a", "A", 1, "1")+line("b", "B", 1, "1")+line("c", "C", 1, "1")).Created)
}

// unheard sets stock, sells some of it before its answer is there, and loses the first answer.
type unheard struct {
	inventory.Service
	sell func()
	once atomic.Bool
}

func (u *unheard) SetOnHand(ctx context.Context, r inventory.SetOnHandRequest) (inventory.SetOnHandReply, error) {
	reply, err := u.Service.SetOnHand(ctx, r)
	if err == nil && u.once.CompareAndSwap(false, true) {
		u.sell()
		return inventory.SetOnHandReply{}, fault.Unavailable.Errorf("the answer got lost")
	}
	return reply, err
}

func sell(t *testing.T, s inventory.Service, orderID, sku string, quantity int64) {
	t.Helper()
	_, err := s.Hold(inventorytest.Shop(), inventory.HoldRequest{OrderID: orderID, Lines: []inventory.Line{{SKU: sku, Quantity: quantity}}})
	require.NoError(t, err)
	_, err = s.Commit(inventorytest.Shop(), inventory.ReservationRequest{OrderID: orderID})
	require.NoError(t, err)
}

// A first count that is sent again, because its answer got lost, does not undo
// what was sold since.
func TestRepeatedCountUndoesNoSale(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s importer.Services) {
		stock := s.Inventory
		s.Inventory = &unheard{Service: stock, sell: func() { sell(t, stock, "o", "a", 2) }}
		require.Equal(t, importer.Report{Products: 1, Created: 1}, run(t, s, head+line("a", "A", 5, "1.00")))
		require.EqualValues(t, 3, inventorytest.MustLevel(t, stock, "a").OnHand)
	})
}

// early lets somebody else count and sell between the look at the stock and the write.
type early struct {
	inventory.Service
	meanwhile func()
}

func (e *early) SetOnHand(ctx context.Context, r inventory.SetOnHandRequest) (inventory.SetOnHandReply, error) {
	e.meanwhile()
	return e.Service.SetOnHand(ctx, r)
}

// Whoever counts between an import's look at the stock and its write counts first.
func TestCountOfOthersMeanwhileStays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s importer.Services) {
		stock := s.Inventory
		s.Inventory = &early{Service: stock, meanwhile: func() {
			inventorytest.MustStock(t, stock, "a", 8)
			sell(t, stock, "o", "a", 2)
		}}
		run(t, s, head+line("a", "A", 5, "1.00"))
		require.EqualValues(t, 6, inventorytest.MustLevel(t, stock, "a").OnHand)
	})
}

func TestDemoCatalogue(t *testing.T) {
	t.Parallel()
	s := open(t, func(module string) *database.DB { return testenv.SQLite(t, module) })
	report := run(t, s, string(demo.Catalogue()))
	require.Empty(t, report.Refused)
	require.GreaterOrEqual(t, report.Created, 55)
	for sku, amount := range map[string]int64{"fiddle-leaf-fig--small": 2400, "fiddle-leaf-fig--large": 4900} {
		require.Equal(t, amount, priceOf(t, s, sku))
		require.GreaterOrEqual(t, inventorytest.MustLevel(t, s.Inventory, sku).Available, int64(25))
	}
}

func TestProgressAndOptions(t *testing.T) {
	t.Parallel()
	s := open(t, func(module string) *database.DB { return testenv.SQLite(t, module) })
	in := head + line("a", "A", 1, "1") + line("b", "B", 1, "1") + line("c", "C", 1, "1")
	var seen []int
	var bytes int64
	_, err := importer.Run(t.Context(), importer.Options{
		Reader: strings.NewReader(in), Size: int64(len(in)), Currency: "USD", Services: s, BatchSize: 1,
		Progress: func(done, total int64, products int) {
			require.EqualValues(t, len(in), total)
			require.GreaterOrEqual(t, done, bytes)
			bytes, seen = done, append(seen, products)
		},
	})
	require.NoError(t, err)
	require.EqualValues(t, len(in), bytes)
	require.Equal(t, 3, seen[len(seen)-1])

	_, err = importer.Run(t.Context(), importer.Options{Reader: strings.NewReader(in), Currency: "?", Services: s})
	require.ErrorContains(t, err, "ISO 4217")
	_, err = importer.Run(t.Context(), importer.Options{Reader: strings.NewReader("a,b\n"), Currency: "USD", Services: s})
	require.ErrorContains(t, err, "names no column")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = importer.Run(ctx, importer.Options{Reader: strings.NewReader(in), Currency: "USD", Services: s})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, money.Of(100, "USD").Amount, priceOf(t, s, "a"))
}

// BenchmarkImport brings fresh rows into SQLite; rows/s is what counts.
func BenchmarkImport(b *testing.B) {
	const rows = 20_000
	for b.Loop() {
		b.StopTimer()
		c, err := database.Open(b.Context(), database.Config{Dir: b.TempDir()})
		require.NoError(b, err)
		s := open(b, func(module string) *database.DB {
			db, err := c.Module(b.Context(), module, 1)
			require.NoError(b, err)
			return db
		})
		in, out := io.Pipe()
		go func() {
			_, err := io.WriteString(out, head)
			for i := 0; err == nil && i < rows/2; i++ {
				h := fmt.Sprintf("product-%d", i)
				_, err = fmt.Fprintf(out, "%s,%s,<p>A <b>good</b> thing number %d.</p>,Vendor,Type,\"one, two\",true,Size,Small,,100,5,9.99,,https://img.example/%d.png\n%s,,,,,,,,Large,,200,3,19.99,25.00,\n", h, h, i, i, h)
			}
			out.CloseWithError(err)
		}()
		b.StartTimer()
		start := time.Now()
		report, err := importer.Run(b.Context(), importer.Options{Reader: in, Currency: "USD", Services: s})
		require.NoError(b, err)
		require.Equal(b, rows/2, report.Created)
		b.ReportMetric(rows/time.Since(start).Seconds(), "rows/s")
		b.StopTimer()
		require.NoError(b, c.Close())
		b.StartTimer()
	}
}
