package boundary

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
)

// Baseline lists findings that are known and tolerated for now. It may only
// shrink: what is in it and no longer found must be taken out, so that it cannot
// come back unseen.
type Baseline struct {
	Findings []Known `json:"findings"`
}

// Known is a finding of the baseline. It names no line, which every edit moves.
type Known struct {
	Module string `json:"module"`
	Plane  Plane  `json:"plane"`
	File   string `json:"file"`
	What   string `json:"what"`
	Count  int    `json:"count"` // how often in the file

	found int
}

var lineNumber = regexp.MustCompile(`(\.go|\.sql):\d+`)

// identity is a finding without what changes when lines move.
func (f Finding) identity() Known {
	return Known{Module: f.Module, Plane: f.Plane, File: f.File, What: lineNumber.ReplaceAllString(f.What, "$1")}
}

func (k Known) key() Known {
	return Known{Module: k.Module, Plane: k.Plane, File: k.File, What: k.What}
}

func (k Known) advice() string {
	if k.found == 0 {
		return "take the entry out, or run with --write-baseline"
	}
	return fmt.Sprintf("set its count to %d, or run with --write-baseline", k.found)
}

// ReadBaseline reads a baseline file; nil where there is no such file.
func ReadBaseline(file string) (*Baseline, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	if err != nil {
		return nil, fmt.Errorf("read the baseline: %w", err)
	}
	var b Baseline
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return nil, fmt.Errorf("read the baseline %s: %w", file, err)
	}
	seen := map[Known]bool{}
	for _, k := range b.Findings {
		if k.Count < 1 {
			return nil, fmt.Errorf("read the baseline %s: the entry for %s has the count %d: write at least 1, or take it out", file, k.File, k.Count)
		}
		if seen[k.key()] {
			return nil, fmt.Errorf("read the baseline %s: %s: %s is there twice: keep one entry, with the count of both", file, k.File, k.What)
		}
		seen[k.key()] = true
	}
	return &b, nil
}

// Compare parts findings into those that are new and those that are known, and
// gives the entries that are found less often than they say.
func (b *Baseline) Compare(list []Finding) (fresh, tolerated []Finding, stale []Known) {
	found := map[Known]int{}
	allowed := map[Known]int{}
	for _, k := range b.Findings {
		allowed[k.key()] = k.Count
	}
	fresh, tolerated, stale = []Finding{}, []Finding{}, []Known{}
	for _, f := range list {
		id := f.identity()
		found[id]++
		if found[id] > allowed[id] {
			fresh = append(fresh, f)
		} else {
			tolerated = append(tolerated, f)
		}
	}
	for _, k := range b.Findings {
		if k.found = found[k.key()]; k.found < k.Count {
			stale = append(stale, k)
		}
	}
	return fresh, tolerated, stale
}

// WriteBaseline writes the findings to a new baseline. One that exists only
// loses entries: where there are findings that it does not know it is left as it
// is, and the error says so.
func WriteBaseline(file string, list []Finding) error {
	old, err := ReadBaseline(file)
	if err != nil {
		return err
	}
	if old != nil {
		if fresh, _, _ := old.Compare(list); len(fresh) > 0 {
			return fmt.Errorf("%s stays as it is: a baseline may only shrink, and %s not in it, the first at %s:%d: %s; mend it",
				file, are(len(fresh)), fresh[0].File, fresh[0].Line, fresh[0].What)
		}
	}
	counts := map[Known]int{}
	for _, f := range list {
		counts[f.identity()]++
	}
	b := Baseline{Findings: []Known{}}
	for k, n := range counts {
		k.Count = n
		b.Findings = append(b.Findings, k)
	}
	slices.SortFunc(b.Findings, func(x, y Known) int {
		return cmp.Or(cmp.Compare(x.Module, y.Module), cmp.Compare(x.Plane, y.Plane), cmp.Compare(x.File, y.File), cmp.Compare(x.What, y.What))
	})
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	return nil
}

func are(n int) string {
	if n == 1 {
		return "1 finding is"
	}
	return fmt.Sprintf("%d findings are", n)
}
