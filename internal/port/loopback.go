package port

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/banyan-tree/banyan/internal/fault"
)

// LoopbackOption sets how loopback behaves.
type LoopbackOption interface{ applyLoopback(*loopback) }

type loopbackFunc func(*loopback)

func (f loopbackFunc) applyLoopback(l *loopback) { f(l) }

// Strict makes loopback as harsh as a network: for tests. The memory of a request
// is overwritten when its handler returns, so a handler that kept a slice or a map
// of it is noticed. Queries and keyed commands are delivered twice and the second
// reply is used; a command that succeeds only once, or refuses differently the
// second time, answers Internal and says so.
func Strict() LoopbackOption { return loopbackFunc(func(l *loopback) { l.strict = true }) }

// OnDuplicate is told of every command that Strict delivered twice and whose first
// reply was not a retryable fault.
func OnDuplicate(tell func(Duplicate)) LoopbackOption {
	return loopbackFunc(func(l *loopback) { l.tell = tell })
}

// Duplicate is a command that was delivered twice, and both replies.
type Duplicate struct {
	Method        string
	First, Second Message
}

// SameOutcome tells whether both succeeded, or both refused with the same code.
func (d Duplicate) SameOutcome() bool {
	return d.First.Header[HeaderFault] == d.Second.Header[HeaderFault]
}

// loopback is the transport that stays in memory.
type loopback struct {
	server *Server
	ends   ends
	signer Signer // of the calling end
	strict bool
	tell   func(Duplicate)
}

// newLoopback lends each end what it lacks: both are in this process.
func newLoopback(c *Conn, s *Server) *loopback {
	l := &loopback{server: s, signer: c.signer, ends: ends{signer: s.signer, tel: s.tel}}
	if l.signer == nil {
		l.signer = l.ends.signer
	}
	if l.signer == nil {
		key := make([]byte, minKey)
		_, _ = rand.Read(key) // it never fails: the program ends instead
		l.signer = &HMACSigner{keys: []*signingKey{newSigningKey(key)}}
	}
	if l.ends.signer == nil {
		l.ends.signer = l.signer
	}
	if l.ends.tel == nil {
		l.ends.tel = c.tel
	}
	return l
}

// RoundTrip answers the message in the caller's goroutine. Of the caller's context
// only its end reaches the handler, as over a network its values would not.
func (l *loopback) RoundTrip(ctx context.Context, m Message) (Message, error) {
	inner, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) { // a deadline is in the message
			cancel()
		}
	})()
	e := l.ends
	e.poisoned = l.strict
	first := l.server.dispatch(inner, m, e)
	if !l.strict || !m.Repeatable() || inner.Err() != nil {
		return first, nil
	}
	second := l.server.dispatch(inner, m, e)
	if m.Header[HeaderKind] == kindQuery || transient(first) || transient(second) {
		return second, nil
	}
	d := Duplicate{m.Method, first, second}
	if l.tell != nil {
		l.tell(d)
	}
	if !d.SameOutcome() {
		return Message{}, fault.Internal.Errorf("%s was delivered twice with the same key: first %s, then %s; repeat what was answered first",
			m.Method, outcome(first), outcome(second))
	}
	if first.Header[HeaderReplayed] == "" {
		delete(second.Header, HeaderReplayed) // nobody but us sent it twice
	}
	return second, nil
}

// transient replies may be followed by others: the caller is free to try again.
func transient(reply Message) bool {
	return reply.Header[HeaderFault] != "" && fault.Retryable(faultOf(reply))
}

func outcome(reply Message) string {
	if f := reply.Header[HeaderFault]; f != "" {
		return f + " " + string(reply.Body)
	}
	return "ok " + string(reply.Body)
}
