package config

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// urlSettings are the keys whose value is a URL with a password in it, each with a
// URL around what is between // and @.
var urlSettings = map[string]string{
	"database.url":          "postgres://%s@127.0.0.1:1/shop",
	"amqp.url":              "amqp://%s@127.0.0.1:1/",
	"payments.provider_url": "https://%s@psp.example.com/v1",
}

func TestEverySecretURLIsTested(t *testing.T) {
	t.Parallel()
	for _, k := range Keys() {
		if k.urlSecret {
			require.Contains(t, urlSettings, k.Name)
		}
	}
}

// A password with a character that ends it early would be taken for a part of the
// host, and told as that. It is refused, with what to write instead.
func TestPasswordThatBreaksItsURLIsRefused(t *testing.T) {
	t.Parallel()
	for key, form := range urlSettings {
		for _, password := range []string{"se@cret", "12/cret", "12?cret", "12#cret", "se/cret", "se?cret", "se#cret", "se%cret", "se[cret", "@secret", "secret@"} {
			said := problems(t, Options{Flags: map[string]string{key: fmt.Sprintf(form, "a:"+password)}})
			require.True(t, strings.HasPrefix(said[0], "--"+strings.NewReplacer(".", "-", "_", "-").Replace(key)+": "+key+`: "[hidden]" must be `), said[0])
			require.Contains(t, said[0], "write @ as %40, / as %2F, ? as %3F, # as %23, : as %3A and % as %25")
			require.NotContains(t, strings.Join(said, "\n"), "cret")
		}
	}
}

// Whatever characters a password has: as it is, no part of it is ever shown, and
// escaped it is taken.
func TestNoPartOfAPasswordInAURLIsShown(t *testing.T) {
	t.Parallel()
	beside := []string{"BANYAN_PORTS_SIGNING_KEY=0123456789abcdef0123456789abcdef", "BANYAN_PAYMENTS_API_KEY=k"}
	odd := strings.Split("@/?#:%[]&=;,+\\ \"'~!$", "")
	for key, form := range urlSettings {
		for _, a := range odd {
			for _, b := range odd[:5] {
				for _, start := range []string{"12", "hunter", ""} {
					password := start + a + "hunter" + b + "hunter"
					cfg, err := Load(Options{Environ: beside, Flags: map[string]string{key: fmt.Sprintf(form, "a:"+password)}})
					shown := fmt.Sprint(err)
					if err == nil {
						shown = fmt.Sprint(Show(cfg))
					}
					require.NotContains(t, shown, "hunter", password)
				}
			}
			cfg, err := Load(Options{Environ: beside, Flags: map[string]string{key: fmt.Sprintf(form, url.UserPassword("a", "12"+a+"hunter"))}})
			require.NoError(t, err, a)
			require.NotContains(t, fmt.Sprint(Show(cfg)), "hunter", a)
		}
	}
}

// What cannot be read as a query is not known to be harmless.
func TestQueryThatCannotBeReadIsHidden(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"sslpassword=hunter;2", "sslpassword=hunter%zz"} {
		cfg, err := Load(Options{Environ: []string{"BANYAN_DATABASE_URL=postgres://shop@db:5432/shop?" + query}})
		shown := fmt.Sprint(Show(cfg), err)
		require.NotContains(t, shown, "hunter", query)
	}
}
