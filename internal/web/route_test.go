package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
)

type line struct {
	SKU      string `json:"sku" minLength:"1" maxLength:"40"`
	Quantity int    `json:"quantity" minimum:"1" maximum:"99"`
}

type address struct {
	City string `json:"city" minLength:"1"`
}

type draft struct {
	Email string      `json:"email" format:"email"`
	Kind  string      `json:"kind" enum:"card,wallet"`
	Lines []line      `json:"lines" minItems:"1" maxItems:"3"`
	Note  *string     `json:"note,omitempty" maxLength:"5"`
	Ship  *address    `json:"ship,omitempty"`
	Total money.Money `json:"total"`
	At    time.Time   `json:"at,omitzero"`
}

type paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor string `query:"cursor"`
}

type listIn struct {
	paging
	Tags  []string   `query:"tag" maxLength:"3"`
	Max   *int64     `query:"max"`
	Stock bool       `query:"in_stock"`
	At    *time.Time `query:"at"`
	Token string     `header:"X-Cart-Token"`
}

type listOut struct {
	Limit int      `json:"limit"`
	Tags  []string `json:"tags,omitempty"`
	Max   *int64   `json:"max"`
	Stock bool     `json:"stock"`
	Token string   `json:"token"`
	At    string   `json:"at"`
}

type idIn struct {
	ID string `path:"id" maxLength:"20"`
}

type putIn struct {
	ID    string `path:"id"`
	Match string `header:"If-Match" required:"true"`
	Body  draft  `body:""`
}

type payIn struct {
	ID   string  `path:"id"`
	Body address `body:""`
}

type keyOut struct {
	Scope       string `json:"scope"`
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"`
}

type text struct {
	Text string `json:"text"`
}

func routes(r *web.Router) {
	web.Handle(r, web.Route{Method: http.MethodGet, Path: "/things", Access: web.Public, Summary: "List."},
		func(_ context.Context, in listIn) (web.Reply[listOut], error) {
			out := listOut{Limit: in.Limit, Tags: in.Tags, Max: in.Max, Stock: in.Stock, Token: in.Token}
			if in.At != nil {
				out.At = in.At.Format(time.RFC3339)
			}
			return web.OK(out), nil
		})
	web.Handle(r, web.Route{Method: http.MethodGet, Path: "/things/{id}", Access: web.Public, Codes: []string{"not_found"}},
		func(_ context.Context, in idIn) (web.Reply[text], error) {
			switch in.ID {
			case "none":
				return web.Reply[text]{}, fault.NotFound.Errorf("there is no thing %s", in.ID)
			case "secret":
				return web.Reply[text]{}, errors.New("pq: relation users at store.go:12")
			case "panic":
				panic("secret panic")
			case "down":
				return web.Reply[text]{}, fault.Unavailable.Errorf("stock is away")
			case "later":
				return web.Reply[text]{}, fault.Define("x.busy", fault.KindExhausted).Errorf("busy").WithDetail("retry_after", "7")
			case "under-way":
				return web.Reply[text]{}, fault.Define("x.in_flight", fault.KindConflict).Errorf("under way").WithDetail("retry_after", "2")
			}
			return web.OK(text{in.ID}).With("ETag", web.ETag(7)), nil
		})
	web.Handle(r, web.Route{Method: http.MethodPut, Path: "/things/{id}", Access: web.Staff, Statuses: []int{200, 201}},
		func(_ context.Context, in putIn) (web.Reply[draft], error) {
			if _, err := web.ParseETag(in.Match); err != nil {
				return web.Reply[draft]{}, err
			}
			return web.Created("/api/v1/things/"+in.ID, in.Body), nil
		})
	web.Handle(r, web.Route{Method: http.MethodDelete, Path: "/things/{id}", Access: web.Admin},
		func(context.Context, idIn) (web.Reply[web.Nothing], error) { return web.NoContent(), nil })
	web.Handle(r, web.Route{Method: http.MethodPost, Path: "/things/{id}/pay", Access: web.User, Idempotent: true, Statuses: []int{202}, Example: `{"city":"Springfield"}`},
		func(ctx context.Context, in payIn) (web.Reply[keyOut], error) {
			if in.Body.City == "again" {
				port.MarkReplayed(ctx)
			}
			k := port.IdempotencyKeyFrom(ctx)
			return web.Accepted("/x", keyOut{k.Scope, k.Key, k.Fingerprint}), nil
		})
}

func TestParameters(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, routes)
	r := s.Do("GET", "/api/v1/things?limit=5&tag=a&tag=b&max=9007199254740993&in_stock=true&at=2026-01-02T03:04:05%2B01:00", nil, webtest.Header{"X-Cart-Token": "ct"}).Require(200)
	require.JSONEq(t, `{"limit":5,"tags":["a","b"],"max":9007199254740993,"stock":true,"token":"ct","at":"2026-01-02T02:04:05Z"}`, string(r.Raw))
	r = s.Do("GET", "/api/v1/things", nil).Require(200)
	require.Equal(t, "20", r.Get("limit"), "the default")
	require.Equal(t, "a/b c", s.Do("GET", "/api/v1/things/a%2Fb%20c", nil).Require(200).Get("text"))
	require.Equal(t, "a b", s.Do("GET", "/api/v1/things/a%20b", nil).Require(200).Get("text"))

	for query, want := range map[string]struct {
		status  int
		pointer string
	}{
		"limt=5":                   {400, "query/limt"},
		"limit=x":                  {400, "query/limit"},
		"limit=0":                  {422, "query/limit"},
		"limit=101":                {422, "query/limit"},
		"limit=1&limit=2":          {400, "query/limit"},
		"in_stock=maybe":           {400, "query/in_stock"},
		"at=yesterday":             {422, "query/at"},
		"max=99999999999999999999": {400, "query/max"},
		"tag=long":                 {422, "query/tag/0"},
		"cursor=%00":               {400, "query/cursor"},
	} {
		r := s.Do("GET", "/api/v1/things?"+query, nil).Require(want.status)
		require.Equal(t, want.pointer, r.Get("errors.0.pointer"), query)
	}
}

const good = `{"email":"a@b.org","kind":"card","lines":[{"sku":"x","quantity":1}],"total":{"amount":1999,"currency":"USD"}}`

func TestBody(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, routes)
	staff := webtest.As("staff").With("If-Match", `"7"`)
	r := s.Do("PUT", "/api/v1/things/t1", good, staff).Require(201)
	require.Equal(t, "/api/v1/things/t1", r.Header.Get("Location"))
	require.Equal(t, "1999", r.Get("total.amount"))
	s.Do("PUT", "/api/v1/things/t1", strings.Replace(good, "{", `{"note":null,"ship":null,`, 1), staff).Require(201)

	for name, c := range map[string]struct {
		body    string
		status  int
		pointer string
	}{
		"unknown field":     {strings.Replace(good, "{", `{"role":"admin",`, 1), 400, "/role"},
		"other case":        {strings.Replace(good, "email", "Email", 1), 400, "/Email"},
		"nested unknown":    {strings.Replace(good, `"sku"`, `"extra":1,"sku"`, 1), 400, "/lines/0/extra"},
		"wrong type":        {strings.Replace(good, `"quantity":1`, `"quantity":"1"`, 1), 400, "/lines/0/quantity"},
		"fraction":          {strings.Replace(good, `1999`, `19.99`, 1), 400, "/total/amount"},
		"too big a number":  {strings.Replace(good, `1999`, `99999999999999999999`, 1), 422, "/total/amount"},
		"null":              {strings.Replace(good, `"card"`, `null`, 1), 400, "/kind"},
		"trailing data":     {good + `{}`, 400, ""},
		"duplicate":         {strings.Replace(good, "{", `{"kind":"card",`, 1), 400, "/kind"},
		"not UTF-8":         {strings.Replace(good, "a@b", "\xff@b", 1), 400, ""},
		"NUL":               {strings.Replace(good, "a@b", `\u0000@b`, 1), 400, "/email"},
		"empty":             {" ", 400, ""},
		"cut off":           {good[:40], 400, ""},
		"list for object":   {`[]`, 400, ""},
		"deep":              {strings.Repeat("[", 100), 400, strings.Repeat("/0", 64)},
		"e-mail":            {strings.Replace(good, "a@b.org", "ab", 1), 422, "/email"},
		"enum":              {strings.Replace(good, "card", "cash", 1), 422, "/kind"},
		"missing":           {strings.Replace(good, `"kind":"card",`, ``, 1), 422, "/kind"},
		"too few":           {strings.Replace(good, `[{"sku":"x","quantity":1}]`, `[]`, 1), 422, "/lines"},
		"currency":          {strings.Replace(good, `USD`, `usd`, 1), 422, "/total/currency"},
		"under a pointer":   {strings.Replace(good, "{", `{"ship":{"city":""},`, 1), 422, "/ship/city"},
		"unknown below one": {strings.Replace(good, "{", `{"ship":{"town":"x"},`, 1), 400, "/ship/town"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.Do("PUT", "/api/v1/things/t1", c.body, staff)
			require.Equal(t, c.status, r.Status, "%s", r.Raw)
			if c.pointer != "" {
				require.Equal(t, c.pointer, r.Get("errors.0.pointer"), "%s", r.Raw)
			}
		})
	}

	r = s.Do("PUT", "/api/v1/things/t1", `{"email":"x","kind":"y","lines":[{"sku":"","quantity":100}],"total":{"amount":1,"currency":"USD"}}`, webtest.As("staff")).Require(422)
	var p web.Problem
	r.Decode(&p)
	require.Len(t, p.Errors, 5, "all of them, with the missing header: %v", p.Errors)

	s.Do("PUT", "/api/v1/things/t1", good, staff.With("Content-Type", "text/plain")).RequireCode(400, "malformed")
	s.Do("PUT", "/api/v1/things/t1", `"`+strings.Repeat("x", 1<<20)+`"`, staff).RequireCode(413, "body.too_large")
	s.Do("PUT", "/api/v1/things/t1", good, staff.With("If-Match", "7")).RequireCode(400, "malformed")
}

func TestAccess(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, routes)
	s.Do("GET", "/api/v1/things/1", nil, webtest.As("forged")).RequireCode(401, "unauthenticated")
	r := s.Do("PUT", "/api/v1/things/1", good).RequireCode(401, "unauthenticated")
	require.Contains(t, r.Header.Get("WWW-Authenticate"), "Bearer")
	s.Do("PUT", "/api/v1/things/1", "rubbish is not looked at before rights", webtest.As("user:u1")).RequireCode(403, "forbidden")
	s.Do("PUT", "/api/v1/things/1", good, webtest.As("admin").With("If-Match", "*")).Require(201)
	s.Do("DELETE", "/api/v1/things/1", nil, webtest.As("staff")).RequireCode(403, "forbidden")
	s.Do("DELETE", "/api/v1/things/1", nil, webtest.As("admin")).Require(204)
	s.Do("GET", "/api/v1/things/1", nil, webtest.Header{"Authorization": "Basic eDp5"}).RequireCode(401, "unauthenticated")
}

func TestProblems(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, routes)
	r := s.Do("GET", "/api/v1/things/none", nil).RequireCode(404, "not_found")
	require.Equal(t, "there is no thing none", r.Get("detail"))
	require.Equal(t, "/api/v1/things/none", r.Get("instance"))
	require.Equal(t, r.Header.Get("X-Trace-Id"), r.Get("trace_id"))
	require.Len(t, r.Get("trace_id"), 32)
	for _, id := range []string{"secret", "panic"} {
		r = s.Do("GET", "/api/v1/things/"+id, nil).RequireCode(500, "internal")
		require.NotContains(t, string(r.Raw), "pq")
		require.NotContains(t, string(r.Raw), "secret panic")
	}
	require.Equal(t, "1", s.Do("GET", "/api/v1/things/down", nil).RequireCode(503, "unavailable").Header.Get("Retry-After"))
	require.Equal(t, "7", s.Do("GET", "/api/v1/things/later", nil).RequireCode(429, "x.busy").Header.Get("Retry-After"))
	require.Equal(t, "2", s.Do("GET", "/api/v1/things/under-way", nil).RequireCode(409, "x.in_flight").Header.Get("Retry-After"))
	s.Do("GET", "/api/v1/nothing", nil).RequireCode(404, "route.not_found")
	require.Contains(t, s.Do("POST", "/api/v1/things", nil).RequireCode(405, "method.not_allowed").Header.Get("Allow"), "GET")
	require.Equal(t, `"7"`, s.Do("HEAD", "/api/v1/things/1", nil).Require(200).Header.Get("ETag"))
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, routes)
	user := webtest.As("user:u1")
	pay := func(path, body, key string) webtest.Response {
		return s.Do("POST", path, body, user.With("Idempotency-Key", key))
	}
	s.Do("POST", "/api/v1/things/1/pay", `{"city":"x"}`, user).RequireCode(400, "idempotency_key.missing")
	pay("/api/v1/things/1/pay", `{"city":"x"}`, strings.Repeat("k", 256)).RequireCode(400, "malformed")
	pay("/api/v1/things/1/pay", `{"city":"x"}`, "ключ").RequireCode(400, "malformed")
	first := pay("/api/v1/things/1/pay", `{"city":"x"}`, "k").Require(202)
	require.Equal(t, "u1 POST /api/v1/things/1/pay", first.Get("scope"))
	require.Equal(t, "k", first.Get("key"))
	require.Empty(t, first.Header.Get("Idempotency-Replayed"))
	require.Equal(t, first.Get("fingerprint"), pay("/api/v1/things/1/pay", "{ \"city\" :\n\"x\"}", "k").Get("fingerprint"))
	require.NotEqual(t, first.Get("fingerprint"), pay("/api/v1/things/1/pay", `{"city":"y"}`, "k").Get("fingerprint"))
	require.NotEqual(t, first.Get("fingerprint"), pay("/api/v1/things/2/pay", `{"city":"x"}`, "k").Get("fingerprint"))
	require.Equal(t, "true", pay("/api/v1/things/1/pay", `{"city":"again"}`, "k").Header.Get("Idempotency-Replayed"))
}

func TestAnswersAreHeldAgainstTheDocument(t *testing.T) {
	t.Parallel()
	type out struct {
		Items []string `json:"items"`
		Kind  string   `json:"kind" enum:"a,b"`
	}
	answers := map[string]web.Reply[out]{
		"good":   web.OK(out{[]string{}, "a"}),
		"null":   web.OK(out{nil, "a"}),
		"enum":   web.OK(out{[]string{}, "c"}),
		"status": web.Created("", out{[]string{}, "a"}),
	}
	s := webtest.New(t, func(r *web.Router) {
		web.Handle(r, web.Route{Method: http.MethodGet, Path: "/x/{id}", Access: web.Public},
			func(_ context.Context, in idIn) (web.Reply[out], error) { return answers[in.ID], nil })
	})
	s.Do("GET", "/api/v1/x/good", nil).Require(200)
	require.Contains(t, s.Do("GET", "/api/v1/x/null", nil).Require(500).Get("detail"), "/items")
	require.Contains(t, s.Do("GET", "/api/v1/x/enum", nil).Require(500).Get("detail"), "/kind")
	require.Contains(t, s.Do("GET", "/api/v1/x/status", nil).Require(500).Get("detail"), "201")
}
