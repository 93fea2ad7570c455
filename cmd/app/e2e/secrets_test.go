package e2e

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// vault knows every secret that a test uses, and all that the shop says.
type vault struct {
	mu      sync.Mutex
	secrets map[string]string // what it is → the secret
	said    map[string]*strings.Builder
}

// new makes a secret that occurs nowhere by chance.
func (v *vault) new(what, prefix string) string { return v.know(what, prefix+rand.Text()) }

// know takes a secret that the shop gave out.
func (v *vault) know(what, secret string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	for known, s := range v.secrets {
		if s == secret && known != what {
			return secret
		}
	}
	if _, taken := v.secrets[what]; taken {
		what += " " + rand.Text()[:4]
	}
	v.secrets[what] = secret
	return secret
}

func (v *vault) hear(where, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.said[where] == nil {
		v.said[where] = &strings.Builder{}
	}
	v.said[where].WriteString(text + "\n")
}

// Write hears the server's own output.
func (v *vault) Write(p []byte) (int, error) {
	v.hear("stdout and stderr", string(p))
	return len(p), nil
}

// spelt are the ways in which a text may show a secret.
func spelt(secret string) []string {
	quoted, _ := json.Marshal(secret)
	return []string{secret, url.QueryEscape(secret), strings.Trim(string(quoted), `"`), strings.ToLower(secret), strings.ToUpper(secret)}
}

// leaks lists which secret is where.
func (v *vault) leaks() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []string
	for where, said := range v.said {
		text := said.String()
		for what, secret := range v.secrets {
			for _, s := range spelt(secret) {
				if i := strings.Index(text, s); i >= 0 {
					list = append(list, fmt.Sprintf("%s is in %s: …%s…", what, where, text[max(0, i-300):min(len(text), i+len(s)+40)]))
					break
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// leaky is a shop at debug level that is told secrets in every way there is.
type leaky struct {
	*vault
	t    *testing.T
	at   shoptest.Site
	shop *shoptest.Server
	bank *bank
}

// TestSecretsStayIn uses everything, well and badly, and then looks for every
// secret that was used in all that the shop has printed, answered and kept.
func TestSecretsStayIn(t *testing.T) {
	t.Parallel()
	shoptest.OnSome(t, func(t *testing.T, at shoptest.Site) {
		v := &vault{secrets: map[string]string{}, said: map[string]*strings.Builder{}}
		l := &leaky{vault: v, t: t, bank: openBank(t, v.new("provider's key", "key-"), v.new("webhook secret", "whsec-"))}
		provider := strings.Replace(l.bank.URL, "http://", "http://shop:"+v.new("password in the provider's URL", "urlpw-")+"@", 1)
		if at.Setting("BANYAN_AMQP_URL") != "" {
			at, _ = usersOfTheirOwn(t, at)
			v.know("broker's password", brokerPassword)
			v.know("key of the ports", at.Setting("BANYAN_PORTS_SIGNING_KEY"))
		}
		at.Tee = v
		l.at = at.With("BANYAN_LOG_LEVEL=debug", "BANYAN_LOG_FORMAT=json", "OTEL_TRACES_EXPORTER=console",
			"BANYAN_ADMIN_EMAIL=boss@example.com", "BANYAN_ADMIN_PASSWORD="+v.new("admin's password", "adminpw-"),
			"BANYAN_PAYMENTS_PROVIDER_URL="+provider, "BANYAN_PAYMENTS_API_KEY="+l.bank.apiKey, "BANYAN_PAYMENTS_WEBHOOK_SECRET="+l.bank.webhookSecret)
		for _, s := range at.Settings {
			if u, err := url.Parse(strings.TrimPrefix(s, "BANYAN_DATABASE_URL=")); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
				if password, has := u.User.Password(); has && len(password) > 8 {
					v.know("database password", password)
				}
			}
		}
		l.serve(provider)

		tokens := l.logIns()
		l.checkouts(tokens)
		l.webhooks()
		l.malformed(tokens)
		l.commands()
		l.metrics()
		l.breakdown()
		for _, s := range slices.Backward(l.shop.Others) {
			require.Zero(t, s.Stop(t))
		}
		require.Zero(t, l.shop.Stop(t))
		kept := l.kept()

		all := v.said["stdout and stderr"].String()
		for _, sign := range []string{`"level":"DEBUG"`, `"level":"ERROR"`, "statement failed", `"msg":"request"`, "SpanContext"} {
			require.Contains(t, all, sign, "what must be there, or nothing was tried")
		}
		require.Greater(t, len(v.secrets), 30)
		require.Empty(t, v.leaks())
		for what, secret := range v.secrets {
			if !strings.HasPrefix(what, "idempotency key") && what != "card token error" && what != "card token garbage" {
				require.NotContains(t, kept, secret, "%s is in the database", what)
			}
		}
		require.Contains(t, kept, "$argon2id$")
		for _, hash := range hashes.FindAllString(kept, -1) {
			v.know("password hash", hash)
		}
		for _, key := range keys.FindAllString(kept, -1) {
			v.know("signing key", key)
		}
		require.Empty(t, v.leaks())
	})
}

// serve starts the shop, and what has moved out of it with the same provider.
func (l *leaky) serve(provider string) {
	moved := l.at.Moved
	l.at.Moved = nil
	l.shop = shoptest.Serve(l.t, l.at)
	for _, module := range moved {
		l.shop.Others = append(l.shop.Others, l.shop.Moves(l.t, module, "BANYAN_PAYMENTS_PROVIDER_URL="+provider))
	}
}

// ask sends a request and hears the answer where that is an error.
func (l *leaky) ask(c shoptest.Client, method, path string, body any) shoptest.Answer {
	l.t.Helper()
	a, err := c.Try(l.t.Context(), method, path, body)
	require.NoError(l.t, err)
	if a.Status >= 400 {
		l.hear("an error answer", fmt.Sprint(a.Header)+a.Raw)
	}
	return a
}

type session struct {
	access, refresh string
	client          shoptest.Client
}

func (l *leaky) opened(a shoptest.Answer) session {
	l.t.Helper()
	require.Equal(l.t, http.StatusCreated, a.Status, a.Raw)
	s := session{access: l.know("access token", a.Text("access_token")), refresh: l.know("refresh token", a.Text("refresh_token"))}
	l.know("an access token's signature", s.access[strings.LastIndexByte(s.access, '.')+1:])
	s.client = l.shop.Anyone().With("Authorization", "Bearer "+s.access)
	return s
}

// logIns: well, with a wrong password, with the password where the e-mail belongs,
// with a used refresh token, and with a guest's cart.
func (l *leaky) logIns() session {
	anyone, password := l.shop.Anyone(), l.new("user's password", "userpw-")
	user := shoptest.Object{"email": "eve@example.com", "password": password, "name": "Eve"}
	require.Equal(l.t, http.StatusCreated, l.ask(anyone, "POST", "/users", user).Status)
	require.Equal(l.t, http.StatusConflict, l.ask(anyone, "POST", "/users", user).Status)
	logIn := func(c shoptest.Client, email, password string) shoptest.Answer {
		return l.ask(c, "POST", "/sessions", shoptest.Object{"email": email, "password": password})
	}
	require.Equal(l.t, http.StatusUnauthorized, logIn(anyone, "eve@example.com", l.new("wrong password", "wrongpw-")).Status)
	require.Equal(l.t, http.StatusUnauthorized, logIn(anyone, "nobody@example.com", l.new("nobody's password", "nobodypw-")).Status)
	require.Equal(l.t, http.StatusUnauthorized, logIn(anyone, l.new("password as e-mail", "emailpw-"), "whatever this is").Status)
	guest := anyone.PutInCart(l.t, shoptest.Staple, 1)
	cart := l.know("guest's cart token", guest.Header.Get("X-Cart-Token"))
	require.NotEmpty(l.t, cart)
	l.ask(anyone.With("X-Cart-Token", l.new("wrong cart token", "cart-")), "GET", "/cart", nil)
	first := l.opened(logIn(anyone.With("X-Cart-Token", cart), "eve@example.com", password))
	second := l.opened(l.ask(anyone, "POST", "/sessions/refresh", shoptest.Object{"refresh_token": first.refresh}))
	require.Equal(l.t, http.StatusUnauthorized, l.ask(anyone, "POST", "/sessions/refresh", shoptest.Object{"refresh_token": first.refresh}).Status)
	require.Equal(l.t, http.StatusUnauthorized, l.ask(anyone, "POST", "/sessions/refresh", shoptest.Object{"refresh_token": second.refresh}).Status)
	third := l.opened(logIn(anyone, "eve@example.com", password))
	require.Equal(l.t, http.StatusNoContent, l.ask(third.client, "DELETE", "/sessions/current", nil).Status)
	return l.opened(logIn(anyone, "eve@example.com", password))
}

// checkouts with cards of every fate. What the bank cannot be understood about
// stays open for a while, and a checkout that is under way still has its card.
func (l *leaky) checkouts(s session) {
	waits := []func(){}
	for _, fate := range []string{"visa", "declined", "refused", "lost", "error", "garbage"} {
		buyer := l.shop.Customer(l.t)
		l.know("access token", strings.TrimPrefix(buyer.Sends("Authorization"), "Bearer "))
		buyer.PutInCart(l.t, shoptest.Staple, 1)
		a := l.ask(buyer.With("Idempotency-Key", l.new("idempotency key", "idem-")), "POST", "/orders", shoptest.OrderBody(l.new("card token "+fate, "tok_"+fate+"_")))
		require.Equal(l.t, http.StatusAccepted, a.Status, a.Raw)
		if fate != "error" && fate != "garbage" {
			waits = append(waits, func() { l.hear("an order", buyer.Decided(l.t, a.Text("id")).Raw) })
		}
	}
	for _, wait := range waits {
		wait()
	}
	body := shoptest.OrderBody(l.new("card token too long", "tok_") + strings.Repeat("x", 300))
	require.Equal(l.t, http.StatusUnprocessableEntity, l.ask(s.client.Keyed(), "POST", "/orders", body).Status)
	wallet := shoptest.OrderBody(l.new("card token of a wallet", "tok_wallet_"))
	wallet["payment"].(shoptest.Object)["method"] = "wallet"
	require.Equal(l.t, http.StatusUnprocessableEntity, l.ask(s.client.Keyed(), "POST", "/orders", wallet).Status)
	l.ask(s.client, "POST", "/orders", shoptest.OrderBody(l.new("card token without a key", "tok_nokey_")))
}

func (l *leaky) webhooks() {
	body := `{"id":"evt_1","data":{"id":"ch_9","reference":"` + l.new("what a webhook says", "ref-") + `","token":"` + l.new("card token in a webhook", "tok_hook_") + `"}}`
	hook := func(signature string) int {
		return l.ask(l.shop.Anyone().With("Sandbox-Signature", signature), "POST", "/payments/webhook", body).Status
	}
	require.Equal(l.t, http.StatusUnauthorized, hook("t=1,v1="+l.new("forged signature", "sig")))
	require.Equal(l.t, http.StatusUnauthorized, hook(l.bank.webhookSecret))
	require.Equal(l.t, http.StatusNoContent, hook(l.bank.signed(body)))
	delete(l.secrets, "what a webhook says") // the order of a charge is named to whoever runs the shop
}

// malformed puts secrets where they do not belong.
func (l *leaky) malformed(s session) {
	pw, anyone := l.new("password in a bad body", "badpw-"), l.shop.Anyone()
	for _, body := range []string{
		`{"email":"a@example.com","password":"` + pw, `{"email":"a@example.com","password":"` + pw + `","password":"` + pw + `"}`,
		`{"email":"a@example.com","password":["` + pw + `"]}`, `{"email":{"x":"` + pw + `"},"password":"` + pw + `"}`, `"` + pw + `"`, pw,
		`{"email":"` + pw + `","password":1,"name":"x"}`, `{"email":"a@example.com","password":"` + pw + "\xff" + `"}`, `{"email":"a@example.com","password":"` + pw + `\u0000"}`,
		`{"email":"a@example.com","name":"Eve","pass":"` + pw + `"}`, `{"refresh_token":"` + pw + `","x":1}`, strings.Repeat(`[`, 100) + pw,
	} {
		for _, path := range []string{"/users", "/sessions", "/sessions/refresh", "/orders", "/payments/webhook"} {
			require.GreaterOrEqual(l.t, l.ask(anyone, "POST", path, body).Status, 400)
			require.GreaterOrEqual(l.t, l.ask(s.client.Keyed(), "POST", path, body).Status, 400)
		}
	}
	q := l.new("secret in a query", "query-")
	for _, path := range []string{"/products?access_token=" + q, "/products?limit=" + q, "/products?cursor=" + q, "/products?status=" + q, "/nowhere?password=" + q, "/users/me?token=" + s.access} {
		l.ask(anyone, "GET", path, nil)
	}
	for _, name := range []string{"Authorization", "Cookie", "X-Api-Key", "X-Cart-Token", "Idempotency-Key", "If-Match", "Prefer", "baggage", "tracestate", "traceparent", "X-Forwarded-For", "User-Agent", "Referer", "Proxy-Authorization", "Content-Type"} {
		secret := l.new("secret in "+name, "hdr-")
		c := anyone.With(name, secret)
		l.ask(c, "GET", "/users/me", nil)
		l.ask(c, "PUT", "/cart/items/"+shoptest.Staple, shoptest.Object{"quantity": 0})
		l.ask(s.client.With(name, secret+"\u00e9"), "POST", "/orders", shoptest.OrderBody("tok_visa"))
		l.ask(s.client.With(name, strings.Repeat("x", 300)+secret), "PATCH", "/products/fiddle-leaf-fig", shoptest.Object{})
	}
	for _, header := range []string{"Basic " + l.new("basic credentials", "basic-"), "Bearer " + l.new("made-up token", "made-"), "Bearer " + s.access + "x", "Bearer " + s.refresh, "bearer  " + strings.Repeat(s.access, 12)} {
		l.ask(anyone.With("Authorization", header), "GET", "/users/me", nil)
	}
}

// commands of the operator, with settings as they are and as they must not be.
func (l *leaky) commands() {
	for _, args := range [][]string{
		{"config", "show"}, {"config", "show", "--json"}, {"config", "check"}, {"config", "check", "--json"}, {"audit", "--json"},
		{"events", "status", "--json"}, {"events", "dead", "list", "--json"}, {"saga", "list", "--json"}, {"migrate", "--status"},
		{"user", "grant", "eve@example.com", "--role", "staff"}, {"events", "list", "--from", "identity", "--json"},
		{"events", "list", "--from", "orders", "--json"}, {"events", "list", "--from", "payments", "--json"},
	} {
		r := l.at.App(l.t, args...)
		l.hear("app "+strings.Join(args, " "), r.Stdout+r.Stderr)
	}
	var sagas []struct{ ID string }
	l.at.JSON(l.t, &sagas, "saga", "list", "--json")
	require.NotEmpty(l.t, sagas)
	for _, saga := range sagas { // of a checkout under way too, which still has its card
		r := l.at.App(l.t, "saga", "show", saga.ID, "--json")
		require.Contains(l.t, r.Stdout, `"state"`)
		l.hear("app saga show", r.Stdout+r.Stderr)
	}
	for _, setting := range []string{
		"BANYAN_ADMIN_PASSWORD=pw-%.5s", "BANYAN_DATABASE_URL=mysql://u:%s@h/db", "BANYAN_DATABASE_URL=postgres://u:%s@127.0.0.1:1/db", "BANYAN_DATABASE_URL=postgres://u:%%zz%s@h/db",
		"BANYAN_PAYMENTS_PROVIDER_URL=ftp://u:%s@h/", "BANYAN_AMQP_URL=amqp://u:%s@h/", "BANYAN_ADMIN_PASSWORD_=%s",
	} {
		bad := l.at.With(fmt.Sprintf(setting, l.new("secret in a bad setting", "setting-")))
		command := []string{"config", "check"}
		if strings.Contains(setting, "127.0.0.1:1") { // well-formed: it is the connection that fails
			command = []string{"migrate", "--status"}
		}
		r := bad.App(l.t, command...)
		l.hear("app "+strings.Join(command, " ")+" with "+setting, r.Stdout+r.Stderr)
	}
	if address := l.at.Setting("BANYAN_AMQP_URL"); address != "" { // well-formed: the broker does not let us in
		u, err := url.Parse(address)
		require.NoError(l.t, err)
		u.User = url.UserPassword("shop", l.new("wrong password of the broker", "amqppw-"))
		r := l.at.With("BANYAN_AMQP_URL="+u.String(), "BANYAN_AMQP_USERS_FILE=").App(l.t, "events", "dead", "list")
		require.NotZero(l.t, r.Code)
		l.hear("app events dead list of a broker that refuses", r.Stdout+r.Stderr)
	}
	file := filepath.Join(l.t.TempDir(), "bad.yaml")
	for _, text := range []string{"admin:\n  password: *%s\n", "admin:\n  password: \"%s\n", "admin: {password: [%s]}\n", "payments:\n  api_key: !x %s\n  webhook_secret: &%s\n"} {
		secret := l.new("secret in a bad file", "file")
		require.NoError(l.t, os.WriteFile(file, []byte(strings.ReplaceAll(text, "%s", secret)), 0o600))
		r := l.at.App(l.t, "config", "check", "--config", file)
		l.hear("app config check of a bad file", r.Stdout+r.Stderr)
	}
}

func (l *leaky) metrics() {
	for _, s := range append([]*shoptest.Server{l.shop}, l.shop.Others...) {
		for _, path := range []string{"/metrics", "/health/ready", "/health/live"} {
			res, err := http.Get(s.Ops + path)
			require.NoError(l.t, err)
			raw, err := io.ReadAll(res.Body)
			require.NoError(l.t, err)
			require.NoError(l.t, res.Body.Close())
			l.hear(path, string(raw))
		}
	}
	l.hear("the API's description", l.shop.Anyone().Get(l.t, "//openapi.json").Raw)
}

// breakdown takes tables away under a running shop: what is asked then is a 500,
// with statements and errors in the log.
func (l *leaky) breakdown() {
	for _, table := range []string{"users", "refresh_tokens"} {
		l.exec("identity", "ALTER TABLE "+table+" RENAME TO "+table+"_gone")
	}
	anyone := l.shop.Anyone()
	password := l.new("password at a breakdown", "brokenpw-")
	require.Equal(l.t, http.StatusInternalServerError, l.ask(anyone, "POST", "/sessions", shoptest.Object{"email": "eve@example.com", "password": password}).Status)
	require.Equal(l.t, http.StatusInternalServerError, l.ask(anyone, "POST", "/users", shoptest.Object{"email": "new@example.com", "password": password, "name": "N"}).Status)
	require.Equal(l.t, http.StatusInternalServerError, l.ask(anyone, "POST", "/sessions/refresh", shoptest.Object{"refresh_token": l.new("refresh token at a breakdown", "brokenrt-")}).Status)
	for _, table := range []string{"users", "refresh_tokens"} {
		l.exec("identity", "ALTER TABLE "+table+"_gone RENAME TO "+table)
	}
}

var (
	hashes = regexp.MustCompile(`\$argon2id\$[^\s,)"]+`)
	keys   = regexp.MustCompile(`MC4CAQAwBQYDK2Vw[A-Za-z0-9+/=]{40,}`) // Ed25519 as PKCS #8 begins like this
)

// postgres is the shop's database, nil with SQLite.
func (l *leaky) postgres() *sql.DB {
	l.t.Helper()
	for _, s := range l.at.Settings {
		if address, ok := strings.CutPrefix(s, "BANYAN_DATABASE_URL="); ok {
			db, err := sql.Open("pgx", address)
			require.NoError(l.t, err)
			l.t.Cleanup(func() { _ = db.Close() })
			return db
		}
	}
	return nil
}

// sqlite opens a module's file beside the shop.
func (l *leaky) sqlite(module string) *database.DB {
	l.t.Helper()
	db, err := testenv.Open(l.t, database.Config{Dir: l.at.Data}).Module(l.t.Context(), module, 1)
	require.NoError(l.t, err)
	return db
}

// exec runs a statement in a module's tables.
func (l *leaky) exec(module, statement string) {
	l.t.Helper()
	if db := l.postgres(); db != nil {
		_, err := db.ExecContext(l.t.Context(), strings.Replace(statement, "TABLE ", "TABLE "+module+".", 1))
		require.NoError(l.t, err)
		return
	}
	db := l.sqlite(module)
	require.NoError(l.t, db.Atomic(l.t.Context(), func(ctx context.Context) error { return db.Conn(ctx).Exec(statement).Error }))
}

// kept is every row of every table, as text.
func (l *leaky) kept() string {
	l.t.Helper()
	var all strings.Builder
	if db := l.postgres(); db != nil {
		for _, table := range l.column(db, `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables
			WHERE table_schema NOT IN ('pg_catalog', 'information_schema')`) {
			all.WriteString(strings.Join(l.column(db, "SELECT t::text FROM "+table+" t"), "\n") + "\n")
		}
		return all.String()
	}
	files, err := filepath.Glob(filepath.Join(l.at.Data, "*.db"))
	require.NoError(l.t, err)
	require.Greater(l.t, len(files), 6)
	for _, file := range files {
		db := l.sqlite(strings.TrimSuffix(filepath.Base(file), ".db"))
		var tables []string
		require.NoError(l.t, db.Conn(l.t.Context()).Raw("SELECT name FROM sqlite_master WHERE type = 'table'").Scan(&tables).Error)
		for _, table := range tables {
			var rows []map[string]any
			require.NoError(l.t, db.Conn(l.t.Context()).Table(table).Find(&rows).Error)
			fmt.Fprintln(&all, rows)
		}
	}
	return all.String()
}

func (l *leaky) column(db *sql.DB, query string) (texts []string) {
	l.t.Helper()
	rows, err := db.QueryContext(l.t.Context(), query)
	require.NoError(l.t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		require.NoError(l.t, rows.Scan(&text))
		texts = append(texts, text)
	}
	require.NoError(l.t, rows.Err())
	return texts
}
