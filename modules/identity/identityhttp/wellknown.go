package identityhttp

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/identity"
)

// Where the handlers of WellKnown are to be mounted.
const (
	KeysPath      = "/.well-known/jwks.json"
	DiscoveryPath = "/.well-known/openid-configuration"
)

// maxAge is in seconds. Keys are published an hour before they sign.
const maxAge = "300"

// WellKnown gives the handlers that let others verify our access tokens: the
// public keys (RFC 7517) and what OpenID Connect Discovery 1.0 tells of an
// issuer. There is no token_endpoint: POST /api/v1/sessions does not speak OAuth.
func WellKnown(svc identity.Service, issuer string) (keys, discovery http.Handler) {
	keys = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reading(w, r) {
			return
		}
		set, err := svc.KeySet(r.Context(), identity.KeySetRequest{})
		if err != nil {
			web.Refuse(w, r, err)
			return
		}
		answer(w, r, "application/jwk-set+json", []byte(set.JWKS))
	})
	discovery = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reading(w, r) {
			return
		}
		body, err := json.Marshal(map[string]any{
			"issuer":                                issuer,
			"jwks_uri":                              strings.TrimSuffix(issuer, "/") + KeysPath,
			"response_types_supported":              []string{"token"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{"EdDSA"},
			"claims_supported":                      []string{"iss", "aud", "sub", "exp", "iat", "nbf", "jti", "sid", "roles"},
		})
		if err != nil { // strings only: cannot happen
			panic(err)
		}
		answer(w, r, "application/json", body)
	})
	return keys, discovery
}

func reading(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

func answer(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "public, max-age="+maxAge)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // a client that is gone is not our error
}
