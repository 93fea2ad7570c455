package boundary_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/boundary"
)

var (
	drawnRect  = regexp.MustCompile(`<rect class="(box|chip) ?\w*" x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)"`)
	drawnLine  = regexp.MustCompile(`<path class="line \w+" d="(M[^"]+)" marker-\w+="[^"]+"><title>([^<]+)<`)
	drawnSize  = regexp.MustCompile(`viewBox="0 0 (\d+) (\d+)"`)
	drawnCurve = regexp.MustCompile(`[MCL][^MCL]+`)
)

type area struct {
	what       string
	x, y, w, h float64
}

func (a area) meets(o area) bool {
	return a.x < o.x+o.w && o.x < a.x+a.w && a.y < o.y+o.h && o.y < a.y+a.h
}

func numbers(t *testing.T, texts ...string) []float64 {
	t.Helper()
	var all []float64
	for _, text := range texts {
		f, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		all = append(all, f)
	}
	return all
}

// areas reads the boxes and labels of a drawing, each label with the title of its line.
func areas(t *testing.T, svg string) (all, chips []area) {
	t.Helper()
	lines := drawnLine.FindAllStringSubmatch(svg, -1)
	for _, m := range drawnRect.FindAllStringSubmatch(svg, -1) {
		n := numbers(t, m[2:]...)
		a := area{"a box", n[0], n[1], n[2], n[3]}
		if m[1] == "chip" {
			require.Less(t, len(chips), len(lines), "more labels than lines")
			a.what = lines[len(chips)][2]
			chips = append(chips, a)
		}
		all = append(all, a)
	}
	require.Len(t, chips, len(lines))
	return all, chips
}

// overlaps names what lies on something else, or outside the drawing.
func overlaps(t *testing.T, svg string) []string {
	t.Helper()
	all, _ := areas(t, svg)
	size := numbers(t, drawnSize.FindStringSubmatch(svg)[1:]...)
	var bad []string
	for n, a := range all {
		if a.x < 0 || a.y < 0 || a.x+a.w > size[0] || a.y+a.h > size[1] {
			bad = append(bad, a.what+" is not wholly in the drawing")
		}
		for _, o := range all[:n] {
			if a.meets(o) {
				bad = append(bad, a.what+" lies on "+o.what)
			}
		}
	}
	return bad
}

// strays names the labels that do not lie on their lines.
func strays(t *testing.T, svg string) []string {
	t.Helper()
	_, chips := areas(t, svg)
	var bad []string
	for n, m := range drawnLine.FindAllStringSubmatch(svg, -1) {
		on, at := false, []float64(nil)
		for _, part := range drawnCurve.FindAllString(m[1], -1) {
			p := numbers(t, strings.Fields(part[1:])...)
			if part[0] != 'M' {
				p = append(at[:2:2], p...)
				for i := range 101 {
					x, y := along(p, float64(i)/100)
					on = on || chips[n].meets(area{"", x, y, .1, .1})
				}
			}
			at = p[len(p)-2:]
		}
		if !on {
			bad = append(bad, chips[n].what)
		}
	}
	return bad
}

// along is a point of a straight line or of a Bézier curve, by de Casteljau.
func along(p []float64, t float64) (x, y float64) {
	p = append([]float64(nil), p...)
	for n := len(p); n > 2; n -= 2 {
		for i := range n - 2 {
			p[i] += (p[i+2] - p[i]) * t
		}
	}
	return p[0], p[1]
}

// crowd is a graph in which every module calls and hears all later ones.
func crowd(modules, methods int) boundary.Graph {
	var g boundary.Graph
	name := func(n int) string { return fmt.Sprintf("module%d", n) }
	for n := range modules {
		g.Modules = append(g.Modules, boundary.Node{Name: name(n), Tables: []string{"one", "two", "three"}})
		for to := n + 1; to < modules; to++ {
			c := boundary.Call{From: name(n), To: name(to)}
			e := boundary.Exchange{From: name(to), To: name(n)}
			for m := range methods {
				c.Methods = append(c.Methods, fmt.Sprintf("DoThisAndThat%d", m))
				e.Types = append(e.Types, fmt.Sprintf("%s.this_has_happened_%d", name(to), m))
			}
			g.Calls, g.Events = append(g.Calls, c), append(g.Events, e)
		}
	}
	return g
}

// ring is a graph whose modules all stand in two layers.
func ring(pairs int) boundary.Graph {
	var g boundary.Graph
	for n := range pairs {
		a, b := fmt.Sprintf("left%d", n), fmt.Sprintf("right%d", n)
		g.Modules = append(g.Modules, boundary.Node{Name: a}, boundary.Node{Name: b})
		for m := range pairs {
			to := fmt.Sprintf("right%d", m)
			g.Calls = append(g.Calls, boundary.Call{From: a, To: to, Methods: []string{"Authorize", "Capture", "Refund", "Void"}},
				boundary.Call{From: a, To: to, Edge: true, Methods: []string{"Get"}})
			g.Events = append(g.Events, boundary.Exchange{From: to, To: a, Types: []string{to + ".has_been_cancelled", to + ".has_been_created"}})
		}
	}
	return g
}

// TestNothingHidesALabel checks that no label lies on a box or on another label: in the
// drawing of this shop, where each also lies on its line, and in drawings with far more
// to say.
func TestNothingHidesALabel(t *testing.T) {
	t.Parallel()
	shop, err := os.ReadFile(filepath.Join(root, "docs/boundaries.svg")) // TestDocsAreFresh: as it is drawn today
	require.NoError(t, err)
	require.Empty(t, overlaps(t, string(shop)))
	require.Empty(t, strays(t, string(shop)))
	for name, g := range map[string]boundary.Graph{"a crowd": crowd(7, 4), "two layers": ring(5)} {
		svg := g.SVG()
		require.Equal(t, len(g.Calls)+len(g.Events), strings.Count(svg, "<title>"), name)
		require.Empty(t, overlaps(t, svg), name)
		require.Equal(t, svg, g.SVG(), "%s: drawn twice, the same", name)
	}
}
