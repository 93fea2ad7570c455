// Package web is the HTTP edge: the only importer of echo. Routes are typed
// values; the OpenAPI document, request checks and access rules come from them.
//
// What belongs here: reading requests, writing answers and problems, tokens,
// limits, the document. What does not: any word of the business, and any store.
package web

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
)

// Access says who may use a route. There is no default: a route without one is refused at start.
type Access string

// The access rules.
const (
	Public Access = "public" // anyone; a bad token is still 401
	User   Access = "user"   // anyone logged in
	Staff  Access = "staff"
	Admin  Access = "admin"
)

// Route describes one endpoint.
type Route struct {
	Method     string // http.MethodGet …
	Path       string // "/orders/{id}", below the router's base
	Summary    string // one sentence, for /docs
	Access     Access
	Personal   bool     // public, but a token changes the answer: /docs sends one if it has it
	Idempotent bool     // needs an Idempotency-Key header (¤)
	Prelude    bool     // leads to what was taken on too much of, and is nothing in itself: refused under Admission.Pressed
	Statuses   []int    // the 2xx it can answer with; 200 unless set
	Codes      []string // fault codes it can answer with, for /docs
	Example    string   // a body that the demo shop takes, as JSON, for who tries it in /docs
}

// Reply is what a handler answers with besides an error.
type Reply[Out any] struct {
	Status int // 200 unless set
	Header http.Header
	Body   Out
}

// OK answers 200.
func OK[Out any](body Out) Reply[Out] { return Reply[Out]{Status: http.StatusOK, Body: body} }

// Created answers 201; location may be empty.
func Created[Out any](location string, body Out) Reply[Out] {
	return located(http.StatusCreated, location, body)
}

// Accepted answers 202 with a Location.
func Accepted[Out any](location string, body Out) Reply[Out] {
	return located(http.StatusAccepted, location, body)
}

func located[Out any](status int, location string, body Out) Reply[Out] {
	r := Reply[Out]{Status: status, Body: body}
	if location == "" {
		return r
	}
	return r.With("Location", location)
}

// Nothing is the body of a 204.
type Nothing struct{}

// NoContent answers 204.
func NoContent() Reply[Nothing] { return Reply[Nothing]{Status: http.StatusNoContent} }

// With adds a header to the reply. The receiver is not changed.
func (r Reply[Out]) With(key, value string) Reply[Out] {
	h := http.Header{}
	maps.Copy(h, r.Header)
	h.Set(key, value)
	r.Header = h
	return r
}

// Page is how lists are answered.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// MarshalJSON writes no items as [], never as null.
func (p Page[T]) MarshalJSON() ([]byte, error) {
	type plain Page[T]
	if p.Items == nil {
		p.Items = []T{}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // as in every other answer
	err := enc.Encode(plain(p))
	return out.Bytes(), err
}
