package identitymodule_test

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

	"github.com/banyan-tree/banyan/internal/database"
)

type object = map[string]any

// forger holds what an attacker may have, and what he may not: the real keys, to
// make tokens that are wrong in nothing but one thing.
type forger struct {
	t             *testing.T
	kid, nextKid  string // both published
	key, nextKey  ed25519.PrivateKey
	stranger      ed25519.PrivateKey
	rsa           *rsa.PrivateKey
	ecdsa         *ecdsa.PrivateKey
	good          string // a real token of a customer
	header, claim object // of the good one
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// newForger reads the keys where identity keeps them.
func newForger(t *testing.T, db *database.DB, good string) *forger {
	t.Helper()
	f := &forger{t: t, good: good}
	var kept []struct{ ID, PKCS8 string }
	require.NoError(t, db.Conn(t.Context()).Table("signing_keys").Select("id, pkcs8").Order("generation").Scan(&kept).Error)
	require.Len(t, kept, 2)
	private := func(text string) ed25519.PrivateKey {
		raw, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		key, err := x509.ParsePKCS8PrivateKey(raw)
		require.NoError(t, err)
		return key.(ed25519.PrivateKey)
	}
	f.kid, f.key, f.nextKid, f.nextKey = kept[0].ID, private(kept[0].PKCS8), kept[1].ID, private(kept[1].PKCS8)
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
func (f *forger) changed(from, change object) string {
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
func (f *forger) raw(header, claims string) string {
	text := b64([]byte(header)) + "." + b64([]byte(claims))
	return text + "." + b64(ed25519.Sign(f.key, []byte(text)))
}

// claims is a token whose claims differ from the good one's; it is well signed.
func (f *forger) claims(change object) string {
	return f.raw(f.changed(f.header, nil), f.changed(f.claim, change))
}

// headers is a token whose header differs from the good one's; it is well signed.
func (f *forger) headers(change object) string {
	return f.raw(f.changed(f.header, change), f.changed(f.claim, nil))
}

// signed is a token with another header and a signature made in another way. It
// asks for an admin's rights.
func (f *forger) signed(header object, sign func(text []byte) []byte) string {
	text := b64([]byte(f.changed(f.header, header))) + "." + b64([]byte(f.changed(f.claim, object{"roles": []string{"admin"}})))
	return text + "." + b64(sign([]byte(text)))
}

func (f *forger) none([]byte) []byte { return nil }

func (f *forger) strange(text []byte) []byte { return ed25519.Sign(f.stranger, text) }

func (f *forger) hmac(secret []byte) func([]byte) []byte {
	return func(text []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(text)
		return mac.Sum(nil)
	}
}

func (f *forger) rs256(text []byte) []byte {
	sum := sha256.Sum256(text)
	out, err := rsa.SignPKCS1v15(rand.Reader, f.rsa, crypto.SHA256, sum[:])
	require.NoError(f.t, err)
	return out
}

func (f *forger) es256(text []byte) []byte {
	sum := sha256.Sum256(text)
	r, s, err := ecdsa.Sign(rand.Reader, f.ecdsa, sum[:])
	require.NoError(f.t, err)
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// certificate is the stranger's, signed by himself.
func (f *forger) certificate() []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, f.stranger.Public(), f.stranger)
	require.NoError(f.t, err)
	return der
}

// with signs the good claims, changed, by another key.
func (f *forger) with(key ed25519.PrivateKey, kid string, changes ...object) string {
	change := object{}
	for _, c := range changes {
		maps.Copy(change, c)
	}
	text := b64([]byte(f.changed(f.header, object{"kid": kid}))) + "." + b64([]byte(f.changed(f.claim, change)))
	return text + "." + b64(ed25519.Sign(key, []byte(text)))
}

// standard is a good token in the other alphabet of base64, which differs.
func (f *forger) standard() string {
	for i := 0; ; i++ {
		token := f.claims(object{"x": strings.Repeat("x", i)})
		if strings.ContainsAny(token, "-_") {
			return strings.NewReplacer("-", "+", "_", "/").Replace(token)
		}
	}
}

// public is the real public key as bytes, and as a file would have it.
func (f *forger) public() (raw, file []byte) {
	key := f.key.Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(f.t, err)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// strangeJWK is the stranger's key as a token may carry it.
func (f *forger) strangeJWK(kid string) object {
	return object{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": b64(f.stranger.Public().(ed25519.PublicKey))}
}

// order is that of Ed25519's group, little-endian numbers modulo which are S.
var order, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

// malleated adds the order to S, which some verifiers take for the same signature.
func (f *forger) malleated(signature []byte) []byte {
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
