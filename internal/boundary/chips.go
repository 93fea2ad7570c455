package boundary

import (
	"cmp"
	"math"
	"slices"
)

// rect is an area of the drawing.
type rect struct{ x, y, w, h float64 }

func (r rect) meets(o rect) bool {
	const air = 3
	return r.x < o.x+o.w+air && o.x < r.x+r.w+air && r.y < o.y+o.h+air && o.y < r.y+r.h+air
}

func (r rect) meetsAny(others []rect) bool { return slices.ContainsFunc(others, r.meets) }

func (r rect) holds(p point) bool {
	return r.x <= p.x && p.x <= r.x+r.w && r.y <= p.y && p.y <= r.y+r.h
}

// point of the drawing.
type point struct{ x, y float64 }

// spot is a point of a line, and how far it is from where a label stands best.
type spot struct {
	point
	far float64
}

// roomiest is how far things are drawn apart at the most, to find room for labels.
const roomiest = 2.5

// arrange places the modules as near to each other as leaves every label a place
// of its own on its line, and gives these places in the order of the lines. Where
// even much room does not do, labels leave their lines: none hides another.
func arrange(g Graph) (*layout, []rect) {
	for room := 1.0; ; room += .125 {
		l := newLayout(g, room)
		if chips, ok := l.chips(room >= roomiest); ok {
			return l, chips
		}
	}
}

// chips gives each line a place for its label, where no other label and no box is
// and as few other lines as can be. ok is false where a line has no such place,
// and forced labels go below it then.
func (l *layout) chips(force bool) (chips []rect, ok bool) {
	const arrow = 14 // the points of arrows stay free
	var taken []rect
	for _, i := range l.items {
		taken = append(taken, rect{i.x - arrow, i.y, boxWidth + 2*arrow, i.h})
	}
	spots := make([][]spot, len(l.links))
	order := make([]int, len(l.links))
	for n, k := range l.links {
		_, spots[n] = k.path()
		order[n] = n
	}
	// Who has the least choice chooses first: short lines with big labels.
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(len(spots[a]), len(spots[b])), cmp.Compare(len(l.links[b].label), len(l.links[a].label)))
	})
	chips = make([]rect, len(l.links))
	for _, n := range order {
		w, h := l.links[n].labelSize()
		best, least := rect{}, math.Inf(1)
		for _, p := range spots[n] {
			r := rect{p.x - w/2, p.y - h/2, w, h}
			if cost := p.far + hidden(r, spots, n); cost < least && !r.meetsAny(taken) {
				best, least = r, cost
			}
		}
		if math.IsInf(least, 1) {
			if !force {
				return nil, false
			}
			p := spots[n][len(spots[n])/2]
			for best = (rect{p.x - w/2, p.y - h/2, w, h}); best.meetsAny(taken); best.y += 4 {
			}
		}
		chips[n], taken = best, append(taken, best)
	}
	return chips, true
}

// hidden is what it costs that a label lies on lines that are not its own.
func hidden(r rect, spots [][]spot, own int) float64 {
	cost := 0.0
	for n, line := range spots {
		if n != own && slices.ContainsFunc(line, func(p spot) bool { return r.holds(p.point) }) {
			cost += 25
		}
	}
	return cost
}

// labelSize is the width and height of a label.
func (k *link) labelSize() (w, h float64) {
	for _, text := range k.label {
		w = max(w, float64(len(text))*6.3+14)
	}
	return w, float64(len(k.label))*13.5 + 7
}
