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
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
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
	part := flags.String("part", "1/1", "only a part of them: 2/3 is the second of three")
	doc := flags.String("doc", "", "write the table of what caught what into this file, between its markers")
	sound := flags.Bool("sound", true, "first run the same tests unbroken: they must be green, or red would prove nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	all, err := load(*root)
	if err != nil {
		return err
	}
	some, err := share(named(all, *only), *part)
	if err != nil {
		return err
	}
	if len(some) == 0 {
		return fmt.Errorf("no breakage has %q in its name: see %s", *only, folder)
	}
	if *sound {
		if err := unbroken(ctx, *root, some, out); err != nil {
			return err
		}
	}
	if err := breakAll(ctx, *root, some, out); err != nil || *doc == "" {
		return err
	}
	return document(*doc, all, some)
}

// atOnce is how many breakages are tried at a time: half of it is waiting for
// what never comes.
const atOnce = 2

// breakAll tries every breakage and says of each what caught it.
func breakAll(ctx context.Context, root string, all []breakage, out io.Writer) error {
	var mu sync.Mutex // of out and missed
	var missed []string
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range all {
		b := &all[i]
		group.Go(func() error {
			began := time.Now()
			if err := b.try(ctx, root); err != nil {
				return fmt.Errorf("%s: %w", b.Name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			verdict := "caught by " + brief(b.Caught)
			if len(b.Missed) > 0 {
				verdict = "NOT CAUGHT: " + strings.Join(b.Missed, "; ")
				missed = append(missed, b.Name)
			}
			_, err := fmt.Fprintf(out, "%2d/%d  %-32s %s  %s\n", i+1, len(all), b.Name, verdict, time.Since(began).Round(time.Second))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if len(missed) > 0 {
		return fmt.Errorf("the shop is broken, and not every test that must notice does: %s. Write the test that notices", strings.Join(missed, ", "))
	}
	return nil
}

// brief names the first test of each package, and how many more there are.
func brief(caught []string) string {
	return strings.Join(firsts(caught, 1), ", ")
}

// share gives the k-th of n parts, written k/n. Tests from outside take the longest:
// what has some is dealt first, to the part with the fewest of these, and the rest makes
// the parts even.
func share(all []breakage, part string) ([]breakage, error) {
	var k, n int
	if _, err := fmt.Sscanf(part, "%d/%d", &k, &n); err != nil || n < 1 || k < 1 || k > n {
		return nil, fmt.Errorf("--part=%s is none: write 1/3, 2/3 or 3/3 for the thirds", part)
	}
	parts, outer := make([][]breakage, n), make([]int, n)
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b breakage) int { return b.fromOutside() - a.fromOutside() })
	for _, b := range order {
		least, more := 0, b.fromOutside()
		for i := range parts {
			if more > 0 && outer[i] < outer[least] || (more == 0 || outer[i] == outer[least]) && len(parts[i]) < len(parts[least]) {
				least = i
			}
		}
		parts[least], outer[least] = append(parts[least], b), outer[least]+more
	}
	return parts[k-1], nil
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
