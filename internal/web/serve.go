package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/resilience"
)

type schemaRef = openapi3.SchemaRef

var problemType = reflect.TypeFor[Problem]()

// serve is the whole life of a typed request: who, how often, may they, what,
// then the handler, then the answer. ctx is that of r, with what is known by now;
// start is what was read of the body.
func (s *Server) serve(ctx context.Context, e *endpoint, w http.ResponseWriter, r *http.Request, start []byte, pathParam func(string) string) error {
	ctx, authErr := s.authenticated(ctx, r)
	if err := s.limiter.count(ctx, w.Header()); err != nil {
		return err
	}
	if authErr != nil {
		return authErr
	}
	if err := allowed(ctx, e.Access); err != nil {
		return err
	}
	var badPath bool
	pathValue := func(name string) string {
		text := pathParam(name)
		if r.URL.RawPath == "" { // echo gives the decoded form then
			return text
		}
		text, err := url.PathUnescape(text)
		badPath = badPath || err != nil
		return text
	}
	var raw []byte
	var body any
	if e.in.body != nil {
		if asksInVain(r, s.cfg.BodyLimit) {
			return tooLarge(s.cfg.BodyLimit)
		}
		var err error
		if raw, body, err = s.readBody(e, r, start); err != nil {
			return err
		}
	}
	in, err := e.in.bind(r, pathValue, raw, body)
	if err != nil {
		return err
	}
	if badPath {
		return fault.Malformed.Errorf("the path is not well-formed")
	}
	// The time in the queue counts as well: the client has been waiting since. What it
	// took to send its body is its own.
	x := exchangeOf(ctx)
	ctx, cancel := port.WithTimeout(ctx, s.cfg.Deadline-(time.Since(x.start)-x.receiving))
	defer cancel()
	if e.Idempotent {
		key, err := idempotencyKey(ctx, r, body)
		if err != nil {
			return err
		}
		ctx = port.WithIdempotencyKey(ctx, key)
	}
	ctx, replayed := port.WithReplayFlag(ctx)
	got, err := e.handle(ctx, in)
	if replayed.Load() { // refusals are remembered too
		w.Header().Set("Idempotency-Replayed", "true")
	}
	if err != nil {
		return err
	}
	return s.write(ctx, e, w, got)
}

// contentJSON is shared by all answers, as everyAnswer is.
var contentJSON = []string{"application/json"}

// write answers with what the handler gave.
func (s *Server) write(ctx context.Context, e *endpoint, w http.ResponseWriter, got answer) error {
	if got.status == 0 {
		got.status = e.Statuses[0]
	}
	body := page.Get().(*bytes.Buffer)
	defer recycle(body)
	if e.out != nil {
		enc := json.NewEncoder(body)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(got.body); err != nil {
			return fault.Internal.Wrap(err, "the answer cannot be written as JSON")
		}
	}
	if s.cfg.ValidateResponses {
		if err := e.conforms(got.status, body.Bytes()); err != nil {
			s.cfg.Telemetry.Logger.Error("ANSWER BREAKS THE DOCUMENT", "route", e.Method+" "+e.path, "reason", err)
			return shownError{err}
		}
	}
	h := w.Header()
	for name, values := range got.header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if e.out == nil {
		w.WriteHeader(got.status)
		return nil
	}
	h["Content-Type"] = contentJSON
	h["Content-Length"] = []string{strconv.Itoa(body.Len())}
	size := int64(body.Len())
	if s.sending.Add(size) <= mostSending {
		resilience.Rest(ctx)
	}
	defer s.sending.Add(-size)
	w.WriteHeader(got.status)
	_, _ = w.Write(body.Bytes()) // a client that is gone is not our error
	return nil
}

// page is what answers are written on before they are sent.
var page = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// recycle keeps a page, unless it has become a big one.
func recycle(b *bytes.Buffer) {
	if b.Cap() > 64<<10 {
		return
	}
	b.Reset()
	page.Put(b)
}

// shownError is an internal error whose reason the client sees: in tests only.
type shownError struct{ error }

// conforms holds an answer against the document.
func (e *endpoint) conforms(status int, body []byte) error {
	if !slices.Contains(e.Statuses, status) {
		return fmt.Errorf("status %d is not in the route's Statuses %v", status, e.Statuses)
	}
	if e.out == nil {
		return nil
	}
	value, err := parseJSON(body)
	if err != nil {
		return err
	}
	var found findings
	found.check(e.out, value, "")
	all := append(found.malformed, found.invalid...)
	if len(all) == 0 {
		return nil
	}
	var lines []string
	for _, f := range all {
		lines = append(lines, f.Pointer+" "+f.Detail)
	}
	return fmt.Errorf("the body breaks its schema: %s", strings.Join(lines, "; "))
}
