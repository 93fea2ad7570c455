// Package identitymodule puts the parts of identity together. It is the only
// door to its internals, and only the composition root may use it.
package identitymodule

import (
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/identity/internal/core"
	"github.com/banyan-tree/banyan/modules/identity/internal/password"
	"github.com/banyan-tree/banyan/modules/identity/internal/store"
	"github.com/banyan-tree/banyan/modules/identity/internal/token"
)

// Deps is what identity needs.
type Deps struct {
	DB      *database.DB
	Now     clock.Clock
	NewID   id.Source
	Log     *slog.Logger
	Metrics prometheus.Registerer // may be nil
	Issuer  string                // iss of access tokens: the shop's URL
}

// Module is identity, ready to be served. It consumes no events, and what its
// tables must hold to, their constraints enforce: Consumer and Checks are nil.
type Module struct {
	Service  identity.Service
	Outbox   *event.Outbox
	Consumer *event.Consumer
	Tasks    []run.Task
	Checks   []audit.Check
}

// New puts the module together. It touches no database.
func New(d Deps) (*Module, error) {
	if d.Issuer == "" {
		return nil, errors.New("identity: an issuer is needed: the URL under which clients reach the shop")
	}
	outbox := event.NewOutbox(d.DB, d.Now, d.NewID)
	count, err := counter(d.Metrics)
	if err != nil {
		return nil, err
	}
	svc := core.New(core.Deps{
		Store: store.New(d.DB), Passwords: password.New(), Tokens: token.Format{}, Events: outbox,
		Now: d.Now, NewID: d.NewID, Log: d.Log, Issuer: d.Issuer, Count: count,
	})
	return &Module{
		Service: svc,
		Outbox:  outbox,
		Tasks: []run.Task{
			run.Every(core.RotateEvery, "identity.keys", d.Log, svc.Rotate),
			run.Every(core.PurgeEvery, "identity.purge", d.Log, svc.Purge),
		},
	}, nil
}

// counter counts what happens to sessions; nil without a registerer.
func counter(reg prometheus.Registerer) (func(what string), error) {
	if reg == nil {
		return nil, nil //nolint:nilnil // nothing is counted then
	}
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "banyan", Subsystem: "identity", Name: "sessions_total",
		Help: "What happened to log-ins and refresh tokens.",
	}, []string{"what"})
	var have prometheus.AlreadyRegisteredError
	if err := reg.Register(vec); errors.As(err, &have) { // by another instance in this process
		same, ok := have.ExistingCollector.(*prometheus.CounterVec)
		if !ok {
			return nil, err
		}
		vec = same
	} else if err != nil {
		return nil, err
	}
	return func(what string) { vec.WithLabelValues(what).Inc() }, nil
}

// Migrations of everything that identity keeps.
func Migrations() []database.Migrations {
	return []database.Migrations{migrations.Of("identity"), event.OutboxMigrations()}
}
