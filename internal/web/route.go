package web

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Router collects routes below a base path ("/api/v1").
type Router struct {
	server *Server
	base   string
}

// endpoint is one registered route with all that is known of its types.
type endpoint struct {
	Route
	path   string // with the base
	in     *binding
	out    *openapi3.SchemaRef // nil: no body
	handle func(ctx context.Context, in reflect.Value) (answer, error)

	example any // Example, read
}

// answer is a Reply without its type.
type answer struct {
	status int
	header http.Header
	body   any
}

// Handle adds a route. In is a struct whose fields are tagged path:"id",
// query:"limit", header:"X-Cart-Token", or one field tagged body:"" whose type's JSON form
// is the request body. Tags doc:"…", minimum:"1", maximum:"100", minLength:"1", maxLength:"200",
// enum:"a,b", pattern:"…", format:"email", default:"20", minItems, maxItems make the OpenAPI schema and are checked:
// unknown fields, wrong types and trailing data are 400, broken limits 422. Body fields without
// omitempty and not pointers are required. The principal, idempotency key and deadline are in ctx.
//
// On a slice, limits of strings and numbers hold for its items. Parameters are
// optional unless tagged required:"true"; those of the path are always required.
// A mistake in the declaration is reported by Server.Err.
func Handle[In, Out any](r *Router, route Route, h func(ctx context.Context, in In) (Reply[Out], error)) {
	r.add(route, reflect.TypeFor[In](), reflect.TypeFor[Out](), func(ctx context.Context, in reflect.Value) (answer, error) {
		reply, err := h(ctx, in.Interface().(In))
		if err != nil {
			return answer{}, err
		}
		return answer{reply.Status, reply.Header, reply.Body}, nil
	})
}

var (
	methods    = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
	accesses   = []Access{Public, User, Staff, Admin}
	pathParams = regexp.MustCompile(`\{([a-z_]+)\}`)
	pathForm   = regexp.MustCompile(`^(/[A-Za-z0-9._-]+|/\{[a-z_]+\})+$`)
)

func (r *Router) add(route Route, in, out reflect.Type, handle func(context.Context, reflect.Value) (answer, error)) {
	s := r.server
	e := &endpoint{Route: route, path: r.base + route.Path, handle: handle}
	fail := func(format string, args ...any) {
		s.errs = append(s.errs, fmt.Errorf("route %s %s: %s", e.Method, e.path, fmt.Sprintf(format, args...)))
	}
	if !slices.Contains(methods, e.Method) {
		fail("unknown method %q", e.Method)
	}
	if !pathForm.MatchString(e.path) {
		fail("the path must look like /orders/{id}")
	}
	if !slices.Contains(accesses, e.Access) {
		fail("access %q: say web.Public, web.User, web.Staff or web.Admin", e.Access)
	}
	if e.Idempotent && e.Access == Public {
		fail("an idempotent route needs to know whose key it is, so it cannot be public")
	}
	if len(e.Statuses) == 0 {
		e.Statuses = []int{http.StatusOK}
		if out == reflect.TypeFor[Nothing]() {
			e.Statuses = []int{http.StatusNoContent}
		}
	}
	for _, other := range s.endpoints {
		if other.Method == e.Method && sameShape(other.path, e.path) {
			fail("duplicates %s", other.path)
		}
	}
	var err error
	if e.in, err = newBinding(s.schemas, in); err != nil {
		fail("%v", err)
	} else {
		for _, problem := range e.in.mismatches(e.path) {
			fail("%s", problem)
		}
	}
	if e.Example != "" && e.in != nil {
		if e.example, err = e.in.exampleOf(e.Example); err != nil {
			fail("its Example: %v", err)
		}
	}
	if out != reflect.TypeFor[Nothing]() {
		if e.out, err = s.schemas.of(out); err != nil {
			fail("%v", err)
		}
	}
	s.endpoints = append(s.endpoints, e)
}

// sameShape tells whether two paths differ at most in the names of their parameters.
func sameShape(a, b string) bool {
	return pathParams.ReplaceAllString(a, "{}") == pathParams.ReplaceAllString(b, "{}")
}

// paramNames lists the parameters of a path in order.
func paramNames(path string) []string {
	var names []string
	for _, m := range pathParams.FindAllStringSubmatch(path, -1) {
		names = append(names, m[1])
	}
	return names
}

// echoPath writes a path as echo wants it: /orders/:id.
func echoPath(path string) string { return pathParams.ReplaceAllString(path, ":$1") }

// Info is a registered route, for listing.
type Info struct {
	Method, Path, Summary string
	Access                Access
	Idempotent            bool
}

// Routes lists what is registered, sorted by path and method.
func (s *Server) Routes() []Info {
	var list []Info
	for _, e := range s.endpoints {
		list = append(list, Info{e.Method, e.path, e.Summary, e.Access, e.Idempotent})
	}
	for _, m := range s.mounts {
		list = append(list, Info{"*", m.path, "", m.access, false})
	}
	slices.SortFunc(list, func(a, b Info) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return list
}
