package boundary

import (
	"fmt"
	"strings"
)

// Mermaid draws the graph as Mermaid's flowchart: a solid arrow is a call, a
// dotted one an event, a thick one a call of the HTTP handlers.
func (g Graph) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	for _, n := range g.Modules {
		fmt.Fprintf(&b, "    %s[\"<b>%s</b><br/>%s\"]\n", n.Name, n.Name, strings.Join(n.Tables, "<br/>"))
	}
	for _, c := range g.Calls {
		arrow := "-->"
		label := strings.Join(c.Methods, ", ")
		if c.Edge {
			arrow, label = "==>", "HTTP: "+label
		}
		fmt.Fprintf(&b, "    %s %s|\"%s\"| %s\n", c.From, arrow, label, c.To)
	}
	for _, e := range g.Events {
		fmt.Fprintf(&b, "    %s -.->|\"%s\"| %s\n", e.From, strings.Join(e.Types, "<br/>"), e.To)
	}
	return b.String()
}
