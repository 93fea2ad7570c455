package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
)

type fuzzBody struct {
	Name  string         `json:"name" maxLength:"10"`
	Count int64          `json:"count" minimum:"1"`
	Price *money.Money   `json:"price"`
	Tags  []string       `json:"tags,omitempty" maxItems:"2"`
	Sub   *fuzzBody      `json:"sub,omitempty"`
	Meta  map[string]int `json:"meta,omitempty"`
}

type fuzzIn struct {
	Body fuzzBody `body:""`
}

// FuzzBody: what a body makes is either a value that obeys its limits or a fault of
// the caller with a code and the place, never a panic or an error of ours.
func FuzzBody(f *testing.F) {
	s := New(Config{})
	b, err := newBinding(newSchemas(), reflect.TypeFor[fuzzIn]())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, contentType string, raw []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(raw))
		r.Header.Set("Content-Type", contentType)
		raw, body, err := read(s, r)
		var in reflect.Value
		if err == nil {
			in, err = b.bind(r, nil, raw, body)
		}
		if err != nil {
			requireTheirFault(t, err)
			return
		}
		got := in.Interface().(fuzzIn).Body
		require.GreaterOrEqual(t, got.Count, int64(1))
		require.LessOrEqual(t, len([]rune(got.Name)), 10)
		require.LessOrEqual(t, len(got.Tags), 2)
		again, err := json.Marshal(got)
		require.NoError(t, err)
		_, err = parseJSON(again)
		require.NoError(t, err, "what was accepted can be written and read again")
	})
}

// requireTheirFault: the caller is told what is wrong and where, in words of the
// API, and nothing of how it is made.
func requireTheirFault(t *testing.T, err error) {
	t.Helper()
	e := fault.From(err)
	require.Contains(t, []int{400, 413, 422}, e.Code.Kind().HTTPStatus(), "%v", err)
	require.NotEmpty(t, e.Message)
	text := e.Message
	for _, field := range e.Fields {
		require.NotEmpty(t, field.Detail)
		text += field.Detail // a pointer may hold any name that the caller made up
	}
	if len(e.Fields) == 0 {
		for _, inside := range []string{"reflect", "goroutine", "openapi3", "Unmarshal", "web.fuzz"} {
			require.NotContains(t, text, inside)
		}
	}
	require.Less(t, len(e.Fields), 1000, "what is wrong is bounded")
}

// FuzzJSON: what is accepted is what encoding/json reads, too, and once written it
// stays the same; names given twice are never accepted.
func FuzzJSON(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := parseJSON(raw)
		if err != nil {
			require.ErrorIs(t, err, fault.Malformed)
			return
		}
		require.True(t, json.Valid(raw))
		require.NotContains(t, string(raw), "\x00")
		once, err := json.Marshal(v)
		require.NoError(t, err)
		again, err := parseJSON(once)
		require.NoError(t, err)
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice), "the canonical form is stable: idempotency keys depend on it")
	})
}

type paramsIn struct {
	ID    string    `path:"id" maxLength:"8"`
	Limit int       `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Since time.Time `query:"since"`
	All   bool      `query:"all"`
	Only  []string  `query:"only" maxItems:"3"`
	Max   *int64    `query:"max"`
	Key   string    `header:"X-Key" maxLength:"5"`
}

// FuzzParams: path, query and header make values within their limits or a fault of
// the caller.
func FuzzParams(f *testing.F) {
	b, err := newBinding(newSchemas(), reflect.TypeFor[paramsIn]())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, id, query, key string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		r.Header["X-Key"] = []string{key}
		in, err := b.bind(r, func(string) string { return id }, nil, nil)
		if err != nil {
			requireTheirFault(t, err)
			return
		}
		got := in.Interface().(paramsIn)
		require.Equal(t, id, got.ID)
		require.Equal(t, key, got.Key)
		require.LessOrEqual(t, len([]rune(got.ID)), 8)
		require.LessOrEqual(t, len([]rune(got.Key)), 5)
		require.True(t, got.Limit >= 1 && got.Limit <= 100, got.Limit)
		require.LessOrEqual(t, len(got.Only), 3)
		for _, text := range append(got.Only, got.ID, got.Key) {
			require.True(t, utf8.ValidString(text))
			require.NotContains(t, text, "\x00")
		}
		if !got.Since.IsZero() {
			_, err := got.Since.MarshalJSON()
			require.NoError(t, err)
		}
	})
}

// FuzzKey: an Idempotency-Key is taken as it is or refused; its fingerprint does
// not depend on how the body was spelt.
func FuzzKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, key string, raw []byte) {
		body, err := parseJSON(raw)
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodPost, "/api/v1/orders", nil)
		r.Header["Idempotency-Key"] = []string{key}
		got, err := idempotencyKey(t.Context(), r, body)
		if err != nil {
			require.Equal(t, fault.KindMalformed, fault.From(err).Code.Kind())
			require.False(t, printable(key))
			return
		}
		require.Equal(t, key, got.Key)
		require.LessOrEqual(t, len(got.Key), maxKey)
		canonical, err := json.Marshal(body)
		require.NoError(t, err)
		same, err := parseJSON(canonical)
		require.NoError(t, err)
		again, err := idempotencyKey(t.Context(), r, same)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

// FuzzForwarded: whatever stands in X-Forwarded-For, the client is the peer where
// that is no trusted proxy, and an address in any case.
func FuzzForwarded(f *testing.F) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-Forwarded-For"] = []string{forwarded}
		for _, at := range []string{"192.0.2.7:1", "10.1.2.3:1", "[::1]:1"} {
			r.RemoteAddr = at
			got, err := netip.ParseAddr(clientIP(r, trusted))
			require.NoError(t, err)
			require.Empty(t, got.Zone())
			if at == "192.0.2.7:1" {
				require.Equal(t, "192.0.2.7", got.String())
			}
		}
		r.RemoteAddr = peer
		_ = clientIP(r, nil)
	})
}

// FuzzETag: one version has one tag; weak tags, lists and other spellings are refused.
func FuzzETag(f *testing.F) {
	f.Fuzz(func(t *testing.T, ifMatch string) {
		version, err := ParseETag(ifMatch)
		switch {
		case err != nil:
			require.ErrorIs(t, err, fault.Malformed)
			require.Zero(t, version)
		case version == AnyVersion:
			require.Equal(t, "*", strings.TrimSpace(ifMatch))
		default:
			require.GreaterOrEqual(t, version, int64(0))
			require.Equal(t, ETag(version), strings.TrimSpace(ifMatch))
		}
	})
}

func TestAmbiguousNamesGetTheirPackage(t *testing.T) {
	t.Parallel()
	type Money struct {
		Cents int `json:"cents"`
	}
	s := newSchemas()
	for _, typ := range []reflect.Type{reflect.TypeFor[Money](), reflect.TypeFor[money.Money](), reflect.TypeFor[Page[money.Money]](), reflect.TypeFor[fuzzBody]()} {
		_, err := s.of(typ)
		require.NoError(t, err)
	}
	names, err := s.name()
	require.NoError(t, err)
	require.Contains(t, names, "MoneyMoney")
	require.Contains(t, names, "WebMoney")
	require.Contains(t, names, "Page_Money")
	require.Equal(t, "#/components/schemas/FuzzBody", names["FuzzBody"].Value.Properties["sub"].Value.AnyOf[0].Ref)
}
