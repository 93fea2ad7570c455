package identitymodule_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"
)

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// controls are unusual tokens that are good all the same.
func (f *forger) controls() map[string]string {
	now := f.now()
	return map[string]string{
		"as issued":                     f.good,
		"signed again":                  f.claims(nil),
		"typ in capitals":               f.headers(object{"typ": "application/AT+JWT"}),
		"one of several audiences":      f.claims(object{"aud": []string{"elsewhere", "banyan"}}),
		"no nbf, no iat":                f.claims(object{"nbf": nil, "iat": nil}),
		"unknown claim":                 f.claims(object{"nickname": "ada"}),
		"the shop's own role":           f.claims(object{"roles": []string{"customer", "system"}}),
		"an unknown role":               f.claims(object{"roles": []string{"customer", "emperor", "Admin", "admin "}}),
		"no roles":                      f.claims(object{"roles": nil}),
		"clocks 4 s apart":              f.claims(object{"nbf": now + 4, "iat": now + 4}),
		"points at keys, signed by us":  f.headers(object{"jku": "https://evil.example/keys", "x5u": "https://evil.example/x", "jwk": f.strangeJWK("x")}),
		"just below the longest":        f.sized(8 << 10),
		"the next key, published early": f.with(f.nextKey, f.nextKid),
	}
}

// now is when the good token was made.
func (f *forger) now() int64 {
	at, err := f.claim["iat"].(json.Number).Int64()
	require.NoError(f.t, err)
	return at
}

// sized is a good token of so many bytes, or a few less.
func (f *forger) sized(bytes int) string {
	padding := (bytes - len(f.claims(object{"x": ""}))) * 3 / 4
	token := f.claims(object{"x": strings.Repeat("x", padding-2)})
	require.LessOrEqual(f.t, len(token), bytes)
	require.Greater(f.t, len(token), bytes-8)
	return token
}

func (f *forger) forgeries() map[string]string {
	now := f.now()
	parts := strings.Split(f.good, ".")
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
		"none, well signed":           f.headers(object{"alg": "none"}),
		"HS256 by the public key":     f.signed(object{"alg": "HS256"}, f.hmac(raw)),
		"HS256 by its PEM":            f.signed(object{"alg": "HS256"}, f.hmac(file)),
		"HS256 by its JWK":            f.signed(object{"alg": "HS256"}, f.hmac([]byte(b64(raw)))),
		"HS256 by nothing":            f.signed(object{"alg": "HS256"}, f.hmac(nil)),
		"EdDSA said, HMAC made":       f.signed(nil, f.hmac(raw)),
		"RS256":                       f.signed(object{"alg": "RS256"}, f.rs256),
		"ES256":                       f.signed(object{"alg": "ES256"}, f.es256),
		"ES256, all zero":             f.signed(object{"alg": "ES256"}, func([]byte) []byte { return make([]byte, 64) }),
		"Ed448":                       f.headers(object{"alg": "Ed448"}),
		"eddsa in small letters":      f.headers(object{"alg": "eddsa"}),
		"no alg":                      f.headers(object{"alg": nil}),
		"alg null":                    f.headers(object{"alg": null{}}),
		"alg a list":                  f.headers(object{"alg": []string{"EdDSA"}}),
		"alg twice":                   f.raw(strings.Replace(header, `{`, `{"alg":"none",`, 1), claim),
		"Alg beside alg":              f.raw(strings.Replace(header, `"alg"`, `"Alg"`, 1), claim),
		"all zero":                    f.signed(nil, func([]byte) []byte { return make([]byte, 64) }),
		"the neutral element, signed": f.signed(nil, func([]byte) []byte { return append([]byte{1}, make([]byte, 63)...) }),

		// Keys.
		"a stranger's signature":   f.signed(nil, f.strange),
		"jwk":                      f.signed(object{"jwk": f.strangeJWK(f.kid)}, f.strange),
		"jwk under its own name":   f.signed(object{"kid": "evil", "jwk": f.strangeJWK("evil")}, f.strange),
		"jku":                      f.signed(object{"jku": "https://evil.example/jwks.json"}, f.strange),
		"jku of the shop":          f.signed(object{"jku": issuer + "/.well-known/jwks.json"}, f.strange),
		"x5u":                      f.signed(object{"x5u": "https://evil.example/chain.pem"}, f.strange),
		"x5c":                      f.signed(object{"x5c": []string{base64.StdEncoding.EncodeToString(f.certificate())}}, f.strange),
		"no kid":                   f.headers(object{"kid": nil}),
		"kid empty":                f.headers(object{"kid": ""}),
		"kid null":                 f.headers(object{"kid": null{}}),
		"kid unknown":              f.headers(object{"kid": "unknown"}),
		"kid a path":               f.headers(object{"kid": "../../../../../../dev/null"}),
		"kid SQL":                  f.headers(object{"kid": f.kid + "' OR '1'='1"}),
		"kid SQL that gives a key": f.signed(object{"kid": "x' UNION SELECT 'AA"}, f.hmac([]byte("AA"))),
		"kid a command":            f.headers(object{"kid": "$(id)"}),
		"kid with NUL":             f.headers(object{"kid": f.kid + "\x00"}),
		"kid with a space":         f.headers(object{"kid": f.kid + " "}),
		"kid in capitals":          f.headers(object{"kid": strings.ToUpper(f.kid)}),
		"kid a list":               f.headers(object{"kid": []string{f.kid}}),
		"kid a number":             f.headers(object{"kid": 1}),
		"kid of the other key":     f.headers(object{"kid": f.nextKid}),
		"kid twice, ours last":     f.raw(strings.Replace(header, `{`, `{"kid":"evil",`, 1), claim),
		"kid twice, ours first":    f.raw(strings.Replace(header, `}`, `,"kid":"`+f.nextKid+`"}`, 1), claim),

		// The rest of the header.
		"crit":            f.headers(object{"crit": []string{"exp"}, "exp": now}),
		"crit empty":      f.headers(object{"crit": []string{}}),
		"crit null":       f.headers(object{"crit": null{}}),
		"b64 off":         f.headers(object{"b64": false, "crit": []string{"b64"}}),
		"zip":             f.headers(object{"zip": "DEF"}),
		"typ of an id":    f.headers(object{"typ": "JWT"}),
		"typ of a logout": f.headers(object{"typ": "logout+jwt"}),
		"no typ":          f.headers(object{"typ": nil}),
		"typ a list":      f.headers(object{"typ": []string{"at+jwt"}}),
		"header a list":   f.raw("["+header+"]", claim),
		"header null":     f.raw("null", claim),
		"two headers":     f.raw(header+header, claim),
		"header deep":     f.raw(strings.Replace(header, `{`, `{"x":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`,`, 1), claim),
		"header not UTF8": f.raw(strings.Replace(header, `{`, "{\"x\":\"\xff\",", 1), claim),

		// Who, for whom, by whom.
		"another issuer":     f.claims(object{"iss": "https://shop.example.evil.example"}),
		"issuer with /":      f.claims(object{"iss": issuer + "/"}),
		"issuer in capitals": f.claims(object{"iss": strings.ToUpper(issuer)}),
		"issuer a list":      f.claims(object{"iss": []string{issuer}}),
		"no issuer":          f.claims(object{"iss": nil}),
		"another audience":   f.claims(object{"aud": "another-shop"}),
		"audience longer":    f.claims(object{"aud": "banyan-admin"}),
		"audiences of none":  f.claims(object{"aud": []string{}}),
		"audience null":      f.claims(object{"aud": null{}}),
		"audience an object": f.claims(object{"aud": object{"banyan": true}}),
		"no audience":        f.claims(object{"aud": nil}),
		"nobody":             f.claims(object{"sub": ""}),
		"no subject":         f.claims(object{"sub": nil}),
		"subject null":       f.claims(object{"sub": null{}}),
		"subject a list":     f.claims(object{"sub": []string{f.claim["sub"].(string)}}),
		"subject an object":  f.claims(object{"sub": object{"id": f.claim["sub"]}}),
		"subject a number":   f.claims(object{"sub": 0}),
		"subject with NUL":   f.claims(object{"sub": f.claim["sub"].(string) + "\x00"}),
		"subject twice":      f.raw(header, strings.Replace(claim, `{`, `{"sub":"admin",`, 1)),
		"roles twice":        f.raw(header, strings.Replace(claim, `{`, `{"roles":["admin"],`, 1)),
		"roles a text":       f.claims(object{"roles": "admin"}),
		"roles an object":    f.claims(object{"roles": object{"admin": true}}),
		"roles null":         f.claims(object{"roles": null{}}),
		"a role a list":      f.claims(object{"roles": []any{[]string{"admin"}}}),
		"session a list":     f.claims(object{"sid": []string{"x"}}),

		// When.
		"expired":           f.claims(object{"exp": now - 6}),
		"expired at zero":   f.claims(object{"exp": 0}),
		"exp negative":      f.claims(object{"exp": -1}),
		"exp a fraction":    f.raw(header, strings.Replace(f.changed(f.claim, object{"exp": 7}), `"exp":7`, fmt.Sprintf(`"exp":%d.5`, now+60), 1)),
		"exp an exponent":   f.raw(header, strings.Replace(f.changed(f.claim, object{"exp": 7}), `"exp":7`, `"exp":1e300`, 1)),
		"exp a text":        f.claims(object{"exp": fmt.Sprint(now + 60)}),
		"exp a date":        f.claims(object{"exp": "2099-01-01T00:00:00Z"}),
		"exp beyond int64":  f.claims(object{"exp": json.Number("18446744073709551616")}),
		"exp for ever":      f.claims(object{"exp": now + 1e9}),
		"exp in two days":   f.claims(object{"exp": now + 2*86400}),
		"exp null":          f.claims(object{"exp": null{}}),
		"no exp":            f.claims(object{"exp": nil}),
		"exp twice":         f.raw(header, strings.Replace(claim, `{`, fmt.Sprintf(`{"exp":%d,`, now-60), 1)),
		"not yet":           f.claims(object{"nbf": now + 6}),
		"nbf a text":        f.claims(object{"nbf": fmt.Sprint(now)}),
		"issued in future":  f.claims(object{"iat": now + 3600, "nbf": nil}),
		"issued negative":   f.claims(object{"iat": -1}),
		"nbf beyond a year": f.claims(object{"nbf": json.Number("1e18"), "iat": nil}),

		// The signature.
		"an admin's claims":       parts[0] + "." + promoted + "." + parts[2],
		"no signature":            parts[0] + "." + parts[1] + ".",
		"signature cut":           f.good[:len(f.good)-2],
		"signature longer":        f.good + "AA",
		"signature halves turned": parts[0] + "." + parts[1] + "." + b64(append(append([]byte{}, signature[32:]...), signature[:32]...)),
		"signature malleated":     parts[0] + "." + parts[1] + "." + b64(f.malleated(signature)),
		"signature of another":    parts[0] + "." + parts[1] + "." + strings.Split(f.claims(object{"jti": "x"}), ".")[2],
		"parts swapped":           parts[1] + "." + parts[0] + "." + parts[2],

		// The form.
		"spare bits":       f.good[:len(f.good)-1] + string(base64url[last^1]),
		"padded":           f.good + "==",
		"header padded":    parts[0] + "=." + parts[1] + "." + parts[2],
		"standard base64":  f.standard(),
		"a fourth part":    f.good + ".AA",
		"a fourth, empty":  f.good + ".",
		"an empty first":   "." + f.good,
		"two parts":        parts[0] + "." + parts[1],
		"one part":         parts[1],
		"dots":             "..",
		"encrypted":        b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAA.AAAA.AAAA",
		"a space in it":    parts[0] + " ." + parts[1] + "." + parts[2],
		"a tab in it":      parts[0] + ".\t" + parts[1] + "." + parts[2],
		"percent":          strings.ReplaceAll(f.good, ".", "%2E"),
		"zero width":       f.good + "\u200b",
		"wide dots":        strings.ReplaceAll(f.good, ".", "\uff0e"),
		"quoted":           `"` + f.good + `"`,
		"JSON form":        `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"claims a list":    f.raw(header, "["+claim+"]"),
		"claims null":      f.raw(header, "null"),
		"claims twice":     f.raw(header, claim+claim),
		"claims deep":      f.raw(header, strings.Replace(claim, `{`, `{"x":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`,`, 1)),
		"claims not UTF-8": f.raw(header, strings.Replace(claim, `{`, "{\"x\":\"\xff\",", 1)),
		"too long":         f.sized(8<<10 + 16),
		"32 KiB":           f.good + strings.Repeat("A", 32<<10),
	}
}
