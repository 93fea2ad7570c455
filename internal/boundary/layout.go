package boundary

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Measures of the drawing, in pixels.
const (
	boxWidth   = 186.0
	headHeight = 34.0
	lineHeight = 16.0
	gap        = 254.0 // between one layer and the next, at the least
	apart      = 40.0  // between boxes of a layer, at the least
	ends       = 30.0  // between the ends of lines on a box, at the least
	margin     = 36.0
)

// item is a box in a layer, or the place where a line passes through one.
type item struct {
	name       string // empty: a line passes
	tables     []string
	layer      int
	x, y, h    float64 // the left upper corner and the height
	near       []*item // in other layers, joined by a line
	rank       int
	left, rite []*link // the ends of lines on both sides
}

func (i *item) middle() float64 { return i.y + i.h/2 }

// link is a line from one box to another, through every layer between.
type link struct {
	kind  string // call, edge or event
	label []string
	from  *item
	to    *item
	way   []*item // from the left to the right; the first and the last are boxes
}

// layout places the modules: who calls stands left of whom it calls.
type layout struct {
	room   float64 // how many times the least distances things stand apart
	items  []*item
	layers [][]*item
	links  []*link
}

func newLayout(g Graph, room float64) *layout {
	l := &layout{room: room}
	byName := map[string]*item{}
	for _, n := range g.Modules {
		i := &item{name: n.Name, tables: n.Tables, h: headHeight + 14 + lineHeight*float64(len(n.Tables))}
		byName[n.Name] = i
		l.items = append(l.items, i)
	}
	l.rank(g, byName)
	for _, c := range g.Calls {
		kind := "call"
		if c.Edge {
			kind = "edge"
		}
		l.link(kind, c.Methods, byName[c.From], byName[c.To])
	}
	for _, e := range g.Events {
		names := make([]string, len(e.Types))
		for n, t := range e.Types {
			names[n] = strings.TrimPrefix(t, e.From+".") // the line says whose they are
		}
		l.link("event", names, byName[e.From], byName[e.To])
	}
	for _, i := range l.items { // room for the ends of the lines
		left, right := 0, 0
		for _, n := range i.near {
			if n.layer < i.layer {
				left++
			} else {
				right++
			}
		}
		i.h = max(i.h, ends*room*float64(max(left, right))+16)
	}
	l.order()
	l.place()
	return l
}

// rank puts each module one layer right of whoever calls it. A circle of calls
// ends where it began.
func (l *layout) rank(g Graph, byName map[string]*item) {
	for _, calls := range []bool{false, true} { // then the handlers' calls, for those that nobody else calls
		for range l.items {
			for _, c := range g.Calls {
				from, to := byName[c.From], byName[c.To]
				if from == nil || to == nil || c.Edge != calls || from == to {
					continue
				}
				if calls && slices.ContainsFunc(g.Calls, func(o Call) bool { return o.To == c.To && !o.Edge || o.From == c.From && !o.Edge }) {
					continue
				}
				if to.layer <= from.layer && from.layer+1 < len(l.items) {
					to.layer = from.layer + 1
				}
			}
		}
	}
	// Whom only right neighbours call moves close to them.
	deepest := 0
	for _, i := range l.items {
		deepest = max(deepest, i.layer)
	}
	l.layers = make([][]*item, deepest+1)
	for _, i := range l.items {
		l.layers[i.layer] = append(l.layers[i.layer], i)
	}
}

func (l *layout) link(kind string, label []string, from, to *item) {
	if from == nil || to == nil || from == to {
		return
	}
	k := &link{kind: kind, label: label, from: from, to: to}
	left, right := from, to
	if left.layer > right.layer {
		left, right = right, left
	}
	k.way = []*item{left}
	for n := left.layer + 1; n < right.layer; n++ {
		pass := &item{layer: n, h: 10}
		l.layers[n] = append(l.layers[n], pass)
		k.way = append(k.way, pass)
	}
	k.way = append(k.way, right)
	for n := 1; n < len(k.way); n++ {
		k.way[n-1].near = append(k.way[n-1].near, k.way[n])
		k.way[n].near = append(k.way[n].near, k.way[n-1])
	}
	l.links = append(l.links, k)
}

// order sorts the layers so that few lines cross: each item goes to the mean of
// its neighbours, again and again.
func (l *layout) order() {
	number := func(layer []*item) {
		for n, i := range layer {
			i.rank = n*1000/max(1, len(layer)) + 500/max(1, len(layer))
		}
	}
	for _, layer := range l.layers {
		number(layer)
	}
	for sweep := range 24 {
		for n := range l.layers {
			layer := l.layers[n]
			if sweep%2 == 1 {
				layer = l.layers[len(l.layers)-1-n]
			}
			slices.SortStableFunc(layer, func(a, b *item) int { return cmp.Compare(a.wish(), b.wish()) })
			number(layer)
		}
	}
}

func (i *item) wish() float64 {
	if len(i.near) == 0 {
		return float64(i.rank)
	}
	sum := 0
	for _, n := range i.near {
		sum += n.rank
	}
	return float64(sum) / float64(len(i.near))
}

// place gives every item its corner: near the middle of its neighbours, in the
// order of its layer.
func (l *layout) place() {
	for n, layer := range l.layers {
		y := 0.0
		for _, i := range layer {
			i.x, i.y = margin+float64(n)*(boxWidth+gap*l.room), y
			y += i.h + apart*l.room
		}
	}
	for sweep := range 40 {
		for n := range l.layers {
			layer := l.layers[n]
			if sweep%2 == 1 {
				layer = l.layers[len(l.layers)-1-n]
			}
			settle(layer, apart*l.room)
		}
	}
	top := math.Inf(1)
	for _, layer := range l.layers {
		for _, i := range layer {
			top = min(top, i.y)
		}
	}
	for _, layer := range l.layers {
		for _, i := range layer {
			i.y += margin - top
		}
	}
	for _, k := range l.links {
		for n := 1; n < len(k.way); n++ {
			k.way[n-1].rite = append(k.way[n-1].rite, k)
			k.way[n].left = append(k.way[n].left, k)
		}
	}
	for _, layer := range l.layers {
		for _, i := range layer {
			sortEnds(i, i.rite, 1)
			sortEnds(i, i.left, -1)
		}
	}
}

// settle moves the items of a layer towards their neighbours, and pushes apart
// what would overlap.
func settle(layer []*item, apart float64) {
	want := make([]float64, len(layer))
	for n, i := range layer {
		want[n] = i.y
		if len(i.near) > 0 {
			sum := 0.0
			for _, o := range i.near {
				sum += o.middle()
			}
			want[n] = sum/float64(len(i.near)) - i.h/2
		}
	}
	for range 60 {
		for n := 1; n < len(layer); n++ {
			least := want[n-1] + layer[n-1].h + apart
			if lack := least - want[n]; lack > 0 {
				want[n-1] -= lack / 2
				want[n] += lack / 2
			}
		}
	}
	for n, i := range layer {
		i.y = want[n]
		if n > 0 {
			i.y = max(i.y, layer[n-1].y+layer[n-1].h+apart)
		}
	}
}

// sortEnds orders the ends of lines on one side of an item as their other ends
// lie.
func sortEnds(i *item, ends []*link, step int) {
	other := func(k *link) float64 {
		at := slices.Index(k.way, i)
		return k.way[at+step].middle()
	}
	slices.SortStableFunc(ends, func(a, b *link) int { return cmp.Compare(other(a), other(b)) })
}

// end gives the height at which a line meets a side of an item.
func (i *item) end(k *link, side []*link) float64 {
	if i.name == "" {
		return i.middle()
	}
	n := slices.Index(side, k)
	return i.y + i.h*float64(n+1)/float64(len(side)+1)
}
