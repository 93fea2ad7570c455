// Package config reads the settings of the program: defaults in code, then the
// file banyan.yaml, then BANYAN_ variables, then flags, each winning over those
// before it.
//
// What belongs here: what can be set, what is allowed, and where a value came
// from. What does not: what the settings do. The package knows no module; which
// module names exist is told by the caller.
package config

import (
	"slices"
	"strings"
	"time"
)

// Config is everything that can be set. Every leaf carries its key, its rule and
// one sentence of documentation; the example file is made from these.
type Config struct {
	HTTP     HTTP     `koanf:"http"`
	Ops      Ops      `koanf:"ops"`
	Data     Data     `koanf:"data"`
	Database Database `koanf:"database"`
	AMQP     AMQP     `koanf:"amqp"`

	Modules   []string `koanf:"modules" validate:"min=1,dive,required" doc:"Modules that this process runs, separated by commas; all runs every one."`
	Admin     Admin    `koanf:"admin"`
	RateLimit Switch   `koanf:"rate_limit" doc:"on or off. On: 50 requests a second for each user, and for each address without one, and 100 at once after a rest (RateLimit-Limit says these 100); ten times as many for all users of one address. Off is for load tests; log-in throttling stays on."`
	Currency  string   `koanf:"currency" validate:"iso4217" doc:"The one currency of the store, ISO 4217. Do not change it once there are prices."`

	Log             Log           `koanf:"log"`
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout" validate:"gt=0,lte=10m" doc:"Longest time that stopping may take in all, before the process leaves anyway."`

	Ports     Ports     `koanf:"ports"`
	Events    Events    `koanf:"events"`
	Sagas     Sagas     `koanf:"sagas"`
	Inventory Inventory `koanf:"inventory"`
	Payments  Payments  `koanf:"payments"`
	Identity  Identity  `koanf:"identity"`

	Boundaries Boundaries `koanf:"boundaries"`

	origins map[string]origin // by key; absent: default
}

// HTTP is the shop's own listener.
type HTTP struct {
	Addr              string        `koanf:"addr" validate:"listen" doc:"Address of the shop, host:port."`
	ReadHeaderTimeout time.Duration `koanf:"read_header_timeout" validate:"gt=0,lte=1h" doc:"Longest time a client may take to send its request headers."`
	ReadTimeout       time.Duration `koanf:"read_timeout" validate:"gt=0,lte=1h" doc:"Longest time a client may take to send a whole request; a body that is not all here by then is answered with 408."`
	WriteTimeout      time.Duration `koanf:"write_timeout" validate:"gt=0,lte=1h" doc:"Longest time from the end of the request headers to the end of the response."`
	IdleTimeout       time.Duration `koanf:"idle_timeout" validate:"gt=0,lte=1h" doc:"How long an idle connection is kept open."`
	BodyLimit         Bytes         `koanf:"body_limit" validate:"gte=1024,lte=104857600" doc:"Largest request body; more is answered with 413."`
	Connections       int           `koanf:"connections" validate:"gte=1,lte=1000000" doc:"Client connections at a time; one more is answered with 503 and closed. Keep it below the limit of open files."`
	InFlight          int           `koanf:"in_flight" validate:"gte=1,lte=100000" doc:"Requests at work at a time, for each of: reads, writes, and what moves money or stock. The others wait for their turn."`
	Queue             int           `koanf:"queue" validate:"gte=1,lte=1000000" doc:"Requests that wait for their turn, of each of these three; more are answered with 503."`
	QueueWait         time.Duration `koanf:"queue_wait" validate:"gt=0,lte=10s" doc:"Longest wait for a turn, then 503; a tenth of it while the queue has not been empty for as long."`
	DrainDelay        time.Duration `koanf:"drain_delay" validate:"gte=0,lte=1m" doc:"When told to stop: how long requests are still taken, not ready any more, and clients asked to close their connections. Longer than a load balancer takes to notice, and 12s shorter than shutdown_timeout."`
	TrustedProxies    []string      `koanf:"trusted_proxies" validate:"dive,cidr" doc:"Networks (CIDR) whose X-Forwarded-For is believed, separated by commas; none by default."`
}

// Ops is the listener for operators: metrics, health, the payment sandbox.
type Ops struct {
	Addr      string `koanf:"addr" validate:"listen" doc:"Address for operators (/metrics, /health, /sandbox/psp), host:port. Not for the public."`
	Profiling Switch `koanf:"profiling" doc:"on or off. On serves Go's profiles (/debug/pprof) on ops.addr to whoever sends an admin's token, and makes the program a little slower."`
}

// Data is where files live.
type Data struct {
	Dir string `koanf:"dir" validate:"required" doc:"Folder of the SQLite files and of everything else kept on disk."`
}

// Database is where rows live.
type Database struct {
	URL        string `koanf:"url" validate:"omitempty,postgres" secret:"url" doc:"postgres://user:password@host:5432/name; an @ in the password is written %40. Empty: SQLite files in data.dir."`
	Pool       int    `koanf:"pool" validate:"gte=1,lte=1000" doc:"PostgreSQL connections of this process, all modules together."`
	SingleRole bool   `koanf:"single_role" doc:"true where the server's owner grants no right to make a role per module."`
}

// AMQP is the message broker.
type AMQP struct {
	URL      string `koanf:"url" validate:"omitempty,amqp" secret:"url" doc:"amqp://user:password@host:5672/vhost, or amqps://; an @ in the password is written %40. Brings events between modules, and the calls of ports.rabbitmq. Empty: everything stays in this process."`
	CAFile   string `koanf:"ca_file" doc:"Certificates (PEM) by which the broker is known, for amqps. Empty: those of the system."`
	CertFile string `koanf:"cert_file" doc:"Our own certificate (PEM), where the broker asks for one; needs amqp.key_file."`
	KeyFile  string `koanf:"key_file" doc:"Key (PEM) of that certificate."`
	Users    string `koanf:"users_file" doc:"File with a line module:password for each module that runs here: each then has connections, and a user on the broker, of its own. The user of amqp.url then only calls other modules. Empty: that user does all."`
}

// Admin is made sure of at each start.
type Admin struct {
	Email    string `koanf:"email" validate:"omitempty,email" doc:"E-mail of an admin. Each start makes the user where there is none with it, and gives the role and admin.password to one who is there, a customer too; needs admin.password."`
	Password string `koanf:"password" validate:"omitempty,min=12,max=1024" secret:"yes" doc:"Password of that admin, at least 12 characters; needs admin.email. Each start sets it, in place of one that was set since; a change ends the sessions of that user."`
}

// Log is how logs are written.
type Log struct {
	Level  string `koanf:"level" validate:"oneof=debug info warn error" doc:"Least serious level that is written: debug, info, warn, error."`
	Format string `koanf:"format" validate:"oneof=json text" doc:"json for machines, text for people."`
}

// Ports is how modules call each other.
type Ports struct {
	LoopbackSample float64  `koanf:"loopback_sample" validate:"gte=0,lte=1" doc:"Fraction (0 to 1) of the calls between modules that go through the wire's form in memory, as if the module were a service."`
	RabbitMQ       []string `koanf:"rabbitmq" validate:"dive,required" doc:"Modules whose calls go over RabbitMQ although they run in this process, separated by commas; all for every one. Modules that do not run here are always called over RabbitMQ."`
	SigningKey     string   `koanf:"signing_key" validate:"omitempty,min=32,max=1024" secret:"yes" doc:"Key, at least 32 characters, by which the processes of the shop believe each other who is asking; the same for all of them. Needed with amqp.url."`
}

// Events is the event log.
type Events struct {
	Retention time.Duration `koanf:"retention" validate:"gte=24h" doc:"How long sent events stay in the event log; read models are rebuilt from it. At least 24h; days are written 90d."`
}

// Sagas are the workflows of orders and wallets.
type Sagas struct {
	Retention time.Duration `koanf:"retention" validate:"gte=48h" doc:"How long an ended saga can be looked at with app saga show; parked ones stay. At least 48h; days are written 90d."`
}

// Inventory is about reservations.
type Inventory struct {
	HoldTTL time.Duration `koanf:"hold_ttl" validate:"gte=1s,lte=24h" doc:"How long stock is reserved for a checkout; after it the stock comes back, and an order that is not paid by then is rejected. Shorter than a checkout may take (5m) turns slow payers away."`
}

// Payments is the provider of card payments.
type Payments struct {
	ProviderURL   string `koanf:"provider_url" validate:"omitempty,web" secret:"url" doc:"Base URL of the payment provider. Empty: the built-in sandbox on ops.addr."`
	APIKey        string `koanf:"api_key" secret:"yes" doc:"Key for that provider; needed with payments.provider_url."`
	WebhookSecret string `koanf:"webhook_secret" secret:"yes" doc:"Secret that the provider signs its webhooks with; empty: none is believed."`
	Sandbox       Switch `koanf:"sandbox" doc:"on: this process runs the sandbox though payments runs in another one, which names it in payments.provider_url. Both need the same payments.api_key and payments.webhook_secret."`
}

// Identity is about tokens.
type Identity struct {
	Issuer string `koanf:"issuer" validate:"omitempty,http_url" doc:"Issuer URL in access tokens, as clients reach the shop; the same in every process of it, and needed where there are several. Empty: http:// and http.addr."`
}

// Boundaries is the guard between the modules' tables.
type Boundaries struct {
	Guard string `koanf:"guard" validate:"oneof=refuse report off" doc:"What becomes of a statement that touches another module's table: refuse, report (a log line and a metric) or off."`
	File  string `koanf:"file" doc:"File to which the guard adds what it saw, as JSON lines for app boundaries --observed. Empty: none."`
}

// Defaults gives the settings of a program that was told nothing.
func Defaults() Config {
	return Config{
		HTTP: HTTP{
			Addr:              "127.0.0.1:8080",
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       30 * time.Second,
			WriteTimeout:      60 * time.Second,
			IdleTimeout:       2 * time.Minute,
			BodyLimit:         1 << 20,
			Connections:       4096,
			InFlight:          64,
			Queue:             1024,
			QueueWait:         3 * time.Second,
			DrainDelay:        time.Second,
		},
		Ops:             Ops{Addr: "127.0.0.1:8081"},
		Data:            Data{Dir: "./data"},
		Database:        Database{Pool: 45},
		Modules:         []string{"all"},
		RateLimit:       true,
		Currency:        "USD",
		Log:             Log{Level: "info", Format: "text"},
		ShutdownTimeout: 25 * time.Second,
		Events:          Events{Retention: 90 * 24 * time.Hour},
		Sagas:           Sagas{Retention: 90 * 24 * time.Hour},
		Inventory:       Inventory{HoldTTL: 15 * time.Minute},
		Boundaries:      Boundaries{Guard: "report"},
	}
}

// IssuerURL is identity.issuer, or what follows from http.addr where that is empty.
func (c Config) IssuerURL() string {
	if c.Identity.Issuer != "" {
		return strings.TrimSuffix(c.Identity.Issuer, "/")
	}
	addr := c.HTTP.Addr
	if strings.HasPrefix(addr, ":") {
		addr = "localhost" + addr
	}
	return "http://" + addr
}

// Runs tells whether this process runs the named module.
func (c Config) Runs(module string) bool { return named(c.Modules, module) }

// OverRabbitMQ tells whether calls to the named module leave this process.
func (c Config) OverRabbitMQ(module string) bool {
	return !c.Runs(module) || named(c.Ports.RabbitMQ, module)
}

func named(list []string, module string) bool {
	return slices.Contains(list, module) || slices.Contains(list, "all")
}
