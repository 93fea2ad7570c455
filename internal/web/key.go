package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

// keyMissing is idempotency.Missing by its name; codes are compared by name, and
// the edge should not link the database for it.
var keyMissing = fault.Define("idempotency_key.missing", fault.KindMalformed)

// maxKey is the longest Idempotency-Key, in characters.
const maxKey = 255

// idempotencyKey reads the caller's key. The fingerprint is of the body's
// canonical form, so spaces and the order of fields do not matter.
func idempotencyKey(ctx context.Context, r *http.Request, body any) (port.IdempotencyKey, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 || values[0] == "" {
		return port.IdempotencyKey{}, keyMissing.Errorf("this request moves money or stock: send a fresh Idempotency-Key header, and the same one when you repeat it")
	}
	if len(values) > 1 || !printable(values[0]) {
		return port.IdempotencyKey{}, fault.Malformed.Errorf("the Idempotency-Key must be 1 to %d printable ASCII characters", maxKey).
			WithField("header/Idempotency-Key", fmt.Sprintf("must be one value of 1 to %d printable ASCII characters", maxKey))
	}
	canonical, err := json.Marshal(body)
	if err != nil {
		return port.IdempotencyKey{}, fmt.Errorf("canonical body: %w", err)
	}
	path := r.URL.EscapedPath()
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%s", r.Method, path, canonical)
	return port.IdempotencyKey{
		Scope:       port.PrincipalFrom(ctx).Subject + " " + r.Method + " " + path,
		Key:         values[0],
		Fingerprint: hex.EncodeToString(sum.Sum(nil)),
	}, nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return s != "" && len(s) <= maxKey
}
