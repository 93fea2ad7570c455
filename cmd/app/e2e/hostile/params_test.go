package hostile

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// segments are what may stand in the place of an id, as it goes over the wire.
var segments = []string{
	"..", ".", "%2e%2e", "%2e%2e%2f%2e%2e%2fusers%2fme", "..%2f..", "..;", "x;y=z", "%252e%252e%252f", "%2525", "a%2fb", "a%5cb", "%20", "+", "~", "*", "!", "'%20OR%20'1'='1",
	"';%20DROP%20TABLE%20products;--", "%22%20UNION%20ALL%20VALUES%20(1)--", "%F0%9F%98%80", "%e2%80%ae", "null", "undefined", "0", "-1", "9223372036854775808", "%3Cscript%3E",
	"me", "current", "webhook", "%7Bid%7D", ":id", "00000000-0000-0000-0000-000000000000", "01a204bf-f874-772e-b2d7-183781ea6842%00", strings.Repeat("x", 300), strings.Repeat("x", 30_000), strings.Repeat("%2f", 5_000),
}

// unreadable are segments that are no text.
var unreadable = []string{"%00", "a%00b", "%ff", "%c0%ae", "%ed%a0%80"}

// misdirections spoil the address of a request. Those of refused name nothing
// that there is; those of odd might.
func misdirections(base request) (refused, odd []request) {
	r := base.route
	add := func(list *[]request, what, target, pointer string, want int) {
		req := base
		req.what, req.target, req.pointer, req.want, req.refuse = what, target, pointer, want, list == &refused
		*list = append(*list, req)
	}
	for _, p := range r.op.Parameters {
		switch p.Value.In {
		case "path":
			at := strings.Split(r.path, "/")
			i := slices.Index(at, "{"+p.Value.Name+"}")
			parts := strings.Split(base.target, "/")
			for _, s := range segments {
				parts[i] = s
				add(&odd, "an odd "+p.Value.Name, strings.Join(parts, "/"), "", 0)
			}
			for _, s := range unreadable {
				parts[i] = s
				add(&refused, "an unreadable "+p.Value.Name, strings.Join(parts, "/"), "path/"+p.Value.Name, http.StatusBadRequest)
			}
		case "query":
			queries(p.Value, func(what, query string, refuse bool) {
				if refuse {
					add(&refused, what, base.target+"?"+query, "query/"+p.Value.Name, 0)
				} else {
					add(&odd, what, base.target+"?"+query, "", 0)
				}
			})
		}
	}
	if !r.typed() {
		return refused, odd
	}
	add(&refused, "an unknown parameter", base.target+"?unknown=1", "query/unknown", http.StatusBadRequest)
	add(&refused, "a parameter in other letters", base.target+"?LIMIT=1", "query/LIMIT", http.StatusBadRequest)
	add(&refused, "a bad escape", base.target+"?a=%zz", "", http.StatusBadRequest)
	add(&refused, "semicolons", base.target+"?a=1;b=2", "", http.StatusBadRequest)
	add(&refused, "9,000 parameters", base.target+"?"+strings.Repeat("a&", 5)+manyParameters, "", http.StatusBadRequest)
	for _, target := range []string{base.target + "/", base.target + "//", "/" + base.target, base.target + ";x=y", strings.ToUpper(base.target) + "!", "/api/v1/../v1" + strings.TrimPrefix(base.target, "/api/v1") + "/x", base.target + "%2f", base.target + "/..;/", base.target + ".json"} {
		add(&odd, "an address beside it", target, "", 0)
	}
	return refused, odd
}

var manyParameters = func() string {
	var b strings.Builder
	for i := range 9000 {
		b.WriteString("&q" + string(rune('a'+i%26)) + strings.Repeat("z", i%5))
	}
	return b.String()
}()

// queries are values of one parameter.
func queries(p *openapi3.Parameter, add func(what, query string, refuse bool)) {
	name, schema := url.QueryEscape(p.Name), p.Schema.Value
	for _, bad := range unreadable {
		add("an unreadable "+p.Name, name+"="+bad, true)
	}
	add("two of "+p.Name, name+"=1&"+name+"=2", true)
	switch {
	case schema.Type.Includes("integer"):
		for _, v := range []string{"", "x", "1.5", "1e2", "-1", "+", "%201", "0x10", "NaN", "1e400", "9223372036854775808", "18446744073709551616", "-9223372036854775809", strings.Repeat("9", 1000), "1%00", "null", "true", "1_0"} {
			add("no number in "+p.Name, name+"="+v, true)
		}
	case schema.Type.Includes("boolean"):
		for _, v := range []string{"", "1", "yes", "TRUE", "null", "0"} {
			add("no truth in "+p.Name, name+"="+v, true)
		}
	case len(schema.Enum) > 0:
		for _, v := range []string{"", "x", "null", "PUBLISHED", "published%20"} {
			add("an unknown word in "+p.Name, name+"="+v, true)
		}
	}
	for _, v := range append(slices.Clone(tricks), strings.Repeat("x", 20_000), "eyJpZCI6Ii4uLyJ9", "e30", "bnVsbA", "W10", "eyJpZCI6MX0") {
		add("an odd "+p.Name, name+"="+url.QueryEscape(v), false)
	}
}

// headers are what a request can be sent with besides.
func headers(base request) (refused, odd []request) {
	if !base.route.typed() {
		return nil, nil
	}
	for name, values := range map[string][]string{
		"Prefer":                 {"wait=-1", "wait=99999999999999999999", "wait=abc", "respond-async", ";;;", "wait", "wait=\"", strings.Repeat("wait=1,", 1000) + "wait=0"},
		"If-Match":               {`"`, `""`, `W/"1"`, `"1", "2"`, "1", `"9223372036854775808"`, `"-1"`, strings.Repeat("x", 5000), "*"},
		"If-None-Match":          {"*", `"1"`},
		"Accept":                 {"text/html", "application/xml;q=1", "*/*;q=-1", ";;;", "image/png"},
		"Accept-Encoding":        {"gzip, br;q=2", "identity;q=0"},
		"Accept-Language":        {strings.Repeat("a-", 5000)},
		"Range":                  {"bytes=0-0", "bytes=99999999999999-", "bytes=" + strings.Repeat("0-0,", 1000) + "1-1"},
		"Idempotency-Key":        {"ok-" + base.route.String(), strings.Repeat("k", 255)},
		"X-Cart-Token":           {"made-up", "' OR '1'='1", "../x", strings.Repeat("x", 129), "\xff", strings.Repeat("x", 40_000)},
		"X-Http-Method-Override": {"DELETE", "PUT", "GET"},
		"X-Method-Override":      {"DELETE"},
		"X-Request-Id":           {strings.Repeat("x", 2000), "a b", "<script>", "\xff", "%0a"},
		"Traceparent":            {"00-0-0-0", "ff-" + strings.Repeat("f", 32) + "-" + strings.Repeat("f", 16) + "-01", strings.Repeat("0", 5000)},
		"Tracestate":             {strings.Repeat("a=b,", 2000)},
		"Baggage":                {strings.Repeat("a=b,", 2000)},
		"Cookie":                 {strings.Repeat("a=b; ", 2000), "session=admin"},
		"Origin":                 {"null", "http://evil.example"},
		"Connection":             {"Authorization", "Idempotency-Key, X-Request-Id", "upgrade"},
		"Upgrade":                {"h2c", "websocket"},
		"Te":                     {"trailers"},
		"X-Filler":               {strings.Repeat("x", 50_000)},
	} {
		for _, v := range values {
			req := base.with(name, v)
			req.what = "header " + name + ": " + cut(v, 30)
			odd = append(odd, req)
		}
	}
	if base.route.needsKey() {
		for what, values := range map[string][]string{"no key": {}, "an empty key": {""}, "two keys": {"a", "b"}, "a key of 256": {strings.Repeat("k", 256)}, "a key that is no text": {"\xff"}, "a key with an accent": {"é"}, "a key with a tab": {"a\tb"}} {
			req := base.with("Idempotency-Key", values...)
			req.what, req.refuse, req.want = what, true, http.StatusBadRequest
			refused = append(refused, req)
		}
	}
	for what, values := range map[string][]string{"two tokens": {"Bearer a", "Bearer b"}, "no scheme": {"x"}, "another scheme": {"Basic YTpi"}, "nothing": {""}, "a long token": {"Bearer " + strings.Repeat("a", 50_000)}, "a token that is no text": {"Bearer \xff"}} {
		req := base.with("Authorization", values...)
		req.what, req.refuse, req.want = "Authorization: "+what, true, http.StatusUnauthorized
		refused = append(refused, req)
	}
	return refused, odd
}

// otherMethods ask what the route is not for.
func otherMethods(base request, all []route) []request {
	var list []request
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "PROPFIND", "FOO", "get", strings.Repeat("M", 5000)} {
		known := slices.ContainsFunc(all, func(r route) bool {
			return r.matches(base.target) && (r.method == method || r.method == http.MethodGet && method == http.MethodHead)
		})
		if known {
			continue
		}
		req := base
		req.method, req.what, req.tree = method, "another method", nil
		if method != http.MethodOptions {
			req.want, req.refuse = http.StatusMethodNotAllowed, true
			req = req.with("X-Http-Method-Override", base.method)
		}
		list = append(list, req)
	}
	return list
}
