package contract

import (
	"fmt"
	"io"
	"strings"
)

// Report is the result of a comparison.
type Report struct {
	Against  string   `json:"against"`
	Breaking int      `json:"breaking"` // that are not accepted
	Changes  []Change `json:"changes"`
}

// NewReport counts what breaks.
func NewReport(against string, changes []Change) Report {
	r := Report{Against: against, Changes: changes}
	for _, c := range changes {
		if c.Breaks() {
			r.Breaking++
		}
	}
	return r
}

// Print tells it to a person: what is the same change of one type in many
// messages is told once.
func (r Report) Print(w io.Writer) error {
	var b strings.Builder
	for i := 0; i < len(r.Changes); {
		like := []Change{r.Changes[i]}
		rest := r.Changes[i+1:]
		i++
		for len(rest) > 0 && like[0].At != "" && rest[0].At == like[0].At && rest[0].Name == like[0].Name && rest[0].Was == like[0].Was && rest[0].Is == like[0].Is && rest[0].Accepted == like[0].Accepted {
			like = append(like, rest[0])
			rest = rest[1:]
			i++
		}
		print(&b, like)
	}
	switch {
	case len(r.Changes) == 0:
		fmt.Fprintf(&b, "Every contract is as in %s.\n", r.Against)
	case r.Breaking == 0:
		fmt.Fprintf(&b, "\nNothing breaks what is recorded in %s (%s).\n", r.Against, count(len(r.Changes), "change"))
	default:
		fmt.Fprintf(&b, "\n%s against %s.\n", strings.ToUpper(string(Breaking[:1]))+string(Breaking[1:])+": "+count(r.Breaking, "change"), r.Against)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func print(b *strings.Builder, like []Change) {
	c := like[0]
	weight := string(c.Weight)
	if c.Accepted != "" {
		weight += ", accepted"
	}
	fmt.Fprintf(b, "\n%s  %s  %s\n", weight, c.Name, c.place())
	if change := c.change(); change != "" {
		fmt.Fprintf(b, "  %s\n", change)
	}
	if c.Weight == Addition {
		return
	}
	fmt.Fprintf(b, "  because: %s\n", c.Why)
	for _, one := range like {
		where := one.Where()
		if len(one.Consumers) == 0 {
			where += ": no module of this repository uses it"
		} else {
			where += ": breaks " + strings.Join(one.Consumers, ", ")
			if c.Weight != Breaking {
				where = one.Where() + ": read by " + strings.Join(one.Consumers, ", ")
			}
		}
		fmt.Fprintf(b, "  %s\n", where)
	}
	if c.Accepted != "" {
		fmt.Fprintf(b, "  accepted: %s\n", c.Accepted)
		return
	}
	fmt.Fprintf(b, "  instead: %s\n", c.Remedy)
}

// place names the type and field where there is one: the same change can show in
// many messages.
func (c Change) place() string {
	if c.At != "" {
		return c.At
	}
	return c.Where()
}

func (c Change) change() string {
	switch {
	case c.Was != "" && c.Is != "":
		return fmt.Sprintf("was %s, is %s", c.Was, c.Is)
	case c.Was != "":
		return "gone: " + c.Was
	case c.Is != "":
		return "new: " + c.Is
	}
	return ""
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
