// Package web is the HTTP edge: the only importer of echo. Routes are typed
// values; the OpenAPI document, request checks and access rules come from them.
package web

import (
	"context"
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
	Idempotent bool  // needs an Idempotency-Key header (¤)
	Statuses   []int // the 2xx it can answer with; 200 unless set
	Codes      []string // fault codes it can answer with, for /docs
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
func Created[Out any](location string, body Out) Reply[Out] { panic("kit") }

// Accepted answers 202 with a Location.
func Accepted[Out any](location string, body Out) Reply[Out] { panic("kit") }

// Nothing is the body of a 204.
type Nothing struct{}

// NoContent answers 204.
func NoContent() Reply[Nothing] { return Reply[Nothing]{Status: http.StatusNoContent} }

// With adds a header to the reply.
func (r Reply[Out]) With(key, value string) Reply[Out] { panic("kit") }

// Router collects routes below a base path ("/api/v1").
type Router struct{}

// Handle adds a route. In is a struct whose fields are tagged path:"id",
// query:"limit", header:"X-Cart-Token", or one field tagged body:"" whose type's JSON form
// is the request body. Tags doc:"…", minimum:"1", maximum:"100", minLength:"1", maxLength:"200",
// enum:"a,b", pattern:"…", format:"email", default:"20", minItems, maxItems make the OpenAPI schema and are checked:
// unknown fields, wrong types and trailing data are 400, broken limits 422. Body fields without
// omitempty and not pointers are required. The principal, idempotency key and deadline are in ctx.
func Handle[In, Out any](r *Router, route Route, h func(ctx context.Context, in In) (Reply[Out], error)) {
	panic("kit")
}

// Page is how lists are answered.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}
