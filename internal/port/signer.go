package port

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Signer vouches for the principal of a message. A signature is for one method
// and until one time, so a message that was seen cannot be turned into another.
type Signer interface {
	// Sign writes p as text that Verify accepts until expires.
	Sign(p Principal, method string, expires time.Time) (string, error)
	// Verify gives the principal. Code: Unauthenticated where the text is missing,
	// forged, made for another method, or expired at now.
	Verify(token, method string, now time.Time) (Principal, error)
}

// WithSigner gives a Conn what it signs with, or a Server what it verifies with.
// A server without one refuses every message.
func WithSigner(s Signer) EndOption { return signerOption{s} }

type signerOption struct{ s Signer }

func (o signerOption) applyConn(c *Conn)     { c.signer = o.s }
func (o signerOption) applyServer(s *Server) { s.signer = o.s }

// minKey is the length of a SHA-256, below which RFC 2104 §3 discourages keys.
const minKey = sha256.Size

// HMACSigner signs with HMAC-SHA256 and a key that all parts of the shop share.
type HMACSigner struct {
	keys []*signingKey // the first signs, all verify
}

// signingKey lends out what computes with it: making that anew for each message
// costs more than the sum.
type signingKey struct{ sums sync.Pool }

func newSigningKey(key []byte) *signingKey {
	key = slices.Clone(key)
	return &signingKey{sums: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// NewHMACSigner makes a signer from a key of at least 32 bytes. Former keys are
// still accepted, so that a key can be changed while messages travel.
func NewHMACSigner(key []byte, former ...[]byte) (*HMACSigner, error) {
	s := &HMACSigner{}
	for _, k := range append([][]byte{key}, former...) {
		if len(k) < minKey {
			return nil, fmt.Errorf("the key that signs principals has %d bytes, it needs at least %d", len(k), minKey)
		}
		s.keys = append(s.keys, newSigningKey(k))
	}
	return s, nil
}

// claim is what is signed.
type claim struct {
	Principal
	Method  string `json:"method"`
	Expires int64  `json:"expires"` // unix microseconds
}

// Sign gives base64url(claim) "." base64url(HMAC-SHA256 of the former).
func (s *HMACSigner) Sign(p Principal, method string, expires time.Time) (string, error) {
	b, err := json.Marshal(claim{p, method, expires.UnixMicro()})
	if err != nil {
		return "", fmt.Errorf("sign principal: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(b)
	return text + "." + base64.RawURLEncoding.EncodeToString(s.keys[0].mac(text)), nil
}

// Verify looks at the claim only after its signature has been found good.
func (s *HMACSigner) Verify(token, method string, now time.Time) (Principal, error) {
	text, sum, _ := strings.Cut(token, ".")
	got, err := base64.RawURLEncoding.Strict().DecodeString(sum)
	if token == "" || err != nil || !s.made(text, got) {
		return Principal{}, fault.Unauthenticated.Errorf("the message's principal is missing or forged")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Principal{}, fault.Unauthenticated.Errorf("the message's principal cannot be read")
	}
	var c claim
	if err := json.Unmarshal(b, &c); err != nil {
		return Principal{}, fault.Unauthenticated.Errorf("the message's principal cannot be read")
	}
	if c.Method != method {
		return Principal{}, fault.Unauthenticated.Errorf("the message's principal was signed for another method")
	}
	if now.UnixMicro() >= c.Expires {
		return Principal{}, fault.Unauthenticated.Errorf("the message's principal has expired")
	}
	return c.Principal, nil
}

func (s *HMACSigner) made(text string, sum []byte) bool {
	for _, k := range s.keys {
		if hmac.Equal(k.mac(text), sum) {
			return true
		}
	}
	return false
}

func (k *signingKey) mac(text string) []byte {
	h := k.sums.Get().(hash.Hash)
	defer k.sums.Put(h)
	h.Reset()
	_, _ = io.WriteString(h, text) // never fails
	return h.Sum(nil)
}
