package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

type schemaRef = openapi3.SchemaRef

var problemType = reflect.TypeFor[Problem]()

// serve is the whole life of a typed request: who, how often, may they, what,
// then the handler, then the answer.
func (s *Server) serve(e *endpoint, w http.ResponseWriter, r *http.Request, pathParam func(string) string) error {
	r, authErr := s.authenticated(r)
	if err := s.limiter.take(w.Header(), clientKey(r.Context())); err != nil {
		return err
	}
	if authErr != nil {
		return authErr
	}
	if err := allowed(r.Context(), e.Access); err != nil {
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
		if raw, body, err = readBody(r); err != nil {
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
	// The time in the queue counts as well: the client has been waiting since.
	ctx, cancel := port.WithTimeout(r.Context(), s.cfg.Deadline-time.Since(exchangeOf(r.Context()).start))
	defer cancel()
	if e.Idempotent {
		key, err := idempotencyKey(r, body)
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
	return s.write(e, w, got)
}

// write answers with what the handler gave.
func (s *Server) write(e *endpoint, w http.ResponseWriter, got answer) error {
	if got.status == 0 {
		got.status = e.Statuses[0]
	}
	var body bytes.Buffer
	if e.out != nil {
		enc := json.NewEncoder(&body)
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
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(got.status)
	_, _ = w.Write(body.Bytes()) // a client that is gone is not our error
	return nil
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
