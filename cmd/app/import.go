package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/banyan-tree/banyan/cmd/app/importer"
)

func importCommand(s *settings) *cobra.Command {
	var asJSON, resetStock bool
	cmd := &cobra.Command{
		Use:   "import FILE.csv…",
		Short: "Bring products, prices and stock in from Shopify's product CSV",
		Long: `Import reads the product CSV that Shopify exports, any number of rows, and
writes catalogue, prices and stock. It may run beside a live server. Repeating
it changes nothing. Stock is set only for a SKU that has none yet, so that
importing again does not undo sales; --reset-stock sets it from the file. Where
the file gives no Variant Inventory Qty, stock stays as it is, and a SKU that has
none cannot be bought until it is set.

One bad product spoils no other. Each refused product is listed with its line
and reason. Exit code 0 when all went in, 3 when some were refused.`,
		Example: "  app import products.csv\n  app import --json spring.csv summer.csv",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.begin(cmd, func(ctx context.Context, shop *shop) error {
				if err := shop.fits(ctx); err != nil {
					return err
				}
				total := importTotal{Refused: []refusal{}}
				var stopped error
				for _, name := range args {
					report, err := importFile(operator(ctx), shop, name, resetStock, cmd.ErrOrStderr())
					total.add(name, report)
					if err != nil {
						stopped = fmt.Errorf("import %s: %w", name, err)
						if !errors.As(err, new(importer.Unread)) {
							stopped = fmt.Errorf("%w; what is in stays in, run it again to go on", stopped)
						}
						break
					}
				}
				// What went in before a file that cannot be read is told as well.
				if err := errors.Join(stopped, printImport(cmd.OutOrStdout(), total, asJSON)); err != nil {
					return err
				}
				if len(total.Refused) > 0 {
					return exit{code: exitPartial}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&resetStock, "reset-stock", false, "set stock from the file for known SKUs too")
	return cmd
}

func importFile(ctx context.Context, shop *shop, name string, resetStock bool, stderr io.Writer) (importer.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return importer.Report{}, importer.NotRead(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return importer.Report{}, err
	}
	return shop.importProducts(ctx, f, info.Size(), resetStock, progress(stderr, info.Size()))
}

// importProducts writes one file through the modules' contracts.
func (s *shop) importProducts(ctx context.Context, r io.Reader, size int64, resetStock bool, progress func(done, total int64, products int)) (importer.Report, error) {
	return importer.Run(ctx, importer.Options{
		Reader: r, Size: size, Currency: s.cfg.Currency, ResetStock: resetStock, Progress: progress,
		Services: importer.Services{Catalog: s.contracts.catalog, Pricing: s.contracts.pricing, Inventory: s.contracts.inventory},
	})
}

// lineEvery is how often progress is told where it goes to a file or a log.
const lineEvery = 5 * time.Second

// progress draws a bar where somebody looks, and else writes a line now and then.
func progress(stderr io.Writer, size int64) func(done, total int64, products int) {
	f, ok := stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return progressLines(stderr, time.Now, lineEvery)
	}
	bar := progressbar.NewOptions64(size, progressbar.OptionSetWriter(stderr), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("importing"), progressbar.OptionClearOnFinish())
	return func(done, _ int64, products int) {
		bar.Describe(fmt.Sprintf("%d products", products))
		_ = bar.Set64(done)
	}
}

func progressLines(stderr io.Writer, now func() time.Time, every time.Duration) func(done, total int64, products int) {
	last := now()
	return func(done, total int64, products int) {
		if at := now(); at.Sub(last) >= every {
			last = at
			fmt.Fprintf(stderr, "importing: %d products, %d of %d bytes\n", products, done, total)
		}
	}
}

// importTotal is what became of all files of one command.
type importTotal struct {
	Products  int       `json:"products"`
	Created   int       `json:"created"`
	Changed   int       `json:"changed"`
	Unchanged int       `json:"unchanged"`
	Refused   []refusal `json:"refused"`
}

type refusal struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Handle string `json:"handle"`
	Reason string `json:"reason"`
}

func (t *importTotal) add(file string, r importer.Report) {
	t.Products += r.Products
	t.Created += r.Created
	t.Changed += r.Changed
	t.Unchanged += r.Unchanged
	for _, x := range r.Refused {
		t.Refused = append(t.Refused, refusal{File: file, Line: x.Line, Handle: x.Handle, Reason: x.Reason})
	}
}

func printImport(out io.Writer, t importTotal, asJSON bool) error {
	if asJSON {
		return printJSON(out, t)
	}
	for _, x := range t.Refused {
		fmt.Fprintf(out, "refused  %s:%d  %s: %s\n", x.File, x.Line, x.Handle, x.Reason)
	}
	_, err := fmt.Fprintf(out, "%d products: %d created, %d changed, %d unchanged, %d refused\n",
		t.Products, t.Created, t.Changed, t.Unchanged, len(t.Refused))
	return err
}
