package saga

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/run"
)

const (
	defaultWorkers = 32
	defaultLease   = 30 * time.Second
	pollEvery      = time.Second
	// Where queueFull wait, who can still refuse to start a saga is told to. Those who
	// asked just before find room below queueSoft, where a new saga is claimed at once,
	// and those whose transactions are open by then below queueHard. What found no room
	// would wait in the table for as long as more come than can be done.
	queueFull, queueSoft, queueHard = 512, 1024, 2048
	// behindLimit is how long a saga may wait for its turn before no more should start.
	behindLimit = 5 * time.Second
	// stopPatience is how long sagas under way may go on when the process stops.
	stopPatience = 5 * time.Second
	// letGo bounds the writes of progress, which go on when the process stops.
	letGo = 10 * time.Second
	// crashLimit parks a saga whose process ended again and again while it ran:
	// it may be the reason.
	crashLimit = 20
	// suspicious is from how many crashes on a saga is not inherited at once.
	suspicious = 3
)

// Engine runs the sagas of one module.
type Engine struct {
	db      *database.DB
	now     clock.Clock
	log     *slog.Logger
	me      string // names this process's claims
	workers int
	lease   time.Duration
	keep    time.Duration // of ended sagas
	metrics *metrics
	defs    map[string]*definition
	wake    chan struct{}

	mu      sync.Mutex
	ctx     context.Context // of the running task; nil while none runs
	busy    int             // workers at work
	more    bool            // the table holds more due sagas than there was room for
	queue   []*instance
	active  map[string]*instance // queued and at work, by saga id
	waiters map[string][]chan Status
	idle    sync.WaitGroup // workers at work
	hurry   chan struct{}  // closed when nobody shall wait for a saga any more
}

// Option sets a property of an engine.
type Option func(*Engine)

// Workers bounds how many sagas run at a time in this process; 32 unless set.
func Workers(n int) Option { return func(e *Engine) { e.workers = n } }

// Lease is how long after a crash another instance takes a saga over; 30 s unless
// set. The claims of the living, at work or in the queue, are extended at each
// third of it.
func Lease(d time.Duration) Option { return func(e *Engine) { e.lease = d } }

// Metrics counts on reg.
func Metrics(reg prometheus.Registerer) Option {
	return func(e *Engine) { e.metrics = newMetrics(reg) }
}

// NewEngine makes the engine of the module that owns db.
func NewEngine(db *database.DB, now clock.Clock, log *slog.Logger, options ...Option) *Engine {
	e := &Engine{
		db: db, now: now, log: log, me: id.V7(),
		workers: defaultWorkers, lease: defaultLease, keep: defaultKeep,
		defs: map[string]*definition{}, active: map[string]*instance{}, waiters: map[string][]chan Status{},
		wake: make(chan struct{}, 1), hurry: make(chan struct{}),
	}
	for _, option := range options {
		option(e)
	}
	return e
}

// add refuses what can only be a mistake in wiring.
func (e *Engine) add(d *definition) {
	if d.name == "" || e.defs[d.name] != nil {
		panic("saga: a definition needs a name of its own: " + d.name)
	}
	for i, s := range d.steps {
		if s.name == "" || s.do == nil || slices.ContainsFunc(d.steps[:i], func(o step) bool { return o.name == s.name }) {
			panic("saga: each step of " + d.name + " needs a name of its own and Do: " + s.name)
		}
	}
	e.defs[d.name] = d
}

func (e *Engine) names() []string {
	names := make([]string, 0, len(e.defs))
	for name := range e.defs {
		names = append(names, name)
	}
	return names
}

// Task runs due sagas until its context ends. Sagas under way then stop after
// their present step is cancelled, and are free at once for others.
func (e *Engine) Task() run.Task {
	return run.Task{Name: "sagas of " + e.db.Module(), Run: e.run, Stop: e.settle}
}

func (e *Engine) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.mu.Lock()
	e.ctx = ctx
	e.mu.Unlock()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	beat := time.NewTicker(e.lease / 3)
	defer beat.Stop()
	least := e.workers
	for ctx.Err() == nil {
		if err := e.poll(ctx, least); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "look for due sagas", "module", e.db.Module(), "error", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
			least = e.workers
		case <-e.wake:
			least = 0
		case <-beat.C:
			least = 0
			if err := e.extendQueue(ctx); err != nil && ctx.Err() == nil {
				e.log.WarnContext(ctx, "extend the claims of sagas that wait for a worker", "module", e.db.Module(), "error", err)
			}
		}
	}
	e.mu.Lock()
	e.ctx = nil
	left := e.queue
	e.queue = nil
	for _, in := range left {
		delete(e.active, in.row.ID)
	}
	e.mu.Unlock()
	for _, in := range left {
		in.release(ctx)
	}
	e.idle.Wait()
	return nil
}

// settle gives sagas under way a moment to end by themselves.
func (e *Engine) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	for e.atWork() > 0 {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (e *Engine) atWork() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.active)
}

// poll claims as many due sagas as can be run soon, and so many at least however many
// wait here: while new ones come faster than they can be done, those in the table
// would never have their turn, and they were there before.
func (e *Engine) poll(ctx context.Context, least int) error {
	for ; ctx.Err() == nil; least = 0 {
		e.mu.Lock()
		room := max(2*e.workers-e.busy-len(e.queue), least)
		if len(e.queue) >= queueHard {
			room = 0
		}
		e.more = room <= 0
		e.mu.Unlock()
		if room <= 0 || len(e.defs) == 0 {
			return nil
		}
		rows, err := e.claim(ctx, room)
		if err != nil {
			return err
		}
		for _, r := range rows {
			e.submit(&instance{engine: e, def: e.defs[r.Name], row: r, resumed: true})
		}
		if len(rows) < room {
			return nil
		}
	}
	return nil
}

// poke makes the poller look now.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// hasRoom tells whether a saga that starts now will be run here soon.
func (e *Engine) hasRoom() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ctx != nil && len(e.queue) < queueSoft
}

// Pressed tells that more sagas start than this process can run: a new one would wait
// for seconds, those after it for longer. It is for who can still refuse to start one.
// From half of queueFull on it says so to some, to more of them the more wait: with
// one limit for all, many would start whenever one place is free, and all at once.
// https://doi.org/10.1109/90.251892 (random early detection)
func (e *Engine) Pressed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.queue)-queueFull/2 > rand.IntN(queueFull/2) || e.behind() >= behindLimit
}

// behind is how long the saga that started first of those in the queue has waited for
// a worker: about what one that starts now will wait. It needs e.mu.
func (e *Engine) behind() time.Duration {
	for _, in := range e.queue {
		if !in.resumed { // those from the table are in front, and have just come
			return time.Since(in.queued)
		}
	}
	return 0
}

// submit runs an instance as soon as there is a worker. Where there is no room
// the claim lapses, and the saga is found due.
func (e *Engine) submit(in *instance) {
	in.queued = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.ctx == nil || len(e.queue) >= queueHard:
		return
	case e.busy < e.workers:
		e.launch(in)
	case in.resumed: // it was due before all that wait here
		e.queue = slices.Insert(e.queue, 0, in)
	default:
		e.queue = append(e.queue, in)
	}
	e.active[in.row.ID] = in
}

// launch needs e.mu.
func (e *Engine) launch(in *instance) {
	e.busy++
	e.idle.Add(1)
	ctx, cancel := context.WithCancelCause(e.ctx)
	in.cancel = cancel
	go func() {
		// Deferred, so that a step that ends its goroutine leaves no worker behind.
		defer e.idle.Done()
		defer e.next(in)
		in.run(ctx)
	}()
}

// next gives the worker of an instance that ended to the one that waits longest.
func (e *Engine) next(in *instance) {
	in.cancel(nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy--
	if e.active[in.row.ID] == in {
		delete(e.active, in.row.ID)
	}
	for _, told := range e.waiters[in.row.ID] {
		if in.over != "" {
			told <- in.over
		}
		close(told)
	}
	delete(e.waiters, in.row.ID)
	if e.ctx == nil {
		return
	}
	if len(e.queue) > 0 {
		waiting := e.queue[0]
		e.queue = e.queue[1:]
		e.launch(waiting)
	} else if e.more {
		e.more = false
		e.poke()
	}
}
