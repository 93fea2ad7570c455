package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

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

// What a body makes is either a value that obeys its limits or a fault of the
// caller, never a panic or an error of ours.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{"name":"a","count":1}`, `{"name":"a","count":1,"price":{"amount":1,"currency":"USD"},"sub":{"name":"b","count":2}}`,
		`{"name":"a","name":"b"}`, `[[[[`, `{"count":1e400}`, `{"name":"\ud800"}`, "\x00", `{"count":1.0,"name":"x"}`, `{"meta":{"a/b~":1.5}}`} {
		f.Add([]byte(seed))
	}
	b, err := newBinding(newSchemas(), reflect.TypeFor[fuzzIn]())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(raw)))
		r.Header.Set("Content-Type", "application/json")
		raw, body, err := readBody(r)
		var in reflect.Value
		if err == nil {
			in, err = b.bind(r, nil, raw, body)
		}
		if err != nil {
			require.Contains(t, []int{400, 413, 422}, fault.From(err).Code.Kind().HTTPStatus(), "%v", err)
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
