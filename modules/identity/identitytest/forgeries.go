package identitytest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"
)

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Controls are unusual tokens that are good all the same.
func (f *Forger) Controls() map[string]string {
	now := f.Now()
	list := map[string]string{
		"as issued":                    f.Good,
		"signed again":                 f.Claims(nil),
		"typ in capitals":              f.Headers(object{"typ": "application/AT+JWT"}),
		"one of several audiences":     f.Claims(object{"aud": []string{"elsewhere", "banyan"}}),
		"no nbf, no iat":               f.Claims(object{"nbf": nil, "iat": nil}),
		"unknown claim":                f.Claims(object{"nickname": "ada"}),
		"the shop's own role":          f.Claims(object{"roles": []string{"customer", "system"}}),
		"an unknown role":              f.Claims(object{"roles": []string{"customer", "emperor", "Admin", "admin "}}),
		"no roles":                     f.Claims(object{"roles": nil}),
		"clocks 4 s apart":             f.Claims(object{"nbf": now + 4, "iat": now + 4}),
		"points at keys, signed by us": f.Headers(object{"jku": "https://evil.example/keys", "x5u": "https://evil.example/x", "jwk": f.strangeJWK("x")}),
		"just below the longest":       f.sized(8 << 10),
	}
	if f.NextKid != "" {
		list["the next key, published early"] = f.With(f.NextKey, f.NextKid)
	}
	return list
}

// Now is when the good token was made.
func (f *Forger) Now() int64 {
	at, err := f.claim["iat"].(json.Number).Int64()
	require.NoError(f.t, err)
	return at
}

// sized is a good token of so many bytes, or a few less.
func (f *Forger) sized(bytes int) string {
	padding := (bytes - len(f.Claims(object{"x": ""}))) * 3 / 4
	token := f.Claims(object{"x": strings.Repeat("x", padding-2)})
	require.LessOrEqual(f.t, len(token), bytes)
	require.Greater(f.t, len(token), bytes-8)
	return token
}

// Forgeries are tokens that are wrong in one thing each, most of them signed with
// identity's own key.
func (f *Forger) Forgeries() map[string]string {
	now := f.Now()
	parts := strings.Split(f.Good, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(f.t, err)
	raw, file := f.public()
	promoted := b64([]byte(f.changed(f.claim, object{"roles": []string{"admin"}})))
	header, claim := f.changed(f.header, nil), f.changed(f.claim, nil)
	last := strings.LastIndexByte(base64url, parts[2][len(parts[2])-1])
	return map[string]string{
		// The algorithm.
		"none":                        f.signed(object{"alg": "none"}, f.none),
		"None":                        f.signed(object{"alg": "None"}, f.none),
		"NONE":                        f.signed(object{"alg": "NONE"}, f.none),
		"nOnE with a signature":       f.signed(object{"alg": "nOnE"}, f.strange),
		"none, well signed":           f.Headers(object{"alg": "none"}),
		"HS256 by the public key":     f.signed(object{"alg": "HS256"}, f.hmac(raw)),
		"HS256 by its PEM":            f.signed(object{"alg": "HS256"}, f.hmac(file)),
		"HS256 by its JWK":            f.signed(object{"alg": "HS256"}, f.hmac([]byte(b64(raw)))),
		"HS256 by nothing":            f.signed(object{"alg": "HS256"}, f.hmac(nil)),
		"EdDSA said, HMAC made":       f.signed(nil, f.hmac(raw)),
		"RS256":                       f.signed(object{"alg": "RS256"}, f.rs256),
		"ES256":                       f.signed(object{"alg": "ES256"}, f.es256),
		"ES256, all zero":             f.signed(object{"alg": "ES256"}, func([]byte) []byte { return make([]byte, 64) }),
		"Ed448":                       f.Headers(object{"alg": "Ed448"}),
		"eddsa in small letters":      f.Headers(object{"alg": "eddsa"}),
		"no alg":                      f.Headers(object{"alg": nil}),
		"alg null":                    f.Headers(object{"alg": null{}}),
		"alg a list":                  f.Headers(object{"alg": []string{"EdDSA"}}),
		"alg twice":                   f.raw(strings.Replace(header, `{`, `{"alg":"none",`, 1), claim),
		"Alg beside alg":              f.raw(strings.Replace(header, `"alg"`, `"Alg"`, 1), claim),
		"all zero":                    f.signed(nil, func([]byte) []byte { return make([]byte, 64) }),
		"the neutral element, signed": f.signed(nil, func([]byte) []byte { return append([]byte{1}, make([]byte, 63)...) }),

		// Keys.
		"a stranger's signature":   f.signed(nil, f.strange),
		"jwk":                      f.signed(object{"jwk": f.strangeJWK(f.Kid)}, f.strange),
		"jwk under its own name":   f.signed(object{"kid": "evil", "jwk": f.strangeJWK("evil")}, f.strange),
		"jku":                      f.signed(object{"jku": "https://evil.example/jwks.json"}, f.strange),
		"jku of the shop":          f.signed(object{"jku": f.issuer + "/.well-known/jwks.json"}, f.strange),
		"x5u":                      f.signed(object{"x5u": "https://evil.example/chain.pem"}, f.strange),
		"x5c":                      f.signed(object{"x5c": []string{base64.StdEncoding.EncodeToString(f.certificate())}}, f.strange),
		"no kid":                   f.Headers(object{"kid": nil}),
		"kid empty":                f.Headers(object{"kid": ""}),
		"kid null":                 f.Headers(object{"kid": null{}}),
		"kid unknown":              f.Headers(object{"kid": "unknown"}),
		"kid a path":               f.Headers(object{"kid": "../../../../../../dev/null"}),
		"kid SQL":                  f.Headers(object{"kid": f.Kid + "' OR '1'='1"}),
		"kid SQL that gives a key": f.signed(object{"kid": "x' UNION SELECT 'AA"}, f.hmac([]byte("AA"))),
		"kid a command":            f.Headers(object{"kid": "$(id)"}),
		"kid with NUL":             f.Headers(object{"kid": f.Kid + "\x00"}),
		"kid with a space":         f.Headers(object{"kid": f.Kid + " "}),
		"kid in capitals":          f.Headers(object{"kid": strings.ToUpper(f.Kid)}),
		"kid a list":               f.Headers(object{"kid": []string{f.Kid}}),
		"kid a number":             f.Headers(object{"kid": 1}),
		"kid of the other key":     f.Headers(object{"kid": f.NextKid}),
		"kid twice, ours last":     f.raw(strings.Replace(header, `{`, `{"kid":"evil",`, 1), claim),
		"kid twice, ours first":    f.raw(strings.Replace(header, `}`, `,"kid":"`+f.NextKid+`"}`, 1), claim),

		// The rest of the header.
		"crit":            f.Headers(object{"crit": []string{"exp"}, "exp": now}),
		"crit empty":      f.Headers(object{"crit": []string{}}),
		"crit null":       f.Headers(object{"crit": null{}}),
		"b64 off":         f.Headers(object{"b64": false, "crit": []string{"b64"}}),
		"zip":             f.Headers(object{"zip": "DEF"}),
		"typ of an id":    f.Headers(object{"typ": "JWT"}),
		"typ of a logout": f.Headers(object{"typ": "logout+jwt"}),
		"no typ":          f.Headers(object{"typ": nil}),
		"typ a list":      f.Headers(object{"typ": []string{"at+jwt"}}),
		"header a list":   f.raw("["+header+"]", claim),
		"header null":     f.raw("null", claim),
		"two headers":     f.raw(header+header, claim),
		"header deep":     f.raw(strings.Replace(header, `{`, `{"x":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`,`, 1), claim),
		"header not UTF8": f.raw(strings.Replace(header, `{`, "{\"x\":\"\xff\",", 1), claim),

		// Who, for whom, by whom.
		"another issuer":     f.Claims(object{"iss": "https://shop.example.evil.example"}),
		"issuer with /":      f.Claims(object{"iss": f.issuer + "/"}),
		"issuer in capitals": f.Claims(object{"iss": strings.ToUpper(f.issuer)}),
		"issuer a list":      f.Claims(object{"iss": []string{f.issuer}}),
		"no issuer":          f.Claims(object{"iss": nil}),
		"another audience":   f.Claims(object{"aud": "another-shop"}),
		"audience longer":    f.Claims(object{"aud": "banyan-admin"}),
		"audiences of none":  f.Claims(object{"aud": []string{}}),
		"audience null":      f.Claims(object{"aud": null{}}),
		"audience an object": f.Claims(object{"aud": object{"banyan": true}}),
		"no audience":        f.Claims(object{"aud": nil}),
		"nobody":             f.Claims(object{"sub": ""}),
		"no subject":         f.Claims(object{"sub": nil}),
		"subject null":       f.Claims(object{"sub": null{}}),
		"subject a list":     f.Claims(object{"sub": []string{f.claim["sub"].(string)}}),
		"subject an object":  f.Claims(object{"sub": object{"id": f.claim["sub"]}}),
		"subject a number":   f.Claims(object{"sub": 0}),
		"subject with NUL":   f.Claims(object{"sub": f.claim["sub"].(string) + "\x00"}),
		"subject twice":      f.raw(header, strings.Replace(claim, `{`, `{"sub":"admin",`, 1)),
		"roles twice":        f.raw(header, strings.Replace(claim, `{`, `{"roles":["admin"],`, 1)),
		"roles a text":       f.Claims(object{"roles": "admin"}),
		"roles an object":    f.Claims(object{"roles": object{"admin": true}}),
		"roles null":         f.Claims(object{"roles": null{}}),
		"a role a list":      f.Claims(object{"roles": []any{[]string{"admin"}}}),
		"session a list":     f.Claims(object{"sid": []string{"x"}}),

		// When.
		"expired":           f.Claims(object{"exp": now - 6}),
		"expired at zero":   f.Claims(object{"exp": 0}),
		"exp negative":      f.Claims(object{"exp": -1}),
		"exp a fraction":    f.raw(header, strings.Replace(f.changed(f.claim, object{"exp": 7}), `"exp":7`, fmt.Sprintf(`"exp":%d.5`, now+60), 1)),
		"exp an exponent":   f.raw(header, strings.Replace(f.changed(f.claim, object{"exp": 7}), `"exp":7`, `"exp":1e300`, 1)),
		"exp a text":        f.Claims(object{"exp": fmt.Sprint(now + 60)}),
		"exp a date":        f.Claims(object{"exp": "2099-01-01T00:00:00Z"}),
		"exp beyond int64":  f.Claims(object{"exp": json.Number("18446744073709551616")}),
		"exp for ever":      f.Claims(object{"exp": now + 1e9}),
		"exp in two days":   f.Claims(object{"exp": now + 2*86400}),
		"exp null":          f.Claims(object{"exp": null{}}),
		"no exp":            f.Claims(object{"exp": nil}),
		"exp twice":         f.raw(header, strings.Replace(claim, `{`, fmt.Sprintf(`{"exp":%d,`, now-60), 1)),
		"not yet":           f.Claims(object{"nbf": now + 6}),
		"nbf a text":        f.Claims(object{"nbf": fmt.Sprint(now)}),
		"issued in future":  f.Claims(object{"iat": now + 3600, "nbf": nil}),
		"issued negative":   f.Claims(object{"iat": -1}),
		"nbf beyond a year": f.Claims(object{"nbf": json.Number("1e18"), "iat": nil}),

		// The signature.
		"an admin's claims":       parts[0] + "." + promoted + "." + parts[2],
		"no signature":            parts[0] + "." + parts[1] + ".",
		"signature cut":           f.Good[:len(f.Good)-2],
		"signature longer":        f.Good + "AA",
		"signature halves turned": parts[0] + "." + parts[1] + "." + b64(append(append([]byte{}, signature[32:]...), signature[:32]...)),
		"signature malleated":     parts[0] + "." + parts[1] + "." + b64(f.malleated(signature)),
		"signature of another":    parts[0] + "." + parts[1] + "." + strings.Split(f.Claims(object{"jti": "x"}), ".")[2],
		"parts swapped":           parts[1] + "." + parts[0] + "." + parts[2],

		// The form.
		"spare bits":       f.Good[:len(f.Good)-1] + string(base64url[last^1]),
		"padded":           f.Good + "==",
		"header padded":    parts[0] + "=." + parts[1] + "." + parts[2],
		"standard base64":  f.standard(),
		"a fourth part":    f.Good + ".AA",
		"a fourth, empty":  f.Good + ".",
		"an empty first":   "." + f.Good,
		"two parts":        parts[0] + "." + parts[1],
		"one part":         parts[1],
		"dots":             "..",
		"encrypted":        b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAA.AAAA.AAAA",
		"a space in it":    parts[0] + " ." + parts[1] + "." + parts[2],
		"a tab in it":      parts[0] + ".\t" + parts[1] + "." + parts[2],
		"percent":          strings.ReplaceAll(f.Good, ".", "%2E"),
		"zero width":       f.Good + "\u200b",
		"wide dots":        strings.ReplaceAll(f.Good, ".", "\uff0e"),
		"quoted":           `"` + f.Good + `"`,
		"JSON form":        `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"claims a list":    f.raw(header, "["+claim+"]"),
		"claims null":      f.raw(header, "null"),
		"claims twice":     f.raw(header, claim+claim),
		"claims deep":      f.raw(header, strings.Replace(claim, `{`, `{"x":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`,`, 1)),
		"claims not UTF-8": f.raw(header, strings.Replace(claim, `{`, "{\"x\":\"\xff\",", 1)),
		"too long":         f.sized(8<<10 + 16),
		"32 KiB":           f.Good + strings.Repeat("A", 32<<10),
	}
}
