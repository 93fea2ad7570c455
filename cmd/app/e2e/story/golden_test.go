package story

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// text is how a chapter stands in the golden file: steps are numbered, what came of
// them is indented.
func (c told) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "# %s\n", c.title)
	for i, p := range c.steps {
		p.write(&out, fmt.Sprintf("%d. ", i+1))
	}
	for _, p := range c.after {
		p.write(&out, "")
	}
	return out.String()
}

func (p passage) write(out *strings.Builder, number string) {
	fmt.Fprintf(out, "%s%s\n", number, p.head)
	for _, line := range p.lines {
		fmt.Fprintf(out, "   %s\n", line)
	}
}

// golden reads what was recorded, by chapter.
func golden(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	out := map[string]string{}
	for part := range strings.SplitSeq("\n"+string(raw), "\n# ") {
		if title, _, _ := strings.Cut(part, "\n"); title != "" {
			out[title] = "# " + strings.TrimSuffix(part, "\n") + "\n"
		}
	}
	return out
}

const context = 4 // passages shown before the one that differs

// difference tells where a chapter first differs from what was recorded; "" where
// it does not.
func difference(want, got string) string {
	was, is := passages(want), passages(got)
	for i := range max(len(was), len(is)) {
		a, b := at(was, i), at(is, i)
		if a == b {
			continue
		}
		var out strings.Builder
		title, _, _ := strings.Cut(want, "\n")
		fmt.Fprintf(&out, "%s, after\n", title)
		for _, before := range was[max(0, i-context):min(i, len(was))] {
			fmt.Fprintf(&out, "  %s\n", shorten(before))
		}
		fmt.Fprintf(&out, "it should go on\n%s\nbut goes on\n%s\n", a, b)
		if where := split(a, b); where != "" {
			fmt.Fprintf(&out, "which differs from here: %s\n", where)
		}
		return out.String()
	}
	return ""
}

// passages cuts a chapter where lines are not indented.
func passages(text string) (out []string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if strings.HasPrefix(line, "   ") && len(out) > 0 {
			out[len(out)-1] += "\n" + line
		} else {
			out = append(out, line)
		}
	}
	return out
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "(nothing)"
}

func shorten(text string) string {
	if len(text) > 300 {
		return text[:300] + "…"
	}
	return text
}

// split shows both texts from where they part.
func split(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	from := max(0, n-20)
	if from >= len(a) || from >= len(b) {
		return ""
	}
	return fmt.Sprintf("%q, %q", shorten(a[from:min(len(a), n+100)]), shorten(b[from:min(len(b), n+100)]))
}

// A difference is told with the step that made it.
func TestDifferenceIsReadable(t *testing.T) {
	t.Parallel()
	want := told{title: "c00", steps: []passage{{"ada GET /cart", []string{`200 {"lines":[]}`}}, {"ada POST /orders", []string{"202 {}"}}}, after: []passage{{"ledger for <o>", []string{"voided 1 USD"}}}}
	require.Empty(t, difference(want.text(), want.text()))
	got := want
	got.steps = []passage{want.steps[0], {"ada POST /orders", []string{"503 {}"}}}
	told := difference(want.text(), got.text())
	require.Contains(t, told, "1. ada GET /cart\n")
	require.Contains(t, told, "it should go on\n2. ada POST /orders\n   202 {}\nbut goes on\n2. ada POST /orders\n   503 {}\n")
	got = want
	got.after = nil
	require.Contains(t, difference(want.text(), got.text()), "ledger for <o>")
}
