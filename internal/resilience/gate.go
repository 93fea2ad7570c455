package resilience

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Why a Gate let somebody not in.
var (
	ErrQueueFull = errors.New("too many wait already")
	ErrWaited    = errors.New("waited too long for a turn")
	ErrPressed   = errors.New("there is more to do already than can be done soon")
)

// GateConfig says how much work is done at a time. Zero values take the defaults.
type GateConfig struct {
	Name    string        // in metrics: "http.reads"
	Places  int           // at work at a time; 64
	Queue   int           // that wait at most; 1024
	Wait    time.Duration // for a turn, while the queue is a passing one; 3 s
	Metrics prometheus.Registerer
}

// hurry is the share of Wait that anybody waits in a queue that does not pass.
const hurry = 10

// Gate bounds how many do something at a time. The others wait in a queue. One
// that was never empty for as long as Wait will not pass by waiting: then newcomers
// wait only a tenth of it, and the newest goes first, because whoever has waited
// longest has most likely gone. So a burst is served whole, and under lasting
// overload those who are served are served soon.
// https://queue.acm.org/detail.cfm?id=2839461 (controlled delay, adaptive LIFO)
type Gate struct {
	cfg  GateConfig
	give func() bool // leave
	shed *prometheus.CounterVec

	mu     sync.Mutex
	inside int
	queue  list.List // of chan struct{}, closed when it is their turn
	since  time.Time // when the queue was last empty
}

// NewGate makes an open gate.
func NewGate(cfg GateConfig) (*Gate, error) {
	cfg.Places, cfg.Queue, cfg.Wait = orElse(cfg.Places, 64), orElse(cfg.Queue, 1024), orElse(cfg.Wait, 3*time.Second)
	g := &Gate{cfg: cfg}
	g.give = func() bool { g.leave(); return true }
	var err error
	if cfg.Metrics != nil {
		err = g.register(cfg.Metrics)
	}
	return g, err
}

func (g *Gate) register(reg prometheus.Registerer) (err error) {
	g.shed, err = registered(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "banyan_gate_shed_total", Help: "Turned away: queue_full, waited, pressed (it would have led to work for which there is no room), gone (who asked went away while waiting).",
	}, []string{"gate", "reason"}))
	if err != nil {
		return err
	}
	gauge := func(name, help string, value func() int) error {
		_, err := registered[prometheus.Collector](reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{"gate": g.cfg.Name},
		}, func() float64 {
			g.mu.Lock()
			defer g.mu.Unlock()
			return float64(value())
		}))
		return err
	}
	return errors.Join(
		gauge("banyan_gate_in_flight", "At work behind the gate.", func() int { return g.inside }),
		gauge("banyan_gate_queued", "Waiting for their turn.", func() int { return g.queue.Len() }),
	)
}

// Look tells whether there is room to wait for a turn, for who has something to do
// before. Error: ErrQueueFull.
func (g *Gate) Look() error {
	g.mu.Lock()
	full := g.queue.Len() >= g.cfg.Queue
	g.mu.Unlock()
	if full {
		g.count(ErrQueueFull)
		return ErrQueueFull
	}
	return nil
}

// Enter waits for a turn. leave, which may be called twice, gives the place to the
// next; so does Rest with the context that Enter gives. Errors: ErrQueueFull,
// ErrWaited, or what ended ctx.
func (g *Gate) Enter(ctx context.Context) (inside context.Context, leave func(), err error) {
	if err := g.wait(ctx); err != nil {
		g.count(err)
		return nil, nil, err
	}
	p := &place{give: g.give}
	return context.WithValue(ctx, placeKey{}, p), func() { p.leave() }, nil
}

// place is one place, left once.
type place struct {
	give  func() bool
	left  sync.Once
	rests bool
}

func (p *place) leave() bool {
	p.left.Do(func() { p.rests = p.give() })
	return p.rests
}

type placeKey struct{}

// Rest says that what is done under ctx only waits for others from now on. Its
// place goes to the next. It is false where there is no room for one more who waits:
// who can do without should, because it would wait in its place.
func Rest(ctx context.Context) bool {
	p, ok := ctx.Value(placeKey{}).(*place)
	return !ok || p.leave()
}

// Resting is for places of another kind than a Gate's: the first Rest with the context
// that it gives calls give, which tells whether there was room. After over, which waits
// for a give that is under way, none does.
func Resting(ctx context.Context, give func() bool) (inside context.Context, over func()) {
	p := &place{give: give}
	return context.WithValue(ctx, placeKey{}, p), func() { p.left.Do(func() {}) }
}

func (g *Gate) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	if g.inside < g.cfg.Places && g.queue.Len() == 0 {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	if g.queue.Len() >= g.cfg.Queue {
		g.mu.Unlock()
		return ErrQueueFull
	}
	if g.queue.Len() == 0 {
		g.since = time.Now()
	}
	patience := g.cfg.Wait
	if g.standing() {
		patience /= hurry
	}
	turn := make(chan struct{})
	me := g.queue.PushBack(turn)
	g.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case <-turn:
		return nil
	case <-timer.C:
		err = ErrWaited
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	select {
	case <-turn: // it was our turn at the same moment
		g.mu.Unlock()
		if ctx.Err() != nil {
			g.leave()
			return ctx.Err()
		}
		return nil
	default:
	}
	g.queue.Remove(me)
	g.mu.Unlock()
	return err
}

// standing tells whether the queue does not pass by waiting.
func (g *Gate) standing() bool {
	return g.queue.Len() > 0 && time.Since(g.since) > g.cfg.Wait
}

func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := g.queue.Front()
	if g.standing() {
		next = g.queue.Back()
	}
	if next == nil {
		g.inside--
		return
	}
	g.queue.Remove(next)
	close(next.Value.(chan struct{}))
}

// TurnAway counts somebody whom the caller does not let in, and gives ErrPressed.
func (g *Gate) TurnAway() error {
	g.count(ErrPressed)
	return ErrPressed
}

func (g *Gate) count(err error) {
	if g.shed == nil {
		return
	}
	reason := "gone"
	switch {
	case errors.Is(err, ErrQueueFull):
		reason = "queue_full"
	case errors.Is(err, ErrWaited):
		reason = "waited"
	case errors.Is(err, ErrPressed):
		reason = "pressed"
	}
	g.shed.WithLabelValues(g.cfg.Name, reason).Inc()
}
