package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

// authenticated puts the principal of the request's token into ctx. Without a token it
// is anonymous; a bad token is an error on every route.
func (s *Server) authenticated(ctx context.Context, r *http.Request) (context.Context, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return ctx, nil
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return ctx, fault.Unauthenticated.Errorf("send one header Authorization: Bearer <access token>")
	}
	if s.cfg.Verifier == nil {
		return ctx, errNoVerifier
	}
	p, err := s.cfg.Verifier.Verify(ctx, strings.TrimSpace(token))
	if err != nil {
		return ctx, err
	}
	if p.Anonymous() {
		return ctx, fault.Unauthenticated.Errorf("the access token names nobody")
	}
	exchangeOf(ctx).subject = p.Subject
	return port.WithPrincipal(ctx, p), nil
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
