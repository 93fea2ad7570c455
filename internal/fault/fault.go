// Package fault holds the one form in which an error crosses a module's border.
//
// What belongs here: stable codes, their kinds, and the table from kind to HTTP
// status and retryability. What does not: any code with a word of the business;
// those are defined beside the contract they belong to.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Code names one way in which a call can fail. Names are dotted, lower case,
// stable and append-only: "stock.insufficient". A Code is an error itself, so
// errors.Is(err, inventory.InsufficientStock) holds on both sides of a wire.
type Code struct {
	name string
	kind Kind
}

// Define makes a code. It registers nothing: codes are compared by name.
func Define(name string, kind Kind) Code { return Code{name: name, kind: kind} }

// Codes that belong to every contract, in process too.
var (
	Unavailable      = Define("unavailable", KindUnavailable)
	DeadlineExceeded = Define("deadline_exceeded", KindDeadline)
	Canceled         = Define("canceled", KindCanceled)
	Internal         = Define("internal", KindInternal)
	Invalid          = Define("invalid", KindInvalid)
	Malformed        = Define("malformed", KindMalformed)
	Unauthenticated  = Define("unauthenticated", KindUnauthenticated)
	Forbidden        = Define("forbidden", KindForbidden)
	NotFound         = Define("not_found", KindNotFound)
)

// Name is the dotted name as it is written on the wire.
func (c Code) Name() string { return c.name }

// Kind says what sort of failure the code is.
func (c Code) Kind() Kind { return c.kind }

// Error makes a Code usable as the target of errors.Is.
func (c Code) Error() string { return c.name }

// Errorf makes an Error with this code and a message for people.
func (c Code) Errorf(format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error with this code that keeps its cause for logs. The cause
// never crosses a wire and never reaches a client.
func (c Code) Wrap(cause error, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...), cause: cause}
}

// Field is one thing wrong with one part of a request. Pointer is an RFC 6901
// JSON pointer into the body ("/items/0/quantity"), or "query/limit".
type Field struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error is a failure with a stable code. Message is for people and may change.
type Error struct {
	Code    Code
	Message string
	Fields  []Field
	Details map[string]string
	cause   error
}

// WithField adds what is wrong with one part of the request.
func (e *Error) WithField(pointer, detail string) *Error {
	e.Fields = append(e.Fields, Field{Pointer: pointer, Detail: detail})
	return e
}

// WithDetail adds a machine-readable fact, such as retry_after in seconds.
func (e *Error) WithDetail(key, value string) *Error {
	if e.Details == nil {
		e.Details = map[string]string{}
	}
	e.Details[key] = value
	return e
}

func (e *Error) Error() string {
	s := e.Code.name
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.cause == nil {
		return s
	}
	why := e.cause.Error()
	switch { // who gives a fault a code of their own often takes its message over
	case strings.HasPrefix(why, s):
		return why
	case strings.Contains(why, e.Message):
		return e.Code.name + ": " + why
	}
	return s + ": " + why
}

// Unwrap gives the cause, which never crosses a wire.
func (e *Error) Unwrap() error { return e.cause }

// Is compares codes by name.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c.name == e.Code.name
}

// From gives the fault in err's chain, or wraps err as one: context errors
// become DeadlineExceeded or Canceled, anything else becomes Internal. nil
// gives nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var c Code
	if errors.As(err, &c) {
		return &Error{Code: c, cause: err}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded.Wrap(err, "the call took longer than its deadline")
	case errors.Is(err, context.Canceled):
		return Canceled.Wrap(err, "the caller went away")
	}
	return Internal.Wrap(err, "something went wrong on our side")
}

// Retryable tells whether the same call may succeed later, unchanged.
func Retryable(err error) bool {
	return err != nil && From(err).Code.kind.Retryable()
}
