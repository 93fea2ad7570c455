package hostile

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// tricks are texts that are only texts, whatever they look like.
var tricks = []string{
	"", " ", "' OR '1'='1", `'; DROP TABLE products; --`, `" UNION ALL VALUES (1) --`, "1; WAITFOR DELAY '0:0:5' --", "%' --", `\'; --`,
	"../../../../etc/passwd", `..\..\windows\win.ini`, "%2e%2e%2f", "%00", "file:///etc/hosts", "${jndi:ldap://127.0.0.1/a}", "{{7*7}}", "<script>alert(1)</script>",
	"\u202e\u200b\ufeff", "😀👩‍👩‍👧‍👧", "null", "true", "NaN", "-1", "1e400", "\r\nSet-Cookie: a=b", "ı İ ß ſ", "e\u0301", "\x7f\x01",
}

// spoilings makes, from a request that would be taken, all that are wrong in one
// place of the body; and those that only look wrong.
func spoilings(base request) (refused, odd []request) {
	schema := base.route.body()
	if schema == nil {
		return nil, nil
	}
	s := &spoiler{base: base}
	s.node(schema, base.tree, "", func(v any) any { return v })
	s.whole()
	return s.refused, s.odd
}

// untried are the places of a schema where an example has nothing that could be spoilt.
func untried(schema *openapi3.Schema, value any, pointer string) (places []string) {
	if schema.Type == nil && len(schema.AnyOf) == 0 {
		return nil // anything goes there
	}
	schema = inner(schema)
	switch {
	case schema.Type.Includes("object"):
		fields, _ := value.(object)
		for name, field := range schema.Properties {
			if given, ok := fields[name]; ok {
				places = append(places, untried(field.Value, given, pointer+"/"+name)...)
			} else {
				places = append(places, pointer+"/"+name)
			}
		}
	case schema.Type.Includes("array"):
		list, _ := value.([]any)
		if len(list) == 0 {
			return []string{pointer + "/0"}
		}
		for i, item := range list {
			places = append(places, untried(schema.Items.Value, item, pointer+"/"+strconv.Itoa(i))...)
		}
	}
	return places
}

type spoiler struct {
	base         request
	refused, odd []request
}

func (s *spoiler) refuse(what, pointer string, req request) {
	req.what, req.pointer, req.refuse = what+" at "+pointer, pointer, true
	s.refused = append(s.refused, req)
}

func (s *spoiler) raw(what, pointer, text string, put func(any) any) {
	s.refuse(what+" "+cut(text, 30), pointer, s.base.spoilt(put(placeholder), text))
}

// node spoils one value; put gives the whole body with another value in its place.
func (s *spoiler) node(schema *openapi3.Schema, value any, pointer string, put func(any) any) {
	if schema.Type == nil && len(schema.AnyOf) == 0 {
		return // anything goes there
	}
	if !nullable(schema) {
		s.raw("null", pointer, "null", put)
	}
	schema = inner(schema)
	for kind, text := range map[string]string{"string": `"text"`, "boolean": "true", "object": `{"a":1}`, "array": "[1]", "integer": "1", "number": "1.5"} {
		if !schema.Type.Includes(kind) {
			s.raw("a wrong type", pointer, text, put)
		}
	}
	switch {
	case schema.Type.Includes("object"):
		s.object(schema, value, pointer, put)
	case schema.Type.Includes("array"):
		list, _ := value.([]any)
		for i, item := range list {
			s.node(schema.Items.Value, item, pointer+"/"+strconv.Itoa(i), func(v any) any {
				return put(append(append(slices.Clone(list[:i]), v), list[i+1:]...))
			})
		}
		s.refuse("a list of 300,000", pointer, s.base.spoilt(put(placeholder), "["+strings.Repeat("0,", 300_000)+"0]"))
		s.refused[len(s.refused)-1].pointer = "" // it is the body that is too much
	case schema.Type.Includes("integer"):
		for _, text := range []string{"1.5", "1e2", "1.0", "1e400", "-1e400", "1e-400", "9223372036854775808", "-9223372036854775809", "18446744073709551616", strings.Repeat("9", 400)} {
			s.raw("a number", pointer, text, put)
		}
		for _, text := range []string{"NaN", "Infinity", "01", "+1", "0x1", ".5", "1.", "1_000", "--1"} {
			s.raw("no number", "", text, put)
		}
		for _, text := range []string{"-0", "-1", "0", "9007199254740993", "9223372036854775807", "-9223372036854775808"} {
			s.odd = append(s.odd, s.odder(pointer, s.base.spoilt(put(placeholder), text)))
		}
	case schema.Type.Includes("string"):
		s.text(pointer, put)
	}
}

func (s *spoiler) odder(pointer string, req request) request {
	req.what = "an odd value at " + pointer
	return req
}

func (s *spoiler) text(pointer string, put func(any) any) {
	s.raw("NUL", pointer, `"a\u0000b"`, put)
	s.raw("bad UTF-8", "", "\"a\xff\xfe\"", put)
	s.raw("overlong UTF-8", "", "\"\xc0\xae\xc0\xae\"", put)
	s.raw("a raw line break", "", "\"a\nb\"", put)
	s.raw("a bad escape", "", `"\x41"`, put)
	for _, text := range []string{`"\ud800"`, `"\udc00\ud800"`, `"\uFFFE"`} {
		s.odd = append(s.odd, s.odder(pointer, s.base.spoilt(put(placeholder), text)))
	}
	for _, text := range append(slices.Clone(tricks), strings.Repeat("x", 10_000), strings.Repeat("😀", 60_000)) {
		req := s.base
		req.tree = put(text)
		s.odd = append(s.odd, s.odder(pointer, req))
	}
}

func (s *spoiler) object(schema *openapi3.Schema, value any, pointer string, put func(any) any) {
	fields, _ := value.(object)
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		without := maps.Clone(fields)
		delete(without, name)
		if slices.Contains(schema.Required, name) {
			req := s.base
			req.tree = put(without)
			s.refuse("nothing", pointer+"/"+name, req)
		}
		given, ok := fields[name]
		if !ok {
			continue // an example must have it: see untried
		}
		text, _ := json.Marshal(given)
		twice := `{` + strconv.Quote(name) + `:` + string(text) + `,` + strings.TrimPrefix(string(mustJSON(fields)), `{`)
		s.refuse("a field twice", pointer+"/"+name, s.base.spoilt(put(placeholder), twice))
		s.node(schema.Properties[name].Value, given, pointer+"/"+name, func(v any) any {
			changed := maps.Clone(fields)
			changed[name] = v
			return put(changed)
		})
	}
	for _, name := range []string{"unknown", "__proto__", "id", "role", "roles", "user_id", "status", "version", "Quantity", "ON_HAND", "~/", ""} {
		if schema.Properties[name] == nil {
			more := maps.Clone(fields)
			more[name] = "x"
			req := s.base
			req.tree = put(more)
			s.refuse("an unknown field", pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), req)
		}
	}
}

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// whole spoils the body as a whole.
func (s *spoiler) whole() {
	good := mustJSON(s.base.tree)
	body := func(what string, want int, raw []byte) request {
		req := s.base
		req.raw, req.refuse, req.what, req.want = raw, true, what, want
		return req
	}
	add := func(what string, want int, raw []byte) {
		s.refused = append(s.refused, body(what, want, raw))
	}
	var many bytes.Buffer
	for i := range 60_000 {
		many.WriteString(`,"f` + strconv.Itoa(i) + `":0`)
	}
	for what, text := range map[string]string{
		"no body": "", "spaces": " \n\t", "half of it": string(good[:len(good)/2]), "two of it": string(good) + string(good),
		"something after it": string(good) + "x", "a BOM before it": "\ufeff" + string(good), "a comment": "/**/" + string(good), "a comma": strings.TrimSuffix(string(good), "}") + ",}",
		"single quotes": `{'a':1}`, "XML": `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hosts">]><a>&b;</a>`, "a form": "a=b&c=d",
		"deep lists": strings.Repeat("[", 100_000), "deep objects": strings.Repeat(`{"a":`, 100_000), "deep and closed": strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"UTF-16": "\xff\xfe{\x00}\x00", "a long name": `{"` + strings.Repeat("k", 900_000) + `":[` + strings.Repeat("0,", 40_000) + `0]}`,
	} {
		add(what, http.StatusBadRequest, []byte(text))
	}
	add("60,000 fields", http.StatusBadRequest, []byte(`{"a":0`+many.String()+`}`))
	for _, text := range []string{"null", "1", `"text"`, "[]", "true", "{}"} {
		add("a body of "+text, 0, []byte(text))
	}
	big := body("1 MiB and a byte", http.StatusRequestEntityTooLarge, append(bytes.Repeat([]byte(" "), 1<<20+1-len(good)), good...))
	s.refused = append(s.refused, big)
	big.chunked, big.what = true, "1 MiB and a byte in chunks"
	s.refused = append(s.refused, big)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(append(bytes.Repeat([]byte(" "), 32<<20), good...)) // to memory: cannot fail
	_ = z.Close()
	for _, coding := range []string{"gzip", "x-gzip", "gzip, gzip"} {
		s.refused = append(s.refused, body("a gzip bomb", http.StatusBadRequest, bomb.Bytes()).with("Content-Encoding", coding))
	}
	for _, media := range []string{"", "text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/json; charset=utf-16",
		"application/json;;;", "application/json; charset=utf-8; charset=utf-16", strings.Repeat("a", 8000) + "/json", "\xff/\xff", "*/*", "application/jsonp"} {
		s.refused = append(s.refused, body("Content-Type "+cut(media, 40), http.StatusBadRequest, good).with("Content-Type", media))
	}
}
