package boundary_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/boundary"
)

var drawn = regexp.MustCompile("(?s)(<!-- begin: app boundaries --graph mermaid -->\n```mermaid\n)(.*?)(```\n<!-- end -->)")

// TestDocsAreFresh keeps the drawings of docs/boundaries as the source says.
func TestDocsAreFresh(t *testing.T) {
	t.Parallel()
	g := read(t, root, module).Graph
	page, picture := filepath.Join(root, "docs/boundaries.md"), filepath.Join(root, "docs/boundaries.svg")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Regexp(t, drawn, string(text), "the markers around the graph are gone")
	want := drawn.ReplaceAllStringFunc(string(text), func(old string) string {
		m := drawn.FindStringSubmatch(old)
		return m[1] + g.Mermaid() + m[3]
	})
	if os.Getenv("BANYAN_TEST_UPDATE") != "" {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		require.NoError(t, os.WriteFile(picture, []byte(g.SVG()), 0o644))
		return
	}
	const remedy = "is stale: run BANYAN_TEST_UPDATE=1 go test ./internal/boundary"
	require.Equal(t, want, string(text), "docs/boundaries.md "+remedy)
	svg, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.Equal(t, string(svg), g.SVG(), "docs/boundaries.svg "+remedy)
}

// TestGraph checks the graph of the corpus, where each kind of line is known.
func TestGraph(t *testing.T) {
	t.Parallel()
	g := read(t, corpus(t, "base", "lookalikes"), shop).Graph
	require.Equal(t, []boundary.Call{
		{From: "orders", To: "catalog", Methods: []string{"Find"}},
		{From: "orders", To: "catalog", Edge: true, Methods: []string{"Find"}},
		{From: "orders", To: "payments", Methods: []string{"Charge"}},
	}, g.Calls)
	require.Equal(t, []boundary.Exchange{
		{From: "payments", To: "orders", Topics: []string{"payments.payment"}, Types: []string{"payments.charged"}},
	}, g.Events)
	mermaid := g.Mermaid()
	require.Contains(t, mermaid, `orders -->|"Find"| catalog`)
	require.Contains(t, mermaid, `orders ==>|"HTTP: Find"| catalog`)
	require.Contains(t, mermaid, `payments -.->|"payments.charged"| orders`)
	require.Contains(t, mermaid, "order_notes")
	svg := g.SVG()
	require.Equal(t, 1, strings.Count(svg, ">order_notes<"))
	require.Equal(t, 4, strings.Count(svg, "<title>"), "three calls and an event")
}

// TestCirclesCanBeDrawn checks that the drawing ends where modules call each other.
func TestCirclesCanBeDrawn(t *testing.T) {
	t.Parallel()
	g := boundary.Graph{
		Modules: []boundary.Node{{Name: "a"}, {Name: "b"}, {Name: "c", Tables: []string{"x<y"}}},
		Calls: []boundary.Call{
			{From: "a", To: "b", Methods: []string{"M"}}, {From: "b", To: "c", Methods: []string{"N"}}, {From: "c", To: "a", Methods: []string{"O"}},
		},
		Events: []boundary.Exchange{{From: "b", To: "a", Types: []string{"b.e"}}},
	}
	svg := g.SVG()
	require.Contains(t, svg, "x&lt;y")
	require.NotContains(t, svg, "NaN")
	require.NotContains(t, svg, "Inf")
}
