package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/internal/fault"
)

// What is answered for a body that cannot be taken.
var (
	TooLarge = fault.Define("body.too_large", fault.KindTooLarge) // over the limit
	TooSlow  = fault.Define("body.too_slow", fault.KindMalformed) // answered 408
)

const (
	ahead     = 64 << 10 // bytes of a body that are read before anything is known of its sender
	small     = 4 << 10  // bytes of a body that are not counted: as many as its connection holds anyway
	maxDepth  = 64       // how deep objects and lists may nest in a body
	maxValues = 50_000   // values of all kinds in a body; each costs some 100 bytes
)

// asksInVain tells whether a client waits to be told that it may send a body over
// the limit: it is told at once that it may not.
func asksInVain(r *http.Request, limit int64) bool {
	return r.ContentLength > limit && strings.EqualFold(r.Header.Get("Expect"), "100-continue")
}

func tooLarge(limit int64) error {
	return TooLarge.Errorf("the body is over its limit of %d bytes", limit)
}

// readAhead reads the start of a body, which is all of most, for a request that has
// no place yet. held is how much of it counts among what is received, until the request
// is answered. Codes: Malformed, TooLarge, TooSlow, Overloaded.
func (s *Server) readAhead(e *endpoint, r *http.Request) (start []byte, held int64, err error) {
	if e.in.body == nil || asksInVain(r, s.cfg.BodyLimit) {
		return nil, 0, nil
	}
	c := &counting{from: r.Body, all: &s.received, free: small}
	start, err = s.receive(r, io.LimitReader(c, ahead+1))
	return start, c.held, err
}

// counting adds what is read to what all bodies hold, but for the first free bytes. As
// it comes, not as it was announced: whoever announces much and sends nothing would
// keep out those who send.
type counting struct {
	from       io.Reader
	all        *atomic.Int64
	free, held int64
}

// Read implements io.Reader. Error: errManyReceived, above mostReceived.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	counts := max(0, int64(n)-c.free)
	c.free = max(0, c.free-int64(n))
	c.held += counts
	if counts > 0 && c.all.Add(counts) > mostReceived {
		return n, errManyReceived
	}
	return n, err
}

var errManyReceived = errors.New("as much of bodies is being held as may be")

// readRest reads what is left of a large body. Codes: Malformed, TooLarge, TooSlow, Overloaded.
func (s *Server) readRest(e *endpoint, r *http.Request, start []byte) ([]byte, error) {
	if len(start) <= ahead {
		return start, nil
	}
	large := s.large
	if e.Access == Staff || e.Access == Admin {
		large = s.ofStaff
	}
	select {
	case large <- struct{}{}:
		defer func() { <-large }()
	default:
		return nil, overloaded(errManyLarge)
	}
	rest, err := s.receive(r, r.Body)
	return append(start, rest...), err
}

var errManyLarge = errors.New("as many large bodies are being read as may be")

// receive reads what comes from the client of r, and notes how long that took. Codes:
// Malformed, TooLarge, TooSlow, Overloaded.
func (s *Server) receive(r *http.Request, from io.Reader) ([]byte, error) {
	x, began := exchangeOf(r.Context()), time.Now()
	raw, err := io.ReadAll(from)
	x.receiving += time.Since(began)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge(over.Limit)
	case errors.Is(err, errManyReceived):
		return nil, overloaded(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, TooSlow.Wrap(err, "the body came too slowly: it was not all here after %s", s.cfg.Read)
	case err != nil:
		return nil, fault.Malformed.Wrap(err, "the body ended early")
	}
	return raw, nil
}

// readBody reads and parses a JSON body that begins with start. Codes: Malformed,
// TooLarge, TooSlow, Overloaded.
func (s *Server) readBody(e *endpoint, r *http.Request, start []byte) (raw []byte, body any, err error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return nil, nil, fault.Malformed.Errorf("the body must be JSON: send Content-Type: application/json")
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, nil, malformed("header/Content-Encoding", "must be left out: send the body as it is, not compressed")
	}
	if raw, err = s.readRest(e, r, start); err != nil {
		return nil, nil, err
	}
	body, err = parseJSON(raw)
	return raw, body, err
}

// parseJSON reads one JSON value, strictly: no duplicate keys, no trailing
// data, valid UTF-8, no NUL, nesting up to maxDepth. Numbers stay as written.
func parseJSON(raw []byte) (any, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, malformed("", "is empty: a JSON body is needed")
	}
	if !utf8.Valid(raw) {
		return nil, malformed("", "is not valid UTF-8")
	}
	p := &parser{dec: json.NewDecoder(bytes.NewReader(raw))}
	p.dec.UseNumber()
	v, err := p.value("", 0)
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("", fmt.Sprintf("has more after its end at byte %d", p.dec.InputOffset()))
	}
	return v, nil
}

func malformed(pointer, detail string) error {
	where := pointer
	if where == "" {
		where = "the body"
	}
	return fault.Malformed.Errorf("the request cannot be read: %s %s", where, detail).WithField(pointer, detail)
}

type parser struct {
	dec    *json.Decoder
	values int
}

func (p *parser) value(pointer string, depth int) (any, error) {
	token, err := p.dec.Token()
	if err != nil {
		return nil, malformed(pointer, fmt.Sprintf("is not JSON at byte %d", p.dec.InputOffset()))
	}
	if p.values++; p.values > maxValues {
		return nil, malformed("", fmt.Sprintf("has more than %d values in all", maxValues))
	}
	switch t := token.(type) {
	case json.Delim:
		if depth++; depth > maxDepth {
			return nil, malformed(pointer, fmt.Sprintf("is nested deeper than %d", maxDepth))
		}
		if t == '{' {
			return p.object(pointer, depth)
		}
		return p.list(pointer, depth)
	case string:
		if strings.ContainsRune(t, 0) {
			return nil, malformed(pointer, "must not contain the character NUL")
		}
	}
	return token, nil
}

func (p *parser) object(pointer string, depth int) (any, error) {
	object := map[string]any{}
	for p.dec.More() {
		token, err := p.dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return nil, malformed(pointer, fmt.Sprintf("is not JSON at byte %d", p.dec.InputOffset()))
		}
		at := pointer + "/" + escapePointer(key)
		if _, ok := object[key]; ok {
			return nil, malformed(at, "is given twice")
		}
		if object[key], err = p.value(at, depth); err != nil {
			return nil, err
		}
	}
	return object, p.end(pointer)
}

func (p *parser) list(pointer string, depth int) (any, error) {
	list := []any{}
	for p.dec.More() {
		v, err := p.value(pointer+"/"+strconv.Itoa(len(list)), depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, p.end(pointer)
}

func (p *parser) end(pointer string) error {
	if _, err := p.dec.Token(); err != nil {
		return malformed(pointer, fmt.Sprintf("is not closed at byte %d", p.dec.InputOffset()))
	}
	return nil
}
