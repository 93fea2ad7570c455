package story

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// names gives what is different in every shop (ids, tokens, numbers) a name that is
// the same in all: the one under which the script kept it, else one by the order of
// appearance.
type names struct {
	of    map[string]string // value → name
	kinds map[string]string // value → what it is: "order"
	count map[string]int    // names given, by kind
	loose []string          // values that may be a part of a text, and are no ids
	hides []string          // names that begin so are not told apart
	blind bool              // what has no name yet is shown by its kind, and gets none
}

func newNames() *names {
	return &names{of: map[string]string{}, kinds: map[string]string{}, count: map[string]int{}}
}

func (n *names) know(value, name, kind string) {
	if value == "" {
		return
	}
	if _, known := n.of[value]; !known && len(value) >= 8 && !uuid.MatchString(value) && !instant.MatchString(value) {
		n.loose = append(n.loose, value)
	}
	n.of[value], n.kinds[value] = name, kind
}

// asBlind looks with the same names, gives none, and does not tell these apart.
func (n *names) asBlind(hides []string) *names {
	return &names{of: n.of, kinds: n.kinds, count: n.count, loose: n.loose, hides: hides, blind: true}
}

// fork gives names of its own from here on.
func (n *names) fork() *names {
	return &names{of: maps.Clone(n.of), kinds: maps.Clone(n.kinds), count: maps.Clone(n.count), loose: slices.Clone(n.loose)}
}

// rename calls everything of one actor by another name.
func (n *names) rename(from, to string) {
	for value, name := range n.of {
		if belongs(name, from) {
			n.of[value] = to + strings.TrimPrefix(name, from)
		}
	}
}

func belongs(name, actor string) bool { return name == actor || strings.HasPrefix(name, actor+".") }

func (n *names) show(value, kind string) string {
	if name, known := n.of[value]; known {
		for _, actor := range n.hides {
			if belongs(name, actor) {
				return "<racer" + strings.TrimPrefix(name, actor) + ">"
			}
		}
		return "<" + name + ">"
	}
	if n.blind {
		return "<" + kind + ">"
	}
	n.count[kind]++
	n.know(value, fmt.Sprintf("%s-%d", kind, n.count[kind]), kind)
	return "<" + n.of[value] + ">"
}

var (
	uuid    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)
)

// opaque are the fields whose text means nothing outside of one shop, by their
// kind; empty: it is not worth a name.
var opaque = map[string]string{"number": "number", "refresh_token": "refresh", "access_token": "", "next_cursor": "cursor", "trace_id": "", "x-cart-token": "cart", "kid": "key", "x": "", "revision": ""}

// text shows a string that was found in a field. noun is what "id" means there.
func (n *names) text(field, noun, value string) string {
	if _, known := n.of[value]; known && !instant.MatchString(value) {
		return n.show(value, "")
	}
	if kind, is := opaque[field]; is && value != "" {
		if kind == "" {
			return "<" + field + ">"
		}
		return n.show(value, kind)
	}
	value = instant.ReplaceAllString(value, "<time>")
	kind := noun
	if owner, is := strings.CutSuffix(field, "_id"); is {
		kind = owner
	}
	value = uuid.ReplaceAllStringFunc(value, func(found string) string { return n.show(found, kind) })
	for _, known := range n.loose {
		if len(known) < len(value) && strings.Contains(value, known) {
			value = strings.ReplaceAll(value, known, n.show(known, ""))
		}
	}
	return value
}

// value shows JSON.
func (n *names) value(field, noun string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if cents, is := v["amount"].(float64); is && len(v) == 2 && v["currency"] != nil {
			return fmt.Sprintf("%.0f %v", cents, v["currency"]) // as short as it is frequent
		}
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) { // names are given in this order
			out[key] = n.value(key, noun, v[key])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = n.value(field, noun, v[i])
		}
		return out
	case string:
		return n.text(field, noun, v)
	case float64:
		if _, is := opaque[field]; is {
			return "<" + field + ">"
		}
	}
	return v
}

func (n *names) json(noun string, v any) string {
	var out strings.Builder
	line := json.NewEncoder(&out)
	line.SetEscapeHTML(false)
	if err := line.Encode(n.value("", noun, v)); err != nil {
		panic(err) // it was JSON before
	}
	return strings.TrimSpace(out.String())
}

// nounOf is what a path is about: "order" for /orders/….
func nounOf(path string) string {
	path, _, _ = strings.Cut(strings.TrimLeft(path, "/"), "?")
	words := strings.Split(path, "/")
	noun := words[0]
	if noun == "wallet" && len(words) > 1 {
		noun = words[1]
	}
	return strings.TrimSuffix(noun, "s")
}
