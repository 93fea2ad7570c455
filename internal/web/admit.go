package web

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/resilience"
)

// Overloaded is answered to whom there is no place for at present.
var Overloaded = fault.Define("server.overloaded", fault.KindUnavailable)

// Admission bounds how many requests are at work at a time, for each of three
// classes on its own: reads, writes, and what moves money or stock. So a rush for
// one leaves places for the others. Plain handlers, such as health, are always let in.
// To wait for a client is no work: a body is read before its turn, and an answer is
// sent after it. What is large is bounded: see ahead, mostReceived, largeBodies and mostSending.
type Admission struct {
	Off      bool
	InFlight int           // requests of a class at work; 64
	Queue    int           // that wait for their turn, of a class; 1024
	Wait     time.Duration // for a turn, at most; 3 s
	// Pressed tells that more was taken on than can be done soon. Routes that only lead
	// to more of it are refused then. May be nil.
	Pressed func() bool
}

// class groups routes that share places.
type class string

const (
	reads  class = "http.reads"
	writes class = "http.writes"
	keyed  class = "http.keyed" // with an Idempotency-Key: they move money or stock
)

func (e *endpoint) class() class {
	switch {
	case e.Idempotent:
		return keyed
	case e.Method == http.MethodGet:
		return reads
	}
	return writes
}

func (s *Server) makeGates() error {
	a := s.cfg.Admission
	if a.Off {
		return nil
	}
	s.gates = map[class]*resilience.Gate{}
	for _, c := range []class{reads, writes, keyed} {
		var err error
		s.gates[c], err = resilience.NewGate(resilience.GateConfig{
			Name: string(c), Places: a.InFlight, Queue: a.Queue, Wait: a.Wait, Metrics: s.cfg.Telemetry.Registerer,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hopeless refuses who would be refused whatever they send, before it is read.
// Code: Overloaded.
func (s *Server) hopeless(e *endpoint) error {
	gate := s.gates[e.class()]
	if gate == nil {
		return nil
	}
	if e.Prelude && s.cfg.Admission.Pressed != nil && s.cfg.Admission.Pressed() {
		return overloaded(gate.TurnAway())
	}
	if err := gate.Look(); err != nil {
		return overloaded(err)
	}
	return nil
}

// admitted lets a request in, before anything is spent on it: its token is not
// verified and its body not parsed. Codes: Overloaded; Canceled for a client that
// has gone, DeadlineExceeded.
func (s *Server) admitted(ctx context.Context, e *endpoint) (inside context.Context, leave func(), err error) {
	gate := s.gates[e.class()]
	if gate == nil {
		return ctx, func() {}, nil
	}
	inside, leave, err = gate.Enter(ctx)
	if err == nil {
		return inside, leave, nil
	}
	if !errors.Is(err, resilience.ErrWaited) && !errors.Is(err, resilience.ErrQueueFull) {
		return nil, nil, fault.From(err)
	}
	return nil, nil, overloaded(err)
}

// largeBodies is how many bodies that are larger than ahead are read at a time, of
// the staff and of everybody else: a quarter of the places of one class each, so that
// slow ones leave the others free.
func (a Admission) largeBodies() int { return max(1, cmp.Or(a.InFlight, 64)/4) }

// mostSending is how many bytes of answers may be on their way to clients without
// a place. Above it an answer keeps its place until it is taken, so that clients
// that are slow cannot fill the memory.
const mostSending = 128 << 20

// mostReceived is how many bytes of bodies may be read ahead, from the first of them
// until their request is answered. A body that would take it above is refused where it
// is, so that clients that stop in the middle of theirs cannot fill the memory. The
// first bytes of each are not counted, see small: the connections bound them, and a
// request that is no longer cannot be crowded out.
const mostReceived = 128 << 20

func overloaded(why error) error {
	// Not all at the same time again.
	return Overloaded.Wrap(why, "more is asked of the shop than it can do at present: try again after the seconds in Retry-After").
		WithDetail(comeBack, strconv.Itoa(1+rand.IntN(3)))
}
