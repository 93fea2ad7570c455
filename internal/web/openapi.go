package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// makeDocument writes the OpenAPI 3.1 document of all routes; what is below a
// mounted folder is not ours to describe.
func (s *Server) makeDocument() ([]byte, error) {
	components, err := s.schemas.name()
	if err != nil {
		return nil, err
	}
	doc := &openapi3.T{
		OpenAPI: "3.1.0",
		Info: &openapi3.Info{Title: s.cfg.Title, Version: s.cfg.Version,
			Description: "Errors are RFC 9457 problems with a stable code. Every answer has X-Request-Id and X-Trace-Id."},
		Paths: openapi3.NewPaths(),
		Components: &openapi3.Components{
			Schemas: components,
			SecuritySchemes: openapi3.SecuritySchemes{"bearer": {Value: &openapi3.SecurityScheme{
				Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token of POST /api/v1/sessions."}}},
			Responses: openapi3.ResponseBodies{"Problem": {Value: s.problemResponse()}},
		},
	}
	for _, e := range s.endpoints {
		item := doc.Paths.Value(e.path)
		if item == nil {
			item = &openapi3.PathItem{}
			doc.Paths.Set(e.path, item)
		}
		item.SetOperation(e.Method, s.operation(e))
	}
	for _, m := range s.mounts {
		if doc.Paths.Value(m.path) == nil && !strings.HasSuffix(m.path, "/") {
			doc.Paths.Set(m.path, &openapi3.PathItem{Get: mountOperation(m)})
		}
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		return nil, err
	}
	return json.MarshalIndent(doc, "", "  ")
}

func (s *Server) problemResponse() *openapi3.Response {
	text := "The request was refused."
	return &openapi3.Response{Description: &text,
		Content: openapi3.Content{"application/problem+json": {Schema: s.problem}}}
}

func (s *Server) operation(e *endpoint) *openapi3.Operation {
	op := &openapi3.Operation{
		OperationID: operationID(e.Method, e.path), Summary: e.Summary, Tags: []string{tagOf(e.path)},
		Description: description(e), Security: security(e.Access, e.Personal), Responses: openapi3.NewResponsesWithCapacity(4),
	}
	for _, p := range e.in.params {
		op.Parameters = append(op.Parameters, &openapi3.ParameterRef{Value: &openapi3.Parameter{
			Name: p.name, In: p.place, Required: p.required, Description: p.schema.Value.Description, Schema: p.schema}})
	}
	if e.Idempotent {
		key := schemaOf("string", "")
		key.Value.Example = "try-1"
		most := uint64(maxKey)
		key.Value.MinLength, key.Value.MaxLength, key.Value.Pattern = 1, &most, "^[ -~]+$"
		op.Parameters = append(op.Parameters, &openapi3.ParameterRef{Value: &openapi3.Parameter{
			Name: "Idempotency-Key", In: "header", Required: true, Schema: key,
			Description: "A fresh key for each intended effect; repeat with the same key. Remembered for 24 hours."}})
	}
	if e.in.body != nil {
		op.RequestBody = &openapi3.RequestBodyRef{Value: &openapi3.RequestBody{Required: true,
			Content: openapi3.Content{"application/json": {Schema: e.in.schema, Example: e.example}}}}
	}
	for _, status := range e.Statuses {
		text := http.StatusText(status)
		response := &openapi3.Response{Description: &text}
		if e.out != nil {
			response.Content = openapi3.Content{"application/json": {Schema: e.out}}
		}
		op.Responses.Set(strconv.Itoa(status), &openapi3.ResponseRef{Value: response})
	}
	op.Responses.Set("default", &openapi3.ResponseRef{Ref: "#/components/responses/Problem", Value: s.problemResponse()})
	return op
}

func description(e *endpoint) string {
	who := map[Access]string{Public: "Anyone.", User: "Anyone logged in.", Staff: "Staff only.", Admin: "Admins only."}[e.Access]
	if len(e.Codes) == 0 {
		return who
	}
	return fmt.Sprintf("%s Can be refused with: %s.", who, strings.Join(e.Codes, ", "))
}

// security says who may; an empty requirement beside the token's makes it optional.
func security(a Access, personal bool) *openapi3.SecurityRequirements {
	needs := openapi3.NewSecurityRequirements()
	if a == Public && !personal {
		return needs
	}
	if a == Public {
		needs.With(openapi3.NewSecurityRequirement())
	}
	return needs.With(openapi3.NewSecurityRequirement().Authenticate("bearer"))
}

func mountOperation(m mount) *openapi3.Operation {
	op := &openapi3.Operation{OperationID: operationID("get", m.path), Tags: []string{"server"},
		Security: security(m.access, false), Responses: openapi3.NewResponsesWithCapacity(2)}
	for status, text := range map[string]string{"200": "What is there.", "default": "Why it is not there."} {
		op.Responses.Set(status, &openapi3.ResponseRef{Value: &openapi3.Response{Description: &text}})
	}
	return op
}

// operationID is unique because method and path are: get_orders_id.
func operationID(method, path string) string {
	words := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune("/{}.-_", r) })
	return strings.ToLower(method) + "_" + strings.Join(words, "_")
}

// tagOf groups routes by the first word after the base: orders.
func tagOf(path string) string {
	words := strings.Split(strings.Trim(path, "/"), "/")
	if len(words) > 2 && slices.Contains([]string{"api"}, words[0]) {
		return words[2]
	}
	return words[0]
}
