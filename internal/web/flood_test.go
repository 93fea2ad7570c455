package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
)

type floodBody struct {
	Items []floodItem    `json:"items,omitempty" maxItems:"100000"`
	Tags  []string       `json:"tags,omitempty"`
	Meta  map[string]int `json:"meta,omitempty"`
}

type floodItem struct {
	SKU string `json:"sku" minLength:"1"`
}

type floodIn struct {
	Body floodBody `body:""`
}

// read reads a body as a server does.
func read(s *Server, r *http.Request) (raw []byte, body any, err error) {
	e := &endpoint{in: &binding{body: []int{0}}}
	start, _, err := s.readAhead(e, r)
	if err != nil {
		return nil, nil, err
	}
	return s.readBody(e, r, start)
}

// However much is wrong with a body, little is told, and the work grows no
// faster than the body: with all that is wrong compared with all that is known,
// the first of these took minutes.
func TestMuchThatIsWrong(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	b, err := newBinding(newSchemas(), reflect.TypeFor[floodIn]())
	require.NoError(t, err)
	var unknown, wrong []string
	for i := range 40_000 {
		unknown = append(unknown, fmt.Sprintf(`"f%d":0`, i))
		wrong = append(wrong, fmt.Sprintf(`"f%d":"x"`, i))
	}
	long := strings.Repeat("k", 900_000)
	for name, c := range map[string]struct {
		body string
		code fault.Code
	}{
		"unknown fields":    {`{` + strings.Join(unknown, ",") + `}`, fault.Malformed},
		"wrong items":       {`{"items":[` + strings.Repeat("0,", 40_000) + `0]}`, fault.Malformed},
		"empty items":       {`{"items":[` + strings.Repeat("{},", 40_000) + `{}]}`, fault.Invalid},
		"wrong texts":       {`{"tags":[` + strings.Repeat("0,", 40_000) + `0]}`, fault.Malformed},
		"wrong map":         {`{"meta":{` + strings.Join(wrong, ",") + `}}`, fault.Malformed},
		"too many values":   {`{"tags":[` + strings.Repeat(`"",`, 60_000) + `""]}`, fault.Malformed},
		"a long name":       {`{"` + long + `":0}`, fault.Malformed},
		"much below a name": {`{"` + long + `":[` + strings.Repeat("0,", 40_000) + `0]}`, fault.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			raw, body, err := read(s, r)
			if err == nil {
				_, err = b.bind(r, nil, raw, body)
			}
			f := fault.From(err)
			require.ErrorIs(t, f, c.code)
			require.NotEmpty(t, f.Fields)
			require.LessOrEqual(t, len(f.Fields), maxFindings)
			for _, field := range f.Fields {
				require.Less(t, len(field.Pointer), 300)
			}
			require.Less(t, len(f.Message), 1000)
		})
	}
	query := httptest.NewRequest(http.MethodGet, "/?a=1", nil)
	for i := range 9000 {
		query.URL.RawQuery += fmt.Sprintf("&q%d=0", i)
	}
	_, err = b.bind(query, nil, []byte("{}"), map[string]any{})
	require.Len(t, fault.From(err).Fields, maxFindings)
}

// However many clients do not take their answers, these fill no more than so much:
// above it an answer keeps its place.
func TestAnswersOnTheirWayAreBounded(t *testing.T) {
	t.Parallel()
	s := New(Config{Admission: Admission{InFlight: 1, Queue: 1, Wait: time.Millisecond}})
	Handle(s.Router("/api/v1"), Route{Method: http.MethodGet, Path: "/look", Access: Public},
		func(context.Context, struct{}) (Reply[struct{}], error) { return OK(struct{}{}), nil })
	h := s.Handler()
	look := func(w http.ResponseWriter) { h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/look", nil)) }
	meanwhile := func() int {
		second := httptest.NewRecorder()
		look(busyWriter{httptest.NewRecorder(), func() { look(second) }})
		return second.Code
	}
	require.Equal(t, http.StatusOK, meanwhile())
	s.sending.Store(mostSending)
	require.Equal(t, http.StatusServiceUnavailable, meanwhile())
	s.sending.Add(-mostSending)
	require.Zero(t, s.sending.Load())
}

// However many clients stop in the middle of their bodies, what was read of these
// fills no more than so much: above it a body is read no further. Small ones go on,
// and what was only announced keeps nobody out.
func TestBodiesReadAheadAreBounded(t *testing.T) {
	t.Parallel()
	s := New(Config{Admission: Admission{InFlight: 1, Queue: 1, Wait: time.Millisecond}})
	var during int64
	Handle(s.Router("/api/v1"), Route{Method: http.MethodPost, Path: "/buy", Access: Public},
		func(context.Context, floodIn) (Reply[struct{}], error) {
			during = s.received.Load()
			return OK(struct{}{}), nil
		})
	h := s.Handler()
	post := func(body io.Reader) int {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/buy", body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	of := func(size int) string { return strings.Repeat(" ", size-2) + "{}" }
	untold := func(body string) io.Reader { return struct{ io.Reader }{strings.NewReader(body)} } // of a length that is not known
	for _, c := range []struct {
		body io.Reader
		held int64
	}{
		{strings.NewReader(of(small)), 0}, {strings.NewReader(of(small + 1)), 1},
		{strings.NewReader(of(2 * ahead)), ahead + 1 - small}, {untold("{}"), 0}, {untold(of(2 * small)), small},
	} {
		require.Equal(t, http.StatusOK, post(c.body))
		require.Equal(t, c.held, during)
		require.Zero(t, s.received.Load())
	}
	s.received.Store(mostReceived)
	unread := strings.NewReader(of(ahead))
	require.Equal(t, http.StatusServiceUnavailable, post(unread))
	require.Greater(t, unread.Len(), ahead/2)
	require.Equal(t, http.StatusServiceUnavailable, post(untold(of(small+1))))
	require.Equal(t, http.StatusOK, post(untold(of(small))))
	require.Equal(t, http.StatusOK, post(strings.NewReader(of(small))))
	require.Equal(t, http.StatusBadRequest, post(strings.NewReader("{")))
	require.EqualValues(t, mostReceived, s.received.Load(), "who is refused holds nothing either")
	s.received.Add(-mostReceived)
	require.Equal(t, http.StatusBadRequest, post(untold("{")), "who is refused holds nothing either")
	require.Zero(t, s.received.Load())
}

// busyWriter does something else before it takes what it is given.
type busyWriter struct {
	http.ResponseWriter
	first func()
}

func (w busyWriter) Write(p []byte) (int, error) {
	w.first()
	return w.ResponseWriter.Write(p)
}

func TestCompressedBodiesAreRefused(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	for coding, ok := range map[string]bool{"": true, "identity": true, "gzip": false, "br": false, "gzip, identity": false} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Content-Encoding", coding)
		_, _, err := read(s, r)
		require.Equal(t, ok, err == nil, "%q: %v", coding, err)
	}
}

// An IPv6 client owns a /64: with each of its addresses counted alone, there
// would be no limit for it.
func TestTheLimitCountsANetwork(t *testing.T) {
	t.Parallel()
	key := func(ip string) string {
		return clientKey(context.WithValue(t.Context(), exchangeKey{}, &exchange{ip: ip}))
	}
	require.Equal(t, key("2001:db8::1"), key("2001:db8::ffff:1"))
	require.NotEqual(t, key("2001:db8::1"), key("2001:db8:0:1::1"))
	require.NotEqual(t, key("192.0.2.1"), key("192.0.2.2"))
	require.Equal(t, "ip unix", key("unix"))
}

// The limit remembers a bounded number of clients, however many come.
func TestTheLimitsMemoryIsBounded(t *testing.T) {
	t.Parallel()
	l := newLimiter(RateLimit{PerSecond: 1, Burst: 1, Clients: 1000})
	for i := range 100_000 {
		_ = l.take(http.Header{}, fmt.Sprintf("ip 10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	l.clients.CleanUp()
	require.LessOrEqual(t, l.clients.EstimatedSize(), 1000)
}

// Where a number is wrong is told exactly, also in a list.
func TestWrongIntegersArePointedAt(t *testing.T) {
	t.Parallel()
	type item struct {
		Grams *int64 `json:"grams"`
	}
	type in struct {
		Body struct {
			Items []item `json:"items"`
		} `body:""`
	}
	s := New(Config{})
	b, err := newBinding(newSchemas(), reflect.TypeFor[in]())
	require.NoError(t, err)
	for number, code := range map[string]fault.Code{
		"1.0": fault.Malformed, "1e2": fault.Malformed, "1.5": fault.Malformed, "1e400": fault.Malformed,
		"9223372036854775808": fault.Invalid, "-9223372036854775809": fault.Invalid, "18446744073709551616": fault.Invalid,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"items":[{"grams":1},{"grams":`+number+`}]}`))
		r.Header.Set("Content-Type", "application/json")
		raw, body, err := read(s, r)
		require.NoError(t, err)
		_, err = b.bind(r, nil, raw, body)
		require.ErrorIs(t, err, code, number)
		require.Equal(t, []fault.Field{{Pointer: "/items/1/grams", Detail: integerWords}}, fault.From(err).Fields, number)
	}
}
