// Command bench measures what the shop costs, as ratios to what the same machine
// can do at best in the same minutes: bare SQL, a bare handler, a direct call.
// Absolute figures move with the machine, ratios hardly.
//
// What belongs here: drivers from outside, the limits beside them, and the table.
// What does not: any shortcut into the shop; it is measured as the binary that
// people run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	only     []string
	quick    bool
	full     bool
	json     bool
	from     string // a file of an earlier report, instead of measuring all but what only names
	markdown string // file whose table is replaced
	profile  string // folder for profiles of the shop under load
	binary   string // empty: built for this run
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == bareCommand {
		if err := bare(os.Args[2:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench: "+err.Error())
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	opts, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	}
	if err := run(ctx, opts, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1) //nolint:gocritic // stop has nothing to give back that the end of the process does not
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	var names []string
	for _, e := range experiments() {
		names = append(names, e.name)
	}
	only := f.String("only", "", "measure only these, separated by commas: "+strings.Join(names, ", "))
	f.BoolVar(&o.quick, "quick", false, "fewer and shorter rounds: to see that it works, not to judge")
	f.BoolVar(&o.full, "full", false, "more and longer rounds")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.from, "from", "", "print this `file` of earlier --json output instead of measuring; with --only these are measured anew")
	f.StringVar(&o.markdown, "markdown", "", "put the table into this `file`, between its markers")
	f.StringVar(&o.profile, "profile", "", "write profiles of the shop under the checkout load into this `folder`, and tell where its time goes")
	f.StringVar(&o.binary, "binary", "", "measure this `file`; without it the shop is built first")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, name := range o.only {
		if !slices.Contains(names, name) {
			fmt.Fprintf(stderr, "bench: nothing is named %q; there is %s\n", name, strings.Join(names, ", "))
			return o, errors.New("unknown name")
		}
	}
	if f.NArg() > 0 || o.quick && o.full {
		fmt.Fprintln(stderr, "bench: it takes flags only, and not both of --quick and --full")
		return o, errors.New("wrong arguments")
	}
	return o, nil
}

// run measures, or reads what was measured, and shows it.
func run(ctx context.Context, o options, stdout, stderr io.Writer) error {
	report, err := read(o.from)
	if err == nil && (o.from == "" || len(o.only) > 0) {
		var anew Report
		anew, err = measure(ctx, o, stderr)
		report = report.with(anew, o.only)
	}
	if len(report.Rows) == 0 {
		return err
	}
	switch {
	case o.markdown == "":
	case len(report.Failed) == 0: // a document gets whole tables only
		if err := replaceTable(o.markdown, report.markdown()); err != nil {
			return err
		}
	default:
		kept, saving := report.save()
		if saving == nil {
			fmt.Fprintf(stderr, "bench: %s stays as it is. What was measured is in %s; to measure the rest and write it:\n  make bench/doc BENCH_FLAGS=\"--from %s --only %s\"\n",
				o.markdown, kept, kept, strings.Join(report.Failed, ","))
		}
		err = errors.Join(err, saving)
	}
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return errors.Join(err, enc.Encode(report))
	}
	return errors.Join(err, report.print(stdout))
}
