package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "banyan.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// problems gives what Load finds wrong, with the folder of the file cut off.
func problems(t *testing.T, o Options) []string {
	t.Helper()
	if o.Environ == nil {
		o.Environ = []string{}
	}
	_, err := Load(o)
	var wrong *Error
	require.ErrorAs(t, err, &wrong)
	texts := make([]string, len(wrong.Problems))
	for i, p := range wrong.Problems {
		texts[i] = strings.ReplaceAll(p.String(), filepath.Dir(o.File)+"/", "")
	}
	return texts
}

func TestNothingSetGivesDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := Load(Options{Environ: []string{"HOME=/root"}})
	require.NoError(t, err)
	cfg.origins = nil
	require.Equal(t, Defaults(), cfg)
	require.Equal(t, "http://127.0.0.1:8080", cfg.IssuerURL())
	require.True(t, cfg.Runs("orders"))
}

func TestLaterLayersWin(t *testing.T) {
	t.Parallel()
	path := write(t, `
http:
  addr: 127.0.0.1:1
  read_timeout: 7s
  trusted_proxies: [10.0.0.0/8, "::1/128"]
ops: { addr: "127.0.0.1:2" }
rate_limit: off
modules: orders, cart
events:
  retention: 40d
`)
	cfg, err := Load(Options{
		File:    path,
		Environ: []string{"BANYAN_AMQP_URL=amqp://u:p@h/", "BANYAN_PORTS_SIGNING_KEY=0123456789abcdef0123456789abcdef", "BANYAN_IDENTITY_ISSUER=https://shop.example", "BANYAN_HTTP_ADDR=127.0.0.1:11", "BANYAN_OPS_ADDR=127.0.0.1:12", "BANYAN_CURRENCY=", "BANYAN_TEST_X=1", "BANYAN_BENCH_Y=1", "BANYAN_HTTP_BODY_LIMIT=2MiB"},
		Flags:   map[string]string{"http.addr": "127.0.0.1:21"},
		Modules: []string{"orders", "cart", "search"},
	})
	require.NoError(t, err)
	require.False(t, cfg.OverRabbitMQ("orders"))
	require.True(t, cfg.OverRabbitMQ("search"))
	require.Equal(t, "127.0.0.1:21", cfg.HTTP.Addr)
	require.Equal(t, "127.0.0.1:12", cfg.Ops.Addr)
	require.Equal(t, 7*time.Second, cfg.HTTP.ReadTimeout)
	require.Equal(t, []string{"10.0.0.0/8", "::1/128"}, cfg.HTTP.TrustedProxies)
	require.Equal(t, Switch(false), cfg.RateLimit)
	require.Equal(t, []string{"orders", "cart"}, cfg.Modules)
	require.False(t, cfg.Runs("search"))
	require.Equal(t, 40*24*time.Hour, cfg.Events.Retention)
	require.Equal(t, Bytes(2<<20), cfg.HTTP.BodyLimit)
	require.Equal(t, "USD", cfg.Currency)

	sources := map[string]Setting{}
	for _, s := range Show(cfg) {
		sources[s.Key] = s
	}
	require.Equal(t, Setting{"http.addr", "127.0.0.1:21", "flag", "--http-addr"}, sources["http.addr"])
	require.Equal(t, Setting{"ops.addr", "127.0.0.1:12", "env", "BANYAN_OPS_ADDR"}, sources["ops.addr"])
	require.Equal(t, Setting{"rate_limit", "off", "file", path + ":7"}, sources["rate_limit"])
	require.Equal(t, Setting{"currency", "USD", "default", ""}, sources["currency"])
}

func TestEnvironmentNames(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	for _, k := range Keys() {
		have[k.Env] = true
	}
	for _, name := range []string{
		"BANYAN_HTTP_ADDR", "BANYAN_OPS_ADDR", "BANYAN_DATA_DIR", "BANYAN_DATABASE_URL", "BANYAN_AMQP_URL",
		"BANYAN_MODULES", "BANYAN_ADMIN_EMAIL", "BANYAN_ADMIN_PASSWORD", "BANYAN_RATE_LIMIT", "BANYAN_CURRENCY",
		"BANYAN_HTTP_READ_TIMEOUT",
	} {
		require.True(t, have[name], name)
	}
}

func TestFileProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"unknown key":    {"http:\n  adr: x\n", []string{"banyan.yaml:2: http.adr: no such setting; did you mean http.addr?"}},
		"unknown group":  {"htpp:\n  addr: x\n", []string{"banyan.yaml:2: htpp.addr: no such setting; did you mean http.addr?"}},
		"nothing near":   {"kubernetes: x\n", []string{"banyan.yaml:1: kubernetes: no such setting; `app config show` lists all"}},
		"group as value": {"log: debug\n", []string{"banyan.yaml:1: log: is a group of settings, not one; known below it: log.level, log.format"}},
		"value as group": {"currency:\n  code: USD\n", []string{`banyan.yaml:1: currency: "map[code:USD]" takes one value, not a list or a group`}},
		"twice":          {"currency: USD\ncurrency: EUR\n", []string{"banyan.yaml:2: currency: is set twice; the first is on line 1"}},
		"not a mapping":  {"- a\n", []string{"banyan.yaml:1: the file must be a group of settings such as `http:` and below it `  addr: …`"}},
		"all of them": {
			"http:\n  addr: nowhere\n  read_timeout: 30\n  trusted_proxies: [10.0.0.0]\ndatabase: {pool: many, url: \"mysql://u:hush@h/db\"}\ncurrency: XXQ\nrate_limit: maybe\namqp: {url: \"http://u:hush@h/\"}\nports: {loopback_sample: 1.5}\nlog: {level: loud}\nadmin: {email: a@example.com}\nmodules: [orders, crt]\n",
			[]string{
				`banyan.yaml:3: http.read_timeout: "30" must be a length of time with its unit, such as 500ms, 30s, 5m, 1h30m or 90d`,
				`banyan.yaml:5: database.pool: "many" must be a whole number`,
				`banyan.yaml:7: rate_limit: "maybe" must be on or off`,
				`banyan.yaml:2: http.addr: "nowhere" must be host:port with a port of 0 to 65535, such as 127.0.0.1:8080`,
				`banyan.yaml:4: http.trusted_proxies: "10.0.0.0" must be a network such as 10.0.0.0/8 or 192.0.2.7/32`,
				`banyan.yaml:5: database.url: "mysql://u:xxxxx@h/db" must be postgres://user:password@host:port/database, or empty for SQLite`,
				`banyan.yaml:8: amqp.url: "http://u:xxxxx@h/" must be amqp://user:password@host:5672/vhost (or amqps://), or empty for one process`,
				`banyan.yaml:8: amqp.url: needs ports.signing_key as well, the same in every process of the shop; make one with: openssl rand -hex 32`,
				`banyan.yaml:6: currency: "XXQ" must be the code of a currency, such as USD or EUR`,
				`banyan.yaml:10: log.level: "loud" must be one of debug, info, warn, error`,
				`banyan.yaml:9: ports.loopback_sample: "1.5" must be at most 1`,
				`banyan.yaml:11: admin.email: needs admin.password as well; set both or neither`,
				`banyan.yaml:12: modules: "crt" is no module, did you mean cart?; known: all, orders, cart`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ElementsMatch(t, c.want, problems(t, Options{File: write(t, c.file), Modules: []string{"orders", "cart"}}))
		})
	}
}

func TestEnvironmentAndFlagProblems(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, []string{
		"BANYAN_HTPP_ADDR: no such setting; did you mean BANYAN_HTTP_ADDR?",
		`BANYAN_LOG_FORMAT: log.format: "xml" must be one of json, text`,
		`BANYAN_ADMIN_PASSWORD: admin.password: "[hidden]" must have at least 12 characters`,
		`--http-addr: http.addr: "8080" must be host:port with a port of 0 to 65535, such as 127.0.0.1:8080`,
		"--http.adr: no such setting; did you mean http.addr?",
	}, problems(t, Options{
		Environ: []string{"BANYAN_HTPP_ADDR=x", "BANYAN_LOG_FORMAT=xml", "BANYAN_ADMIN_EMAIL=a@example.com", "BANYAN_ADMIN_PASSWORD=short"},
		Flags:   map[string]string{"http.addr": "8080", "http.adr": "x"},
	}))
}

func TestSettingsThatNeedEachOther(t *testing.T) {
	t.Parallel()
	_, err := Load(Options{
		Environ: []string{"BANYAN_PAYMENTS_PROVIDER_URL=https://psp.example.com", "BANYAN_MODULES=orders", "BANYAN_PORTS_RABBITMQ=cart,crt", "BANYAN_AMQP_KEY_FILE=key.pem"},
		Modules: []string{"orders", "cart"},
	})
	require.ErrorContains(t, err, "BANYAN_PAYMENTS_PROVIDER_URL: payments.provider_url: needs payments.api_key")
	require.ErrorContains(t, err, "BANYAN_PORTS_RABBITMQ: ports.rabbitmq: needs amqp.url as well")
	require.ErrorContains(t, err, `BANYAN_PORTS_RABBITMQ: ports.rabbitmq: "crt" is no module, did you mean cart?`)
	require.ErrorContains(t, err, "BANYAN_AMQP_KEY_FILE: amqp.key_file: needs amqp.cert_file as well")

	_, err = Load(Options{Environ: []string{"BANYAN_MODULES=orders"}, Modules: []string{"orders", "cart"}})
	require.ErrorContains(t, err, "BANYAN_MODULES: modules: cart is left out, but without amqp.url nothing reaches it")

	// Each process would sign in its own name, and believe no token of another's.
	part := []string{"BANYAN_MODULES=orders", "BANYAN_AMQP_URL=amqp://u:p@h/", "BANYAN_PORTS_SIGNING_KEY=0123456789abcdef0123456789abcdef"}
	require.Equal(t, []string{
		"default: identity.issuer: is needed where other processes run a part of the shop (cart is left out here): the URL under which clients reach the shop, the same in every process",
	}, problems(t, Options{Environ: part, Modules: []string{"orders", "cart"}}))
	_, err = Load(Options{Environ: append(part, "BANYAN_IDENTITY_ISSUER=https://shop.example"), Modules: []string{"orders", "cart"}})
	require.NoError(t, err)
}

// What stops last needs time as well: a shop that drains for too long is cut off.
func TestStoppingLeavesTimeAfterTheDrain(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		`BANYAN_HTTP_DRAIN_DELAY: http.drain_delay: "30s" leaves too little of shutdown_timeout (25s): requests under way and the rest of the shop need 12s after it; raise shutdown_timeout to 42s, or lower this`,
	}, problems(t, Options{Environ: []string{"BANYAN_HTTP_DRAIN_DELAY=30s"}}))
	for drain, stop := range map[string]string{"13s": "25s", "30s": "42s", "1s": "5s"} { // who is content with less than 12s has that
		_, err := Load(Options{Environ: []string{"BANYAN_HTTP_DRAIN_DELAY=" + drain, "BANYAN_SHUTDOWN_TIMEOUT=" + stop}})
		require.NoError(t, err, drain)
	}
	_, err := Load(Options{Environ: []string{"BANYAN_HTTP_DRAIN_DELAY=3s", "BANYAN_SHUTDOWN_TIMEOUT=5s"}})
	require.ErrorContains(t, err, "http.drain_delay")
}

// A space may belong to a password. The end of a line, which files and shells add, does not.
func TestSecretsAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{" correct horse battery ": " correct horse battery ", "correct horse\r\n": "correct horse"} {
		env, err := Load(Options{Environ: []string{"BANYAN_ADMIN_EMAIL= a@example.com ", "BANYAN_ADMIN_PASSWORD=" + given}})
		require.NoError(t, err)
		require.Equal(t, want, env.Admin.Password)
		require.Equal(t, "a@example.com", env.Admin.Email)
		file, err := Load(Options{File: write(t, fmt.Sprintf("admin:\n  email: a@example.com\n  password: %q\n", given)), Environ: []string{}})
		require.NoError(t, err)
		require.Equal(t, want, file.Admin.Password)
	}
}

func TestNamedFileMustExist(t *testing.T) {
	t.Parallel()
	_, err := Load(Options{File: filepath.Join(t.TempDir(), "none.yaml"), Environ: []string{}})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(Options{File: write(t, "http: [\n"), Environ: []string{}})
	require.ErrorContains(t, err, "banyan.yaml")
}

func TestShowHidesSecrets(t *testing.T) {
	t.Parallel()
	cfg, err := Load(Options{Environ: []string{
		"BANYAN_DATABASE_URL=postgres://shop:hush@db:5432/shop?sslpassword=hush&sslmode=require",
		"BANYAN_ADMIN_EMAIL=a@example.com", "BANYAN_ADMIN_PASSWORD=hushhushhush",
		"BANYAN_PAYMENTS_PROVIDER_URL=https://key:hush@psp.example.com/v1", "BANYAN_PAYMENTS_API_KEY=hushhush",
		"BANYAN_PAYMENTS_WEBHOOK_SECRET=hushhush",
	}})
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, Print(&b, cfg))
	require.NotContains(t, b.String(), "hush")
	require.Contains(t, b.String(), "shop:xxxxx@db:5432/shop")
	require.Contains(t, b.String(), "env BANYAN_ADMIN_PASSWORD")
}
