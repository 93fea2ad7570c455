package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

// authenticated puts the token's principal into the request. Without a token it
// is anonymous; a bad token is an error on every route.
func (s *Server) authenticated(r *http.Request) (*http.Request, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return r, nil
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return r, fault.Unauthenticated.Errorf("send one header Authorization: Bearer <access token>")
	}
	if s.cfg.Verifier == nil {
		return r, errNoVerifier
	}
	p, err := s.cfg.Verifier.Verify(r.Context(), strings.TrimSpace(token))
	if err != nil {
		return r, err
	}
	if p.Anonymous() {
		return r, fault.Unauthenticated.Errorf("the access token names nobody")
	}
	exchangeOf(r.Context()).subject = p.Subject
	return r.WithContext(port.WithPrincipal(r.Context(), p)), nil
}

// allowed is the one place where a route's access rule is applied. What it does
// not know it refuses.
func allowed(ctx context.Context, access Access) error {
	p := port.PrincipalFrom(ctx)
	role := ""
	switch access {
	case Public:
		return nil
	case User:
	case Staff:
		role = port.RoleStaff
	case Admin:
		role = port.RoleAdmin
	default:
		return fault.Forbidden.Errorf("nobody may do this")
	}
	if p.Anonymous() {
		return fault.Unauthenticated.Errorf("log in first: POST /api/v1/sessions gives an access token")
	}
	if role != "" && !p.Has(role) {
		return fault.Forbidden.Errorf("this needs the role %s", role)
	}
	return nil
}
