package boundary

import (
	"fmt"
	"html"
	"math"
	"strings"
)

const svgStyle = `
    text { font: 12px ui-sans-serif, system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2933 }
    .name { font-size: 15px; font-weight: 600; fill: #fff }
    .table { font: 11.5px ui-monospace, "DejaVu Sans Mono", monospace; fill: #3e4c59 }
    .box { fill: #fff; stroke: #2f6f4f; stroke-width: 1.5 }
    .head { fill: #2f6f4f }
    .line { fill: none; stroke-width: 1.8 }
    .call { stroke: #2457a6 } .edge { stroke: #8a94a0 } .event { stroke: #c2620a; stroke-dasharray: 6 4 }
    .chip { fill: #fff; fill-opacity: .94; stroke-width: 1 }
    .chip.call { stroke: #b7cbe9 } .chip.edge { stroke: #d3d8dd } .chip.event { stroke: #efcfac; stroke-dasharray: none }
    .t-call { fill: #1b4482; font-size: 11px } .t-edge { fill: #5f6b76; font-size: 11px } .t-event { fill: #9a4d06; font-size: 11px }
`

// SVG draws the graph: callers on the left of whom they call, with the tables of
// each module, the methods on solid lines and the events on dashed ones.
func (g Graph) SVG() string {
	l, chips := arrange(g)
	width, height := 0.0, 0.0
	for _, layer := range l.layers {
		for _, i := range layer {
			width, height = max(width, i.x+boxWidth+margin), max(height, i.y+i.h+margin)
		}
	}
	for _, r := range chips {
		width, height = max(width, r.x+r.w+margin), max(height, r.y+r.h+margin)
	}
	const legend = 44
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\" aria-label=\"The modules, their tables, the contracts they call and the events they exchange\">\n", width, height+legend, width, height+legend)
	fmt.Fprintf(&b, "  <style>%s  </style>\n  <defs>\n", svgStyle)
	arrowHead(&b, "call", "#2457a6")
	arrowHead(&b, "edge", "#8a94a0")
	arrowHead(&b, "event", "#c2620a")
	fmt.Fprintf(&b, "  </defs>\n  <rect width=\"100%%\" height=\"100%%\" fill=\"#f7f9f8\"/>\n")
	var labels strings.Builder
	for n, k := range l.links {
		path, _ := k.path()
		fmt.Fprintf(&b, "  <path class=\"line %s\" d=\"%s\" marker-%s=\"url(#%s)\"><title>%s → %s: %s</title></path>\n",
			k.kind, path, k.arrowAt(), k.kind, k.from.name, k.to.name, html.EscapeString(strings.Join(k.label, ", ")))
		k.drawLabel(&labels, chips[n])
	}
	for _, i := range l.items {
		i.draw(&b)
	}
	b.WriteString(labels.String())
	drawLegend(&b, height+8)
	b.WriteString("</svg>\n")
	return b.String()
}

func arrowHead(b *strings.Builder, kind, colour string) {
	fmt.Fprintf(b, "    <marker id=\"%s\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L10 5L0 10z\" fill=\"%s\"/></marker>\n", kind, colour)
}

func (k *link) arrowAt() string {
	if k.way[len(k.way)-1] == k.to {
		return "end"
	}
	return "start"
}

// path gives the line as SVG, and the spots along it.
func (k *link) path() (string, []spot) {
	var b strings.Builder
	var spots []spot
	curve := func(a, c, d, z point) {
		fmt.Fprintf(&b, "C%.1f %.1f %.1f %.1f %.1f %.1f", c.x, c.y, d.x, d.y, z.x, z.y)
		const steps = 48
		for n := 1; n < steps; n++ {
			t := float64(n) / steps
			spots = append(spots, spot{bezier(a, c, d, z, t), math.Abs(t-.5) * 100})
		}
	}
	for n := 1; n < len(k.way); n++ {
		from, to := k.way[n-1], k.way[n]
		a := point{from.x + boxWidth, from.end(k, from.rite)}
		z := point{to.x, to.end(k, to.left)}
		if from.layer == to.layer { // neighbours above each other
			a.x, z.x = from.x+boxWidth, to.x+boxWidth
			a.y, z.y = from.middle(), to.middle()
			fmt.Fprintf(&b, "M%.1f %.1f", a.x, a.y)
			curve(a, point{a.x + 70, a.y}, point{z.x + 70, z.y}, z)
			continue
		}
		if n == 1 {
			fmt.Fprintf(&b, "M%.1f %.1f", a.x, a.y)
		}
		bend := (z.x - a.x) * .45
		curve(a, point{a.x + bend, a.y}, point{z.x - bend, z.y}, z)
		if to.name == "" {
			fmt.Fprintf(&b, "L%.1f %.1f", to.x+boxWidth, z.y)
			for part := .1; part < 1; part += .1 {
				spots = append(spots, spot{point{to.x + boxWidth*part, z.y}, 60})
			}
		}
	}
	return b.String(), spots
}

func bezier(a, b, c, d point, t float64) point {
	u := 1 - t
	f := func(a, b, c, d float64) float64 { return u*u*u*a + 3*u*u*t*b + 3*u*t*t*c + t*t*t*d }
	return point{f(a.x, b.x, c.x, d.x), f(a.y, b.y, c.y, d.y)}
}

func (k *link) drawLabel(b *strings.Builder, r rect) {
	fmt.Fprintf(b, "  <rect class=\"chip %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"5\"/>\n", k.kind, r.x, r.y, r.w, r.h)
	for n, text := range k.label {
		fmt.Fprintf(b, "  <text class=\"t-%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
			k.kind, r.x+r.w/2, r.y+14+13.5*float64(n), html.EscapeString(text))
	}
}

func (i *item) draw(b *strings.Builder) {
	fmt.Fprintf(b, "  <g><rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" height=\"%.1f\" rx=\"8\"/>\n", i.x, i.y, boxWidth, i.h)
	fmt.Fprintf(b, "  <path class=\"head\" d=\"M%.1f %.1fv-%.1fa8 8 0 0 1 8 -8h%.1fa8 8 0 0 1 8 8v%.1fz\"/>\n", i.x, i.y+headHeight, headHeight-8, boxWidth-16, headHeight-8)
	fmt.Fprintf(b, "  <text class=\"name\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", i.x+12, i.y+23, html.EscapeString(i.name))
	for n, table := range i.tables {
		fmt.Fprintf(b, "  <text class=\"table\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", i.x+12, i.y+headHeight+18+lineHeight*float64(n), html.EscapeString(table))
	}
	b.WriteString("  </g>\n")
}

func drawLegend(b *strings.Builder, y float64) {
	x := margin
	for _, entry := range []struct{ kind, text string }{
		{"call", "calls methods of a contract"}, {"edge", "its HTTP handlers call (they stay at the edge)"}, {"event", "publishes events to"},
	} {
		fmt.Fprintf(b, "  <path class=\"line %s\" d=\"M%.0f %.0fh44\" marker-end=\"url(#%s)\"/>\n", entry.kind, x, y+10, entry.kind)
		fmt.Fprintf(b, "  <text x=\"%.0f\" y=\"%.0f\">%s</text>\n", x+54, y+14, entry.text)
		x += 54 + float64(len(entry.text))*6.6 + 40
	}
}
