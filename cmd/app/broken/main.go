// Command broken proves that the tests can fail. It takes one deliberate
// breakage after the other (a patch of folder patches), applies it to a copy of
// the files that it changes, runs the tests that must notice, and demands that
// they turn red. The tree itself is never touched: the copies reach the compiler
// as an overlay.
//
// Run it by "make broken". It is a tool of the house and no part of the shop.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "broken:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("broken", flag.ContinueOnError)
	root := flags.String("root", ".", "the folder of go.mod")
	only := flags.String("only", "", "only the breakages with this in their name")
	doc := flags.String("doc", "", "write the table of what caught what into this file, between its markers")
	sound := flags.Bool("sound", true, "first run the same tests unbroken: they must be green, or red would prove nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	all, err := load(*root)
	if err != nil {
		return err
	}
	all = named(all, *only)
	if len(all) == 0 {
		return fmt.Errorf("no breakage has %q in its name: see %s", *only, folder)
	}
	if *sound {
		if err := unbroken(ctx, *root, all, out); err != nil {
			return err
		}
	}
	return breakAll(ctx, *root, all, *doc, out)
}

// breakAll tries every breakage and says of each what caught it.
func breakAll(ctx context.Context, root string, all []breakage, doc string, out io.Writer) error {
	var missed []string
	for i := range all {
		b := &all[i]
		began := time.Now()
		_, _ = fmt.Fprintf(out, "%2d/%d  %-40s ", i+1, len(all), b.Name)
		if err := b.try(ctx, root); err != nil {
			_, _ = fmt.Fprintln(out, "not tried")
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		took := time.Since(began).Round(time.Second)
		if len(b.Caught) == 0 {
			missed = append(missed, b.Name)
			_, _ = fmt.Fprintf(out, "NOT CAUGHT  %s\n", took)
			continue
		}
		_, _ = fmt.Fprintf(out, "caught by %s  %s\n", brief(b.Caught), took)
	}
	if len(missed) > 0 {
		return fmt.Errorf("the tests stay green although the shop is broken: %s. Write the test that notices", strings.Join(missed, ", "))
	}
	if doc != "" {
		return document(doc, all)
	}
	return nil
}

// brief names the first test, and how many more there are.
func brief(caught []string) string {
	if len(caught) == 1 {
		return caught[0]
	}
	return fmt.Sprintf("%s and %d more", caught[0], len(caught)-1)
}

func named(all []breakage, part string) []breakage {
	var out []breakage
	for _, b := range all {
		if strings.Contains(b.Name, part) {
			out = append(out, b)
		}
	}
	return out
}
