package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/maypok86/otter/v2"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

const (
	maxToken     = 8 << 10 // bytes
	maxVerified  = 10_000  // tokens remembered
	tokenType    = "at+jwt"
	algorithm    = "EdDSA"
	clockLeeway  = 5 * time.Second // between our clock and the issuer's
	maxTokenLife = 24 * time.Hour  // nothing older is believed, whatever exp says
)

// VerifierConfig says whose tokens are good.
type VerifierConfig struct {
	Keys     func(ctx context.Context) (jwks []byte, err error) // the issuer's public keys
	Issuer   string
	Audience string
	Clock    clock.Clock // clock.System unless set
}

// TokenVerifier verifies access tokens: JWTs (RFC 9068) signed with EdDSA by a
// key of the issuer. The algorithm comes from the key, never from the token;
// keys that a token carries or points at are never looked at.
type TokenVerifier struct {
	cfg      VerifierConfig
	keys     *keySet
	verified *otter.Cache[[32]byte, verifiedToken]
}

var _ Verifier = (*TokenVerifier)(nil)

type verifiedToken struct {
	principal port.Principal
	kid       string
	from, to  time.Time
}

// NewVerifier makes a verifier. Keys are fetched when the first token comes.
func NewVerifier(cfg VerifierConfig) (*TokenVerifier, error) {
	if cfg.Keys == nil || cfg.Issuer == "" || cfg.Audience == "" {
		return nil, errors.New("token verifier: Keys, Issuer and Audience are needed")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	cache, err := otter.New(&otter.Options[[32]byte, verifiedToken]{
		MaximumSize:      maxVerified,
		ExpiryCalculator: otter.ExpiryWriting[[32]byte, verifiedToken](time.Hour),
	})
	if err != nil {
		return nil, err
	}
	return &TokenVerifier{cfg: cfg, keys: &keySet{fetch: cfg.Keys, now: cfg.Clock}, verified: cache}, nil
}

// Verify gives whom the token stands for. Codes: Unauthenticated; Unavailable
// when the keys could never be fetched.
func (v *TokenVerifier) Verify(ctx context.Context, token string) (port.Principal, error) {
	if len(token) > maxToken {
		return port.Principal{}, badToken(nil, "the access token is too long")
	}
	now := v.cfg.Clock()
	sum := sha256.Sum256([]byte(token))
	// A remembered token is good only while its key is: a withdrawn key ends it.
	if known, ok := v.verified.GetIfPresent(sum); ok && now.Before(known.to) && !now.Before(known.from) {
		if key, err := v.keys.get(ctx, known.kid); err == nil && key != nil {
			return known.principal, nil
		}
	}
	kid, claims, err := readToken(token)
	if err != nil {
		return port.Principal{}, err
	}
	key, err := v.keys.get(ctx, kid)
	if err != nil {
		return port.Principal{}, err
	}
	if key == nil {
		return port.Principal{}, badToken(nil, "the access token is signed with a key we do not know")
	}
	parsed, err := jwt.Parse([]byte(token),
		jwt.WithKey(jwa.EdDSA(), key),
		jwt.WithIssuer(v.cfg.Issuer), jwt.WithAudience(v.cfg.Audience),
		jwt.WithRequiredClaim(jwt.ExpirationKey), jwt.WithRequiredClaim(jwt.SubjectKey),
		jwt.WithClock(jwt.ClockFunc(v.cfg.Clock)), jwt.WithAcceptableSkew(clockLeeway))
	switch {
	case errors.Is(err, jwt.TokenExpiredError()):
		return port.Principal{}, badToken(err, "the access token has expired: refresh it")
	case err != nil:
		return port.Principal{}, badToken(err, "the access token is not good")
	}
	if err := checkClaims(claims); err != nil {
		return port.Principal{}, err
	}
	got := verifiedToken{kid: kid}
	if got.principal, err = principalOf(parsed); err != nil {
		return port.Principal{}, err
	}
	exp, _ := parsed.Expiration()
	if nbf, ok := parsed.NotBefore(); ok {
		got.from = nbf.Add(-clockLeeway)
	}
	got.to = exp.Add(clockLeeway)
	if exp.After(now.Add(maxTokenLife)) {
		return port.Principal{}, badToken(nil, "the access token is meant to live too long")
	}
	v.verified.Set(sum, got)
	return got.principal, nil
}

func principalOf(token jwt.Token) (port.Principal, error) {
	var p port.Principal
	p.Subject, _ = token.Subject()
	if p.Subject == "" {
		return p, badToken(nil, "the access token names nobody")
	}
	if token.Has("sid") { // which log-in it came by, so that this one can be ended
		if err := token.Get("sid", &p.Session); err != nil {
			return p, badToken(err, "the access token's session cannot be read")
		}
	}
	if !token.Has("roles") {
		return p, nil
	}
	var roles []any
	if err := token.Get("roles", &roles); err != nil {
		return p, badToken(err, "the access token's roles cannot be read")
	}
	for _, r := range roles {
		role, ok := r.(string)
		if !ok {
			return p, badToken(nil, "the access token's roles cannot be read")
		}
		if role != port.RoleSystem { // the shop's own role is never given to a token
			p.Roles = append(p.Roles, role)
		}
	}
	return p, nil
}

func badToken(cause error, message string) error {
	if cause == nil {
		return fault.Unauthenticated.Errorf("%s", message)
	}
	return fault.Unauthenticated.Wrap(cause, "%s", message)
}
