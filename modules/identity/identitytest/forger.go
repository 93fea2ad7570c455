package identitytest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type object = map[string]any

// Forger holds what an attacker may have, and what he may not: the real keys, to
// make tokens that are wrong in nothing but one thing.
type Forger struct {
	Kid     string // of the key that signs
	NextKid string // of the one that will sign next, "" where there is none; both are published
	NextKey ed25519.PrivateKey
	Good    string // a real token of a customer

	t             testing.TB
	issuer        string
	key           ed25519.PrivateKey
	stranger      ed25519.PrivateKey
	rsa           *rsa.PrivateKey
	ecdsa         *ecdsa.PrivateKey
	header, claim object // of the good one
}

// SigningKey is one of identity's keys as it is kept.
type SigningKey struct{ ID, PKCS8 string }

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// NewForger takes a good token of a customer and the keys that identity keeps: the one
// that signs, and the next one where there is one.
func NewForger(t testing.TB, issuer, good string, keys ...SigningKey) *Forger {
	t.Helper()
	f := &Forger{t: t, issuer: issuer, Good: good}
	private := func(text string) ed25519.PrivateKey {
		raw, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		key, err := x509.ParsePKCS8PrivateKey(raw)
		require.NoError(t, err)
		return key.(ed25519.PrivateKey)
	}
	require.NotEmpty(t, keys)
	f.Kid, f.key = keys[0].ID, private(keys[0].PKCS8)
	if len(keys) > 1 {
		f.NextKid, f.NextKey = keys[1].ID, private(keys[1].PKCS8)
	}
	var err error
	_, f.stranger, err = ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	f.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	f.ecdsa, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	parts := bytes.Split([]byte(good), []byte("."))
	for i, into := range []*object{&f.header, &f.claim} {
		raw, err := base64.RawURLEncoding.DecodeString(string(parts[i]))
		require.NoError(t, err)
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		require.NoError(t, d.Decode(into))
	}
	return f
}

// changed is an object with some members changed; nil takes one out, null{} sets null.
func (f *Forger) changed(from, change object) string {
	o := object{}
	for k, v := range from {
		o[k] = v
	}
	for k, v := range change {
		switch v.(type) {
		case nil:
			delete(o, k)
		case null:
			o[k] = nil
		default:
			o[k] = v
		}
	}
	raw, err := json.Marshal(o)
	require.NoError(f.t, err)
	return string(raw)
}

type null struct{}

// raw signs a header and claims as they are written, with the real key.
func (f *Forger) raw(header, claims string) string {
	text := b64([]byte(header)) + "." + b64([]byte(claims))
	return text + "." + b64(ed25519.Sign(f.key, []byte(text)))
}

// Claims is a token whose claims differ from the good one's; it is well signed.
func (f *Forger) Claims(change object) string {
	return f.raw(f.changed(f.header, nil), f.changed(f.claim, change))
}

// Headers is a token whose header differs from the good one's; it is well signed.
func (f *Forger) Headers(change object) string {
	return f.raw(f.changed(f.header, change), f.changed(f.claim, nil))
}

// signed is a token with another header and a signature made in another way. It
// asks for an admin's rights.
func (f *Forger) signed(header object, sign func(text []byte) []byte) string {
	text := b64([]byte(f.changed(f.header, header))) + "." + b64([]byte(f.changed(f.claim, object{"roles": []string{"admin"}})))
	return text + "." + b64(sign([]byte(text)))
}

func (f *Forger) none([]byte) []byte { return nil }

func (f *Forger) strange(text []byte) []byte { return ed25519.Sign(f.stranger, text) }

func (f *Forger) hmac(secret []byte) func([]byte) []byte {
	return func(text []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(text)
		return mac.Sum(nil)
	}
}

func (f *Forger) rs256(text []byte) []byte {
	sum := sha256.Sum256(text)
	out, err := rsa.SignPKCS1v15(rand.Reader, f.rsa, crypto.SHA256, sum[:])
	require.NoError(f.t, err)
	return out
}

func (f *Forger) es256(text []byte) []byte {
	sum := sha256.Sum256(text)
	r, s, err := ecdsa.Sign(rand.Reader, f.ecdsa, sum[:])
	require.NoError(f.t, err)
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// certificate is the stranger's, signed by himself.
func (f *Forger) certificate() []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, f.stranger.Public(), f.stranger)
	require.NoError(f.t, err)
	return der
}

// With signs the good claims, changed, by another key.
func (f *Forger) With(key ed25519.PrivateKey, kid string, changes ...object) string {
	change := object{}
	for _, c := range changes {
		maps.Copy(change, c)
	}
	text := b64([]byte(f.changed(f.header, object{"kid": kid}))) + "." + b64([]byte(f.changed(f.claim, change)))
	return text + "." + b64(ed25519.Sign(key, []byte(text)))
}

// standard is a good token in the other alphabet of base64, which differs.
func (f *Forger) standard() string {
	for i := 0; ; i++ {
		token := f.Claims(object{"x": strings.Repeat("x", i)})
		if strings.ContainsAny(token, "-_") {
			return strings.NewReplacer("-", "+", "_", "/").Replace(token)
		}
	}
}

// public is the real public key as bytes, and as a file would have it.
func (f *Forger) public() (raw, file []byte) {
	key := f.key.Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(f.t, err)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// strangeJWK is the stranger's key as a token may carry it.
func (f *Forger) strangeJWK(kid string) object {
	return object{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": b64(f.stranger.Public().(ed25519.PublicKey))}
}

// order is that of Ed25519's group, little-endian numbers modulo which are S.
var order, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

// malleated adds the order to S, which some verifiers take for the same signature.
func (f *Forger) malleated(signature []byte) []byte {
	out := bytes.Clone(signature)
	half := out[32:]
	reverse := func() {
		for i := range 16 {
			half[i], half[31-i] = half[31-i], half[i]
		}
	}
	reverse()
	new(big.Int).Add(new(big.Int).SetBytes(half), order).FillBytes(half)
	reverse()
	return out
}
