package port

import (
	"encoding/json"
	"strconv"
	"strings"
)

// scanner walks JSON that encoding/json has already accepted, to see what is in
// it. It builds nothing.
type scanner struct {
	in []byte
	at int
}

// value walks one value and gives the path of the first required field that is
// missing in it ("/items/0/sku"), or "".
func (s *scanner) value(want *shape) string {
	s.space()
	switch s.in[s.at] {
	case '{':
		return s.object(want)
	case '[':
		return s.array(want)
	case '"':
		s.text()
	default:
		start := s.at
		for s.at < len(s.in) && strings.IndexByte(",]} \t\r\n", s.in[s.at]) < 0 {
			s.at++
		}
		if s.in[start] == 'n' && want != nil && !want.nullable {
			return "/"
		}
	}
	return ""
}

func (s *scanner) object(want *shape) (missing string) {
	found := map[string]bool{}
	for s.open(); s.more('}'); {
		key := s.text()
		s.space()
		s.at++ // the colon
		var inner *shape
		if want != nil {
			if inner = want.element; want.fields != nil {
				inner = want.fields[key]
				found[key] = true
			}
		}
		if m := s.value(inner); m != "" && missing == "" {
			if missing = below(key, m); inner.optionalIn(want, key) && m == "/" {
				missing = ""
			}
		}
	}
	if want == nil || missing != "" {
		return missing
	}
	for _, name := range want.required {
		if !found[name] {
			return "/" + name
		}
	}
	return ""
}

// optionalIn tells whether null may stand for the field: encoding/json leaves it
// zero, which is what its absence means.
func (w *shape) optionalIn(object *shape, key string) bool {
	if object.fields == nil {
		return false
	}
	for _, name := range object.required {
		if name == key {
			return false
		}
	}
	return true
}

func (s *scanner) array(want *shape) (missing string) {
	var inner *shape
	if want != nil {
		inner = want.element
	}
	s.open()
	for i := 0; s.more(']'); i++ {
		if m := s.value(inner); m != "" && missing == "" {
			missing = below(strconv.Itoa(i), m)
		}
	}
	return missing
}

func below(name, rest string) string {
	if rest == "/" {
		return "/" + name
	}
	return "/" + name + rest
}

// open steps over a bracket.
func (s *scanner) open() { s.at++ }

// more steps over the comma before the next element; false behind the closing bracket.
func (s *scanner) more(closing byte) bool {
	s.space()
	switch s.in[s.at] {
	case closing:
		s.at++
		return false
	case ',':
		s.at++
		s.space()
	}
	return true
}

// text steps over a string and gives it.
func (s *scanner) text() string {
	start, plain := s.at, true
	for s.at++; s.in[s.at] != '"'; s.at++ {
		if s.in[s.at] == '\\' {
			plain = false
			s.at++
		}
	}
	s.at++
	if plain {
		return string(s.in[start+1 : s.at-1])
	}
	var t string
	_ = json.Unmarshal(s.in[start:s.at], &t) // it was accepted before
	return t
}

func (s *scanner) space() {
	for s.at < len(s.in) && (s.in[s.at] == ' ' || s.in[s.at] == '\t' || s.in[s.at] == '\n' || s.in[s.at] == '\r') {
		s.at++
	}
}
