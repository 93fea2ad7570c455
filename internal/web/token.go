package web

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// readToken looks at a token before any key is chosen, and refuses what is not
// spelt as our issuer spells it or could only be meant to mislead. It gives the
// name of the key and the claims, which nobody has vouched for yet.
// Code: Unauthenticated.
func readToken(token string) (kid string, claims []byte, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", nil, badToken(nil, "the access token is not a signed JWT")
	}
	var raw [3][]byte
	for i, part := range parts { // strictly, so that one token has one spelling
		raw[i], err = base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || strings.ContainsAny(part, "\r\n") {
			return "", nil, badToken(err, "the access token is not a signed JWT")
		}
	}
	header, err := readObject(raw[0])
	if err != nil || len(raw[2]) != ed25519.SignatureSize {
		return "", nil, badToken(err, "the access token is not a signed JWT")
	}
	typ, _ := header["typ"].(string)
	kid, _ = header["kid"].(string)
	switch {
	case header["alg"] != algorithm:
		return "", nil, badToken(nil, "the access token is not signed with "+algorithm)
	case !strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), tokenType):
		return "", nil, badToken(nil, "this is not an access token")
	case kid == "":
		return "", nil, badToken(nil, "the access token's header is not one of ours")
	}
	for _, changes := range [...]string{"crit", "b64", "zip", "enc"} { // how the rest is to be read
		if _, has := header[changes]; has {
			return "", nil, badToken(nil, "the access token's header is not one of ours")
		}
	}
	return kid, raw[1], nil
}

// readObject reads a JSON object as strictly as a request's body: no name twice,
// no other case of a name, nothing behind it.
func readObject(raw []byte) (map[string]any, error) {
	v, err := parseJSON(raw)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, malformed("", "is not an object")
	}
	return object, nil
}

// latest is the last second that a claim may name: the end of the year 9999.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()

// checkClaims refuses what the library would read in one of several ways: names
// given twice, and times that are not whole seconds (RFC 7519 allows fractions,
// our issuer writes none). Code: Unauthenticated.
func checkClaims(raw []byte) error {
	claims, err := readObject(raw)
	if err != nil {
		return badToken(err, "the access token's claims cannot be read")
	}
	for _, name := range [...]string{"exp", "nbf", "iat"} {
		v, has := claims[name]
		if !has {
			continue
		}
		number, _ := v.(json.Number)
		if at, err := number.Int64(); err != nil || at < 0 || at > latest {
			return badToken(err, "the access token's times cannot be read")
		}
	}
	return nil
}
