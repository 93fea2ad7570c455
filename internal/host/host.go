// Package host runs modules in a process: it opens their data, takes their events
// and calls to where they go, and knows in which order all of it starts. The whole
// shop and a service that has moved out of it stand on the same host.
//
// What belongs here: what every process with a module in it needs. What does not:
// which modules those are, and what they do.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/saga"
)

// Deps is what a host needs. Metrics and Tracer may be nil.
type Deps struct {
	Config  config.Config
	Log     *slog.Logger
	Metrics *prometheus.Registry
	Tracer  trace.Tracer
	// Existing is for who only looks: where there are no data none are begun.
	Existing bool
}

// Part is what a module hands to its host. All but Serve may be nil.
type Part struct {
	Serve       func(*port.Server)
	Outbox      *event.Outbox
	Consumer    *event.Consumer
	Tasks       []run.Task
	Checks      []audit.Check
	Health      []health.Check
	Sagas       *saga.Engine
	Projections *eventstore.Feed
	Inherit     func(ctx context.Context) error // takes over what a dead process had claimed
	Fits        func(ctx context.Context) error // says why its data and the settings do not go together
}

// Host is the modules of this process. Nothing of it runs until its tasks do, so
// commands can use it beside a running server.
type Host struct {
	Deps
	Cluster     *database.Cluster
	Databases   map[string]*database.DB // by module
	Bus         *event.Bus
	Broker      *rabbit.Broker // of this process; nil: everything stays in it
	Sagas       []*saga.Engine // of the modules that have any
	Projections []*eventstore.Feed
	Tasks       []run.Task
	Checks      []audit.Check
	Probes      []health.Check // of what modules depend on

	users    rabbit.Users              // of the broker; nil: one for all modules
	brokers  map[string]*rabbit.Broker // of the modules that have users of their own
	dial     func(url, process string) (*rabbit.Broker, error)
	unusable error // why a module has no way to the broker

	signer  port.Signer
	inboxes []string // modules that the broker brings events to
	heirs   []func(ctx context.Context) error
	fits    []func(ctx context.Context) error
	hangUp  func() // ends the calls of a command; nil: it makes none
}

// Open opens the database and prepares the ways of calls and events. The caller
// closes it.
func Open(ctx context.Context, d Deps) (_ *Host, err error) {
	if d.Metrics == nil {
		d.Metrics = prometheus.NewRegistry()
	}
	if d.Tracer == nil {
		d.Tracer = noop.NewTracerProvider().Tracer("banyan")
	}
	h := &Host{Deps: d, Databases: map[string]*database.DB{}}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	if h.signer, err = newSigner(d.Config.Ports.SigningKey); err != nil {
		return nil, err
	}
	if h.Bus, err = event.NewBus(d.Log, d.Metrics); err != nil {
		return nil, fmt.Errorf("make the event bus: %w", err)
	}
	if h.Cluster, err = OpenCluster(ctx, d); err != nil {
		return nil, err
	}
	if err := h.openBroker(); err != nil {
		return nil, err
	}
	return h, nil
}

// OpenCluster opens the database that the settings name, with the guard between
// its modules.
func OpenCluster(ctx context.Context, d Deps) (*database.Cluster, error) {
	cfg := d.Config
	at := database.Config{
		URL: cfg.Database.URL, Dir: cfg.Data.Dir, Pool: cfg.Database.Pool, SingleRole: cfg.Database.SingleRole, Logger: d.Log,
		Guard: database.Guard(cfg.Boundaries.Guard), GuardFile: cfg.Boundaries.File, Existing: d.Existing,
	}
	if d.Metrics != nil {
		at.Metrics = d.Metrics
	}
	cluster, err := database.Open(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", whatNext(cfg, err))
	}
	return cluster, nil
}

// whatNext adds to the error of who only looks, and finds nothing, what to do.
func whatNext(cfg config.Config, err error) error {
	if !errors.Is(err, database.ErrNoData) {
		return err
	}
	setting := "data.dir (BANYAN_DATA_DIR, in app also --data-dir)"
	if cfg.Database.URL != "" {
		setting = "database.url (BANYAN_DATABASE_URL, in app also --database-url)"
	}
	return fmt.Errorf("%w; say with %s where the data are. Data that were lost come from a backup, together with those of the other modules; "+
		"for a new shop or module, \"serve\" begins them", err, setting)
}

// Data opens a module's data and brings it up to date. The weight is its share of
// the PostgreSQL connections.
func (h *Host) Data(ctx context.Context, module string, weight int, sets []database.Migrations) (*database.DB, error) {
	db, err := h.Cluster.Module(ctx, module, weight)
	if err != nil {
		return nil, fmt.Errorf("open the data of %s: %w", module, whatNext(h.Config, err))
	}
	h.Databases[module] = db
	if err := db.Migrate(ctx, sets...); err != nil {
		return nil, fmt.Errorf("migrate %s: %w", module, err)
	}
	return db, nil
}

// Begun names the files that were not there and were made, beside others that were:
// either modules are new here, or their data were lost. In a new shop it names none.
func (h *Host) Begun() []string {
	var begun []string
	for _, db := range h.Databases {
		if file := db.Begun(); file != "" {
			begun = append(begun, file)
		}
	}
	if len(begun) == len(h.Databases) {
		return nil
	}
	slices.Sort(begun)
	return begun
}

// Add takes what a module does by itself. Call Finish after the last.
func (h *Host) Add(p Part) {
	if p.Outbox != nil {
		h.publish(p.Outbox)
	}
	if p.Consumer != nil {
		h.subscribe(p.Consumer)
	}
	h.Tasks = append(h.Tasks, p.Tasks...)
	h.Checks = append(h.Checks, p.Checks...)
	h.Probes = append(h.Probes, p.Health...)
	if p.Sagas != nil {
		h.Sagas = append(h.Sagas, p.Sagas)
	}
	if p.Projections != nil {
		h.Projections = append(h.Projections, p.Projections)
	}
	if p.Inherit != nil {
		h.heirs = append(h.heirs, p.Inherit)
	}
	if p.Fits != nil {
		h.fits = append(h.fits, p.Fits)
	}
}

// Finish orders the tasks: first the broker, whose queues are bound before anything
// else begins unless it is away, then the calls that leave us, then events, then the
// modules' own. It is an error where a module has no way to the broker.
func (h *Host) Finish(leaving []func()) error {
	if h.unusable != nil {
		return h.unusable
	}
	if lost := h.Begun(); len(lost) > 0 {
		h.Log.Warn("there were no data of some modules beside those of others, and they were begun anew; if they were lost, stop, and restore "+
			"the data of all modules from one backup; modules that are new here begin like this", "files", lost)
	}
	h.Bus.Retention(h.Config.Events.Retention)
	h.Checks = append(h.Checks, h.Bus.Checks()...)
	tasks := h.Bus.Tasks()
	if h.Broker != nil {
		h.Bus.Sink(toBroker{h})
		h.Checks = append(h.Checks, audit.Check{
			Rule: "events.nothing_put_aside", Says: "The broker keeps no message that a module could not take over.", Run: h.auditDeadLetters,
		})
		tasks = append(append(h.brokerTasks(), routing(leaving)), tasks...)
	}
	h.Tasks = append(tasks, h.Tasks...)
	return nil
}

// Fits says why the data of modules and the settings do not go together: who goes on
// would do harm. It is for who sells or brings things in.
func (h *Host) Fits(ctx context.Context) error {
	for _, fits := range h.fits {
		if err := fits(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Attend makes this process a server. One that finds no other takes over at once
// what a crash left claimed; beside others, claims lapse in their time.
func (h *Host) Attend(ctx context.Context) error {
	alone := false
	err := h.Cluster.Attend(ctx, func(ctx context.Context) error {
		alone = true
		for _, inherit := range append(h.heirs, h.Bus.Inherit) {
			if err := inherit(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && !alone && h.Cluster.Dialect() == database.SQLite {
		h.Log.WarnContext(ctx, "another server has the same data; if it does not stop now, which is so in a restart, stop one of them: "+
			"they wait for each other's writes, neither takes over at once what the other leaves when it dies, and one refuses the other's "+
			"access tokens unless identity.issuer is the same in both; several servers are for PostgreSQL (database.url)", "data", h.Cluster.Describe())
	}
	return err
}

// Close gives back what the host holds open.
func (h *Host) Close() {
	if h.hangUp != nil {
		h.hangUp()
	}
	if h.Cluster != nil {
		if err := h.Cluster.Close(); err != nil {
			h.Log.Warn("close the database", "error", err)
		}
	}
}

// Watch adds a check for each database, for what modules depend on, and for the broker.
func (h *Host) Watch(r *health.Registry) {
	for name, db := range h.Databases {
		r.Add(health.Check{Name: "database." + name, Run: func(ctx context.Context) (string, error) {
			return string(db.Dialect()), db.Ping(ctx)
		}})
	}
	r.Add(h.Probes...)
	if h.Broker != nil {
		r.Add(h.brokerHealth())
	}
}
