package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Problem is how every error is answered: RFC 9457, application/problem+json.
type Problem struct {
	Type     string        `json:"type" doc:"Identifies the kind of problem." example:"https://banyan.dev/problems/not_found"`
	Title    string        `json:"title" doc:"The status in words."`
	Status   int           `json:"status"`
	Detail   string        `json:"detail,omitempty" doc:"What was wrong with this request, for people. May change."`
	Instance string        `json:"instance" doc:"The path that was asked for."`
	Code     string        `json:"code" doc:"Stable, dotted; what programs should look at." example:"stock.insufficient"`
	Errors   []FieldDetail `json:"errors,omitempty"`
	TraceID  string        `json:"trace_id" doc:"Tell it when you ask for help."`
}

// FieldDetail is one thing wrong with one part of a request.
type FieldDetail struct {
	Pointer string `json:"pointer" doc:"A JSON pointer into the body, or query/name, header/name, path/name." example:"/items/0/quantity"`
	Detail  string `json:"detail" example:"must be at least 1"`
}

// Codes the edge itself answers with.
var (
	NoRoute     = fault.Define("route.not_found", fault.KindNotFound)
	WrongMethod = fault.Define("method.not_allowed", fault.KindMalformed) // answered 405
	RateLimited = fault.Define("rate_limit.exceeded", fault.KindExhausted)
)

const problemBase = "https://banyan.dev/problems/"

// problemOf turns an error into what a client may know of it. The cause of an
// internal error goes to the log only.
func problemOf(err error, r *http.Request, traceID string) Problem {
	f := fault.From(err)
	status := f.Code.Kind().HTTPStatus()
	switch f.Code.Name() {
	case WrongMethod.Name():
		status = http.StatusMethodNotAllowed
	case TooSlow.Name():
		status = http.StatusRequestTimeout
	}
	p := Problem{
		Type: problemBase + f.Code.Name(), Title: title(status), Status: status, Detail: f.Message,
		Instance: r.URL.Path, Code: f.Code.Name(), TraceID: traceID,
	}
	if f.Code.Kind() == fault.KindInternal {
		p.Type, p.Code, p.Detail = problemBase+fault.Internal.Name(), fault.Internal.Name(), "something went wrong on our side; try again, and tell us the trace_id if it stays"
		var shown shownError
		if errors.As(err, &shown) {
			p.Detail = shown.Error()
		}
		return p
	}
	for _, field := range f.Fields {
		p.Errors = append(p.Errors, FieldDetail(field))
	}
	return p
}

func title(status int) string {
	if status == 499 {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}

// Refuse answers with the error as the routes do, for handlers that are mounted. Its
// cause goes to the request's log line.
func Refuse(w http.ResponseWriter, r *http.Request, err error) { writeProblem(w, r, err) }

// writeProblem answers with the error.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	p := problemOf(err, r, x.traceID)
	x.fault = err
	h := w.Header()
	for _, name := range []string{"Etag", "Location", "Content-Length"} {
		h.Del(name)
	}
	switch {
	case p.Status == http.StatusTooManyRequests, p.Status == http.StatusServiceUnavailable, turnedAway(err):
		h.Set("Retry-After", retryAfter(fault.From(err)))
	case p.Status == http.StatusUnauthorized:
		challenge := `Bearer realm="banyan"`
		if r.Header.Get("Authorization") != "" {
			challenge += `, error="invalid_token"`
		}
		h.Set("WWW-Authenticate", challenge)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	body, err := json.Marshal(p)
	if err != nil { // strings and numbers only: cannot happen
		panic(err)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone is not our error
}

// comeBack is the detail of a fault that says in how many seconds to come again.
const comeBack = "retry_after"

// turnedAway tells that who asked was told when to come again: there was too much to do,
// or what was asked for is under way already.
func turnedAway(err error) bool { return err != nil && fault.From(err).Details[comeBack] != "" }

// retryAfter is in whole seconds, 1 unless the fault knows better.
func retryAfter(f *fault.Error) string {
	if n, err := strconv.Atoi(f.Details[comeBack]); err == nil && n > 0 {
		return strconv.Itoa(n)
	}
	return "1"
}
