// Package rabbit brings calls and events between processes over RabbitMQ. It is
// the only importer of amqp091.
//
// What belongs here: connections and how they heal, what is declared on the
// broker, the transports of internal/port and internal/event, dead letters. What
// does not: which module runs where, and what any message means.
//
// A process has two connections. Out publishes: calls with their replies, replies
// to others, events. In consumes: calls to the modules of this process, and their
// events. So a broker that stops reading from publishers still gets the
// acknowledgements of what it delivered.
package rabbit

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Config says how the broker is reached. Zero values take the defaults.
type Config struct {
	URL      string // amqp://user:password@host:5672/vhost, or amqps://
	CAFile   string // certificates (PEM) that the broker's is checked against; empty: the system's
	CertFile string // our own certificate (PEM), where the broker asks for one; with KeyFile
	KeyFile  string
	Process  string // name shown by the broker: "banyan"
	Log      *slog.Logger
	Metrics  *Metrics // nil: nothing is counted
}

// Broker is the way of one process to RabbitMQ. Nothing is connected until its
// tasks run.
type Broker struct {
	cfg       Config
	tls       *tls.Config
	user      string // who we are on the broker
	out       *gate[*outbound]
	in        *gate[*session]
	served    []*served
	consumers []*consumption
	sources   []source
	workers   sync.WaitGroup // whoever is at work for a message that came
	bind      sync.Once
	bound     chan struct{}         // closed once all queues of this process were bound
	trouble   atomic.Pointer[error] // why the last session ended, or was not built
}

// New makes a broker from settings. Errors: a URL that is none, certificates that
// cannot be read.
func New(cfg Config) (*Broker, error) {
	at, err := amqp.ParseURI(cfg.URL)
	if err != nil {
		// What is wrong with it may quote it, and it has a password in it.
		return nil, errors.New("the broker's address must have the form amqp://user:password@host:5672/vhost (or amqps://)")
	}
	if cfg.Process == "" {
		cfg.Process = "banyan"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	b := &Broker{cfg: cfg, user: at.Username, out: newGate[*outbound](), in: newGate[*session](), bound: make(chan struct{})}
	return b, b.readTLS()
}

// readTLS prepares what an encrypted connection needs.
func (b *Broker) readTLS() error {
	if b.cfg.CAFile == "" && b.cfg.CertFile == "" {
		return nil // amqps:// then takes the system's certificates
	}
	b.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if b.cfg.CAFile != "" {
		pem, err := os.ReadFile(b.cfg.CAFile)
		if err != nil {
			return fmt.Errorf("read the broker's certificate authority: %w", err)
		}
		b.tls.RootCAs = x509.NewCertPool()
		if !b.tls.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate in PEM form", b.cfg.CAFile)
		}
	}
	if b.cfg.CertFile != "" {
		own, err := tls.LoadX509KeyPair(b.cfg.CertFile, b.cfg.KeyFile)
		if err != nil {
			return fmt.Errorf("read our certificate for the broker: %w", err)
		}
		b.tls.Certificates = []tls.Certificate{own}
	}
	return nil
}

// Address is where the broker is, without the password.
func (b *Broker) Address() string {
	u, err := url.Parse(b.cfg.URL)
	if err != nil {
		return "?"
	}
	return u.Redacted()
}
