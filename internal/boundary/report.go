package boundary

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Report is a survey as it is shown: what was asked for, with a verdict each.
type Report struct {
	Modules   []Verdict `json:"modules"`
	Findings  []Finding `json:"findings"`  // that count
	Tolerated []Finding `json:"tolerated"` // that the baseline knows
	Stale     []Known   `json:"stale"`     // of the baseline, and no longer there
}

// Verdict is what a survey says about one module.
type Verdict struct {
	Module
	Extractable bool          `json:"extractable"`
	Counts      map[Plane]int `json:"findings_by_plane"`
}

// Report makes the report of the named modules; of all where none is named.
// Findings that the baseline knows are tolerated, if there is a baseline.
func (s *Survey) Report(modules []string, baseline *Baseline) (Report, error) {
	r := Report{Modules: []Verdict{}, Findings: []Finding{}, Tolerated: []Finding{}, Stale: []Known{}}
	var known []string
	for _, m := range s.Modules {
		known = append(known, m.Name)
	}
	for _, name := range modules {
		if !slices.Contains(known, name) && !holdsTogether(name) {
			return r, fmt.Errorf("there is no module %q; there are: %s; and what holds them together: %s, %s", name, strings.Join(known, ", "), kit, assembly)
		}
	}
	asked := func(name string) bool { return len(modules) == 0 || slices.Contains(modules, name) }
	findings := s.Findings
	if baseline != nil {
		findings, r.Tolerated, r.Stale = baseline.Compare(s.Findings)
	}
	for _, f := range findings {
		if asked(f.Module) {
			r.Findings = append(r.Findings, f)
		}
	}
	list := s.Modules
	for _, shared := range []string{kit, assembly} {
		found := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Module == shared })
		if found || slices.Contains(modules, shared) {
			list = append(slices.Clone(list), Module{Name: shared})
		}
	}
	for _, f := range r.Findings { // of data that no module of the source has: something observed
		if !slices.ContainsFunc(list, func(m Module) bool { return m.Name == f.Module }) {
			list = append(slices.Clone(list), Module{Name: f.Module})
		}
	}
	for _, m := range list {
		if !asked(m.Name) {
			continue
		}
		v := Verdict{Module: m, Counts: map[Plane]int{}}
		for _, p := range Planes() {
			v.Counts[p] = 0
		}
		for _, f := range s.Findings {
			if f.Module == m.Name {
				v.Counts[f.Plane]++
			}
		}
		v.Extractable = v.Counts[Imports]+v.Counts[SQL]+v.Counts[Transactions] == 0 && !holdsTogether(m.Name)
		r.Modules = append(r.Modules, v)
	}
	return r, nil
}

// Clean tells whether nothing stands in the way.
func (r Report) Clean() bool { return len(r.Findings) == 0 && len(r.Stale) == 0 }

// Print writes the report for people: a line for each module, what blocks it
// below.
func (r Report) Print(w io.Writer) error {
	var b strings.Builder
	for _, v := range r.Modules {
		fmt.Fprintf(&b, "%s: %s · %s · %s → %s\n", v.Name,
			v.plane(Imports, count(v.Files, "file")),
			v.plane(SQL, count(len(v.Tables), "table")+", "+count(v.Statements, "statement")),
			v.plane(Transactions, count(v.Transactions, "write transaction")), v.verdict())
		for _, f := range r.Findings {
			if f.Module == v.Name {
				f.print(&b)
			}
		}
	}
	fmt.Fprintln(&b)
	for _, k := range r.Stale {
		fmt.Fprintf(&b, "STALE in the baseline: %s %s: %s\n  it was found %s, %s is known: %s\n",
			k.Plane, k.File, k.What, times(k.found), times(k.Count), k.advice())
	}
	if len(r.Tolerated) > 0 {
		fmt.Fprintf(&b, "%s tolerated by the baseline.\n", count(len(r.Tolerated), "finding"))
	}
	if len(r.Findings) == 0 {
		fmt.Fprintln(&b, "Nothing new blocks an extraction.")
	} else {
		fmt.Fprintf(&b, "%s.\n", count(len(r.Findings), "finding"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// holdsTogether tells what modules share, which is none of them.
func holdsTogether(unit string) bool { return unit == kit || unit == assembly }

func (v Verdict) plane(p Plane, measure string) string {
	if n := v.Counts[p]; n > 0 {
		return fmt.Sprintf("%s %s", p, count(n, "finding"))
	}
	if holdsTogether(v.Name) {
		return fmt.Sprintf("%s ok", p)
	}
	return fmt.Sprintf("%s ok (%s)", p, measure)
}

func (v Verdict) verdict() string {
	switch {
	case v.Extractable:
		return "can be extracted"
	case holdsTogether(v.Name):
		return "holds modules together"
	}
	return "cannot be extracted"
}

func (f Finding) print(b *strings.Builder) {
	fmt.Fprintf(b, "\n  %s:%d  %s\n    %s\n", f.File, f.Line, f.Plane, f.What)
	for i, via := range f.Via {
		if i == 0 {
			fmt.Fprintf(b, "    by way of  %s\n", via)
		} else {
			fmt.Fprintf(b, "               %s\n", via)
		}
	}
	fmt.Fprintf(b, "    instead: %s\n", f.Remedy)
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

func times(n int) string {
	switch n {
	case 0:
		return "nowhere"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
