package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report is a whole run.
type Report struct {
	Machine Machine `json:"machine"`
	Rows    []Row   `json:"rows"`
	// Profiles are there when they were asked for.
	Profiles []Profile `json:"profiles,omitempty"`
	// Failed are the experiments whose rows are not all here.
	Failed []string `json:"failed,omitempty"`
}

// with puts what was measured anew, of these experiments, in the place of what was
// there before. The machine and the time stay those of the report.
func (r Report) with(anew Report, only []string) Report {
	if len(r.Rows) == 0 {
		return anew
	}
	for _, row := range anew.Rows {
		at := slices.IndexFunc(r.Rows, func(o Row) bool { return o.Area == row.Area && o.What == row.What })
		if at < 0 {
			r.Rows = append(r.Rows, row)
		} else {
			r.Rows[at] = row
		}
	}
	r.group()
	r.Failed = append(slices.DeleteFunc(r.Failed, func(name string) bool { return slices.Contains(only, name) }), anew.Failed...)
	if len(anew.Profiles) > 0 {
		r.Profiles = anew.Profiles
	}
	return r
}

// save keeps a report that is not whole.
func (r Report) save() (file string, err error) {
	f, err := os.CreateTemp("", "banyan-bench-*.json")
	if err != nil {
		return "", fmt.Errorf("keep what was measured: %w", err)
	}
	return f.Name(), errors.Join(json.NewEncoder(f).Encode(r), f.Close())
}

// read gives an earlier report.
func read(file string) (Report, error) {
	var r Report
	if file == "" {
		return r, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("%s is no output of bench --json: %w", file, err)
	}
	return r, nil
}

// group puts the rows of an area together, in the order in which they came.
func (r *Report) group() {
	first := map[string]int{}
	for i, row := range r.Rows {
		if _, seen := first[row.Area]; !seen {
			first[row.Area] = i
		}
	}
	slices.SortStableFunc(r.Rows, func(a, b Row) int { return cmp.Compare(first[a.Area], first[b.Area]) })
}

// print writes the table for a terminal.
func (r Report) print(out io.Writer) error {
	fmt.Fprintln(out, r.Machine)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	area := ""
	for _, row := range r.Rows {
		if row.Area != area {
			area = row.Area
			fmt.Fprintf(w, "\n%s\tours\tlimit\tratio\tbar\t\tthe limit is\n", strings.ToUpper(area))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row.What, row.ours(), row.limit(), row.ratio(), row.bar(), row.mark(), row.Is)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	passed, judged := r.score()
	fmt.Fprintf(out, "\n%d of %d bars are reached.\n", passed, judged)
	for _, p := range r.Profiles {
		fmt.Fprintf(out, "\nProcessor time of the shop, %s\n", p.Load)
		for _, l := range p.Layers {
			fmt.Fprintf(out, "%5.1f %%  %s\n", 100*l.Share, l.Name)
		}
	}
	return nil
}

func (r Report) score() (passed, judged int) {
	for _, row := range r.Rows {
		if row.Pass != nil {
			judged++
			if *row.Pass {
				passed++
			}
		}
	}
	return passed, judged
}

// markdown writes the tables for a document.
func (r Report) markdown() string {
	var b strings.Builder
	passed, judged := r.score()
	fmt.Fprintf(&b, "%s. %d of %d bars are reached.\n", r.Machine, passed, judged)
	area := ""
	for _, row := range r.Rows {
		if row.Area != area {
			area = row.Area
			fmt.Fprintf(&b, "\n**%s**\n\n| | ours | limit | ratio | bar | | the limit is |\n|---|---|---|---|---|---|---|\n", strings.ToUpper(area[:1])+area[1:])
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", row.What, row.ours(), row.limit(), row.ratio(), row.bar(), row.mark(), row.Is)
	}
	for _, p := range r.Profiles {
		fmt.Fprintf(&b, "\n**Where the processor time goes: checkout on %s**\n\n| part | share |\n|---|---|\n", p.Load)
		for _, l := range p.Layers {
			fmt.Fprintf(&b, "| %s | %.1f %% |\n", l.Name, 100*l.Share)
		}
	}
	return b.String()
}

// The table of a document stands between these.
const (
	tableBegin = "<!-- bench: begin, written by make bench/doc -->"
	tableEnd   = "<!-- bench: end -->"
)

// replaceTable puts a table between the markers of a file.
func replaceTable(file, table string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(raw), tableBegin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the table: write the lines %q and %q where it shall stand", file, tableBegin, tableEnd)
	}
	text := before + tableBegin + "\n\n" + strings.TrimSpace(table) + "\n\n" + tableEnd + after
	return os.WriteFile(file, []byte(text), 0o644) //nolint:gosec // a document
}
