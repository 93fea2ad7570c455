package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"
)

// Grace is what requests under way are given once the shop's listener is closed.
const Grace = 10 * time.Second

// afterDrain is what stopping may take once the shop's listener is closed: for requests
// under way, and a moment for what stops after them. Who gives less time to stop
// altogether gets no more than half of it to drain.
const afterDrain = Grace + 2*time.Second

// check applies the rules of every key and those between keys.
func check(cfg Config, keys []Key, modules []string) []Problem {
	var problems []Problem
	add := func(key, format string, args ...any) {
		problems = append(problems, cfg.Problem(key, format, args...))
	}

	var broken validator.ValidationErrors
	if err := rules().Struct(cfg); errors.As(err, &broken) {
		for _, b := range broken {
			_, name, _ := strings.Cut(b.Namespace(), ".")
			name, _, item := strings.Cut(name, "[")
			i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
			value := render(reflect.ValueOf(cfg).FieldByIndex(keys[i].index))
			if item {
				value = fmt.Sprint(b.Value())
			}
			detail := allowed(b)
			if keys[i].urlSecret && ambiguous(value) {
				detail += "; " + escapes
			}
			add(name, "%s %s", quoted(keys[i], value), detail)
		}
	}

	if (cfg.Admin.Email == "") != (cfg.Admin.Password == "") {
		set, missing := "admin.email", "admin.password"
		if cfg.Admin.Email == "" {
			set, missing = missing, set
		}
		add(set, "needs %s as well; set both or neither", missing)
	}
	if cfg.Payments.ProviderURL != "" && cfg.Payments.APIKey == "" {
		add("payments.provider_url", "needs payments.api_key as well, the key that the provider gave you")
	}
	if cfg.Payments.Sandbox && cfg.Payments.ProviderURL != "" {
		add("payments.sandbox", "is for a process whose payments talk to no other provider; leave out payments.provider_url or this")
	}
	if cfg.Payments.Sandbox && (cfg.Payments.APIKey == "" || cfg.Payments.WebhookSecret == "") {
		add("payments.sandbox", "needs payments.api_key and payments.webhook_secret as well, the same as in the process that runs payments; make each with: openssl rand -hex 32")
	}
	if (cfg.AMQP.CertFile == "") != (cfg.AMQP.KeyFile == "") {
		set, missing := "amqp.cert_file", "amqp.key_file"
		if cfg.AMQP.CertFile == "" {
			set, missing = missing, set
		}
		add(set, "needs %s as well; set both or neither", missing)
	}
	if cfg.AMQP.URL != "" && cfg.Ports.SigningKey == "" {
		add("amqp.url", "needs ports.signing_key as well, the same in every process of the shop; make one with: openssl rand -hex 32")
	}
	if cfg.AMQP.URL == "" && cfg.AMQP.Users != "" {
		add("amqp.users_file", "needs amqp.url as well, the address of the broker")
	}
	if cfg.AMQP.URL == "" && len(cfg.Ports.RabbitMQ) > 0 {
		add("ports.rabbitmq", "needs amqp.url as well, the address of the broker")
	}
	if len(modules) > 0 {
		known := true
		for _, list := range []struct {
			key   string
			names []string
		}{{"modules", cfg.Modules}, {"ports.rabbitmq", cfg.Ports.RabbitMQ}} {
			for _, m := range list.names {
				if m != "" && m != "all" && !slices.Contains(modules, m) {
					add(list.key, "%q is no module%s; known: all, %s", m, didYouMean(m, modules), strings.Join(modules, ", "))
					known = false
				}
			}
		}
		if i := slices.IndexFunc(modules, func(m string) bool { return !cfg.Runs(m) }); known && i >= 0 {
			if cfg.AMQP.URL == "" {
				add("modules", "%s is left out, but without amqp.url nothing reaches it in another process; set that, or run all", modules[i])
			} else if cfg.Identity.Issuer == "" {
				add("identity.issuer", "is needed where other processes run a part of the shop (%s is left out here): the URL under which clients reach the shop, the same in every process", modules[i])
			}
		}
	}
	if left := cfg.ShutdownTimeout - cfg.HTTP.DrainDelay; left < afterDrain && left < cfg.HTTP.DrainDelay {
		add("http.drain_delay", "%q leaves too little of shutdown_timeout (%s): requests under way and the rest of the shop need %s after it; raise shutdown_timeout to %s, or lower this",
			renderDuration(cfg.HTTP.DrainDelay), renderDuration(cfg.ShutdownTimeout), afterDrain, renderDuration(cfg.HTTP.DrainDelay+afterDrain))
	}
	if cfg.HTTP.Addr == cfg.Ops.Addr && !strings.HasSuffix(cfg.Ops.Addr, ":0") {
		add("ops.addr", "%q is taken by http.addr; the two need different ports", cfg.Ops.Addr)
	}
	return problems
}

// Problem says what is wrong with a key, and where that was set. It is for who sees only
// in use that a setting does not do.
func (c Config) Problem(key, format string, args ...any) Problem {
	where := "default"
	if o, ok := c.origins[key]; ok {
		where = o.where
	}
	return Problem{Where: where, Key: key, Detail: fmt.Sprintf(format, args...)}
}

func didYouMean(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return ", did you mean " + near + "?"
	}
	return ""
}

func rules() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string { return f.Tag.Get("koanf") })
	for tag, fn := range map[string]func(string) bool{
		"listen":   listenAddr,
		"postgres": postgresURL,
		"amqp":     amqpURL,
		"web":      webURL,
	} {
		// The only errors of registration are an empty tag and a nil function.
		_ = v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return fn(fl.Field().String()) }, true)
	}
	return v
}

func listenAddr(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " /@") {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}

func postgresURL(s string) bool { return isURL(s, "postgres", "postgresql") }
func amqpURL(s string) bool     { return isURL(s, "amqp", "amqps") }
func webURL(s string) bool      { return isURL(s, "http", "https") }

func isURL(s string, schemes ...string) bool {
	u, err := url.Parse(s)
	return err == nil && slices.Contains(schemes, u.Scheme) && u.Host != "" && !ambiguous(s)
}

// ambiguous tells whether readers of URLs could split this one differently, or not at
// all, as one whose password has an @, /, ? or # as it is: what one of them takes for
// the host, and shows, is then a part of the password.
func ambiguous(s string) bool {
	if _, err := url.Parse(s); err != nil {
		return true
	}
	_, rest, found := strings.Cut(s, "://")
	if !found {
		rest = s
	}
	at := strings.IndexByte(rest, '@')
	end := strings.IndexAny(rest, "/?#")
	return strings.Count(rest, "@") > 1 || at >= 0 && end >= 0 && end < at || strings.Contains(rest, "#")
}

// escapes tells how a password is written that makes a URL ambiguous, or none.
const escapes = "in its user and password write @ as %40, / as %2F, ? as %3F, # as %23, : as %3A and % as %25"

// allowed tells what a broken rule wants.
func allowed(b validator.FieldError) string {
	switch b.Tag() {
	case "listen":
		return "must be host:port with a port of 0 to 65535, such as 127.0.0.1:8080"
	case "postgres":
		return "must be postgres://user:password@host:port/database, or empty for SQLite"
	case "amqp":
		return "must be amqp://user:password@host:5672/vhost (or amqps://), or empty for one process"
	case "oneof":
		return "must be one of " + strings.ReplaceAll(b.Param(), " ", ", ")
	case "iso4217":
		return "must be the code of a currency, such as USD or EUR"
	case "email":
		return "must be an e-mail address"
	case "http_url", "web":
		return "must be a URL that starts with http:// or https://"
	case "cidr":
		return "must be a network such as 10.0.0.0/8 or 192.0.2.7/32"
	case "required":
		return "must not be empty"
	case "gt":
		return "must be more than " + b.Param()
	case "gte":
		return "must be at least " + b.Param()
	case "lte":
		return "must be at most " + b.Param()
	case "min":
		if b.Kind() == reflect.String {
			return "must have at least " + b.Param() + " characters"
		}
		return "must name at least " + b.Param()
	case "max":
		return "must have at most " + b.Param() + " characters"
	}
	return "breaks the rule " + b.Tag() + " " + b.Param()
}
