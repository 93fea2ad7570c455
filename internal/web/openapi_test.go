package web_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
)

func TestDocument(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, func(r *web.Router) {
		routes(r)
		web.Handle(r, web.Route{Method: http.MethodGet, Path: "/pages", Access: web.Public},
			func(context.Context, struct{}) (web.Reply[web.Page[line]], error) {
				return web.OK(web.Page[line]{}), nil
			})
		web.Handle(r, web.Route{Method: http.MethodGet, Path: "/mine", Access: web.Public, Personal: true},
			func(context.Context, struct{}) (web.Reply[line], error) { return web.OK(line{}), nil })
	})
	require.JSONEq(t, `{"items":[],"next_cursor":null}`, string(s.Do("GET", "/api/v1/pages", nil).Require(200).Raw))

	raw := s.Do("GET", "/openapi.json", nil).Require(200).Raw
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(context.Background()))
	require.Equal(t, "3.1.0", doc.OpenAPI)
	pay := doc.Paths.Value("/api/v1/things/{id}/pay").Post
	require.NotNil(t, pay.Parameters.GetByInAndName("header", "Idempotency-Key"))
	require.NotEmpty(t, *pay.Security)
	require.Equal(t, map[string]any{"city": "Springfield"}, pay.RequestBody.Value.Content["application/json"].Example)
	require.Empty(t, *doc.Paths.Value("/api/v1/things").Get.Security)
	mine := *doc.Paths.Value("/api/v1/mine").Get.Security
	require.Len(t, mine, 2, "with a token or without")
	require.Empty(t, mine[0])
	require.Contains(t, mine[1], "bearer")
	for _, path := range []string{"/openapi.json", "/docs"} {
		require.NotNil(t, doc.Paths.Value(path), path)
		require.NotNil(t, doc.Paths.Value(path).Get.Responses.Status(200), path)
	}
	require.Equal(t, "#/components/schemas/Money", doc.Components.Schemas["Draft"].Value.Properties["total"].Ref)
	require.Contains(t, doc.Components.Schemas, "Page_line")
	require.ElementsMatch(t, []string{"email", "kind", "lines", "total"}, doc.Components.Schemas["Draft"].Value.Required)
	require.Len(t, s.Web.Routes(), 10)
}

func TestDocsPageNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, routes)
	r := s.Do("GET", "/docs", nil).Require(200)
	page := string(r.Raw)
	require.Contains(t, page, "/openapi.json")
	require.NotRegexp(t, `(src|href)="(https?:)?//`, page)
	require.Contains(t, r.Header.Get("Content-Security-Policy"), "script-src 'self'")
	r = s.Do("GET", "/docs/swagger-ui-bundle.js", nil).Require(200)
	require.Greater(t, len(r.Raw), 100_000)
	for _, bare := range []string{"/", "/?from=mail"} {
		r = s.Do("GET", bare, nil).Require(http.StatusTemporaryRedirect)
		require.Equal(t, "/docs", r.Header.Get("Location"), bare)
	}
	s.Do("POST", "/", nil).RequireCode(405, "method.not_allowed")
	s.Do("POST", "/docs", nil).RequireCode(405, "method.not_allowed")
	s.Do("GET", "/docs/nothing", nil).RequireCode(404, "route.not_found")
	require.Contains(t, s.Do("GET", "/api/v1/things", nil).Header.Get("Content-Security-Policy"), "default-src 'none'")
}

func handle[In, Out any](route web.Route) func(*web.Router) {
	return func(r *web.Router) {
		web.Handle(r, route, func(context.Context, In) (web.Reply[Out], error) { return web.Reply[Out]{}, nil })
	}
}

func TestMistakesAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	get := web.Route{Method: http.MethodGet, Path: "/x", Access: web.Public}
	with := func(change func(*web.Route)) web.Route {
		r := get
		change(&r)
		return r
	}
	for want, register := range map[string]func(*web.Router){
		"access":             handle[struct{}, text](with(func(r *web.Route) { r.Access = "" })),
		"method":             handle[struct{}, text](with(func(r *web.Route) { r.Method = "FETCH" })),
		"must look like":     handle[struct{}, text](with(func(r *web.Route) { r.Path = "/x/:id" })),
		"public":             handle[struct{}, text](with(func(r *web.Route) { r.Idempotent = true })),
		"not in the path":    handle[idIn, text](get),
		"no field is tagged": handle[struct{}, text](with(func(r *web.Route) { r.Path = "/x/{id}" })),
		"no path, query":     handle[struct{ Name string }, text](get),
		"no json tag":        handle[struct{}, struct{ Name string }](get),
		"unknown tag": handle[struct {
			A string `query:"a" minLenght:"3"`
		}, text](get),
		"unknown format": handle[struct {
			A string `query:"a" format:"mail"`
		}, text](get),
		"cannot be a parameter": handle[struct {
			A float64 `query:"a"`
		}, text](get),
		"fields of its items": handle[struct{}, struct {
			A []line `json:"a" minimum:"3"`
		}](get),
		"two places": handle[struct {
			A string `query:"a" header:"A"`
		}, text](get),
		"takes no body": handle[idIn, text](with(func(r *web.Route) { r.Path, r.Example = "/x/{id}", `{}` })),
		"Example":       handle[payIn, text](with(func(r *web.Route) { r.Path, r.Example = "/x/{id}", `{"city":""}` })),
		"duplicates": func(r *web.Router) {
			handle[idIn, text](web.Route{Method: http.MethodGet, Path: "/x/{id}", Access: web.Public})(r)
			handle[struct {
				SKU string `path:"sku"`
			}, text](web.Route{Method: http.MethodGet, Path: "/x/{sku}", Access: web.Public})(r)
		},
	} {
		s := web.New(web.Config{})
		register(s.Router("/api/v1"))
		require.ErrorContains(t, s.Err(), want)
		require.ErrorContains(t, s.Build(), want)
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	s := web.New(web.Config{Verifier: webtest.Tokens{}})
	echoPath := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	s.Mount("/health/live", echoPath, web.Public)
	s.Mount("/sandbox/psp/", echoPath, web.Admin)
	for _, c := range []struct {
		path, token string
		status      int
	}{
		{"/health/live", "", 200},
		{"/sandbox/psp/charges", "", 401},
		{"/sandbox/psp/charges", "staff", 403},
		{"/sandbox/psp/charges", "admin", 200},
		{"/sandbox", "admin", 404},
	} {
		w := do(s.Handler(), c.path, func(r *http.Request) {
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
		})
		require.Equal(t, c.status, w.Code, c)
		if c.status == 200 {
			require.Equal(t, c.path, strings.TrimSpace(w.Body.String()))
		}
	}
	w := do(s.Handler(), "/health/live", func(r *http.Request) { r.Method = http.MethodPost })
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Contains(t, w.Header().Get("Allow"), http.MethodGet)
	bad := web.New(web.Config{})
	bad.Mount("/x", echoPath, "")
	require.ErrorContains(t, bad.Err(), "access")
}

// A plain handler that costs something is counted as the routes are; the others, such
// as health, answer whoever comes.
func TestLimitedMounts(t *testing.T) {
	t.Parallel()
	s := web.New(web.Config{Verifier: webtest.Tokens{}, RateLimit: web.RateLimit{PerSecond: 0.1, Burst: 2}})
	asked := 0
	costly := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ })
	s.Mount("/keys", s.Counted(costly), web.Public)
	s.Mount("/health/live", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), web.Public)
	ask := func(path, ip string) *httptest.ResponseRecorder {
		return do(s.Handler(), path, func(r *http.Request) { r.RemoteAddr = ip + ":1" })
	}
	for range 2 {
		require.Equal(t, 200, ask("/keys", "1.1.1.1").Code)
	}
	w := ask("/keys", "1.1.1.1")
	require.Equal(t, 429, w.Code)
	require.Contains(t, w.Body.String(), "rate_limit.exceeded")
	require.Equal(t, "0", w.Header().Get("RateLimit-Remaining"))
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.Equal(t, 2, asked)
	require.Equal(t, 200, ask("/keys", "2.2.2.2").Code)
	live := ask("/health/live", "1.1.1.1")
	require.Equal(t, 200, live.Code)
	require.Empty(t, live.Header().Get("RateLimit-Limit"))
}
