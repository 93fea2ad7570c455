package core

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/identity"
)

// Failed log-ins that are allowed in a window, which starts with the first one.
const (
	attemptWindow      = 15 * time.Minute
	attemptsPerEmail   = 10
	attemptsPerAddress = 100 // many people can share one
)

// familiarFor is how long an address stays familiar after the password was right there.
const familiarFor = 30 * 24 * time.Hour

// Attempt counts the attempts about one subject since the start of its window.
type Attempt struct {
	Subject string
	Count   int64
	Since   time.Time
}

// Attempts is the store of attempts to log in. Every instance sees the same.
type Attempts interface {
	// CountAttempt adds one attempt to each subject and gives the new counts;
	// a window that began at or before cutoff is over and starts anew at now.
	CountAttempt(ctx context.Context, subjects []string, now, cutoff time.Time) ([]Attempt, error)
	// AttemptsSince reads the counts of windows that began after cutoff.
	AttemptsSince(ctx context.Context, subjects []string, cutoff time.Time) ([]Attempt, error)
	// TakeBack takes one attempt of each subject back.
	TakeBack(ctx context.Context, subjects []string) error
	// Forget drops the subject.
	Forget(ctx context.Context, subject string) error

	// IsFamiliar tells whether a password was right there, and that is not forgotten yet.
	IsFamiliar(ctx context.Context, subject string, now time.Time) (bool, error)
	// Remember keeps that a password was right there.
	Remember(ctx context.Context, subject string, until time.Time) error
}

// bound is one limit that a log-in is under.
type bound struct {
	subject string
	limit   int64
	cleared bool // by a success
}

// entrance is where somebody wants to come in: the limits there, and how the place
// is remembered once the password was right; "" where no address is known.
type entrance struct {
	bounds []bound
	place  string
}

// entranceOf finds the limits that a log-in is under. From a familiar address
// one's failures are counted apart from those of everybody else: otherwise a
// stranger could keep somebody from logging in by guessing wrong often enough.
func (s *Service) entranceOf(ctx context.Context, email, clientAddr string) (entrance, error) {
	if clientAddr == "" {
		return entrance{bounds: boundsOf(email, "", false)}, nil
	}
	place := placeOf(email, clientAddr)
	familiar, err := s.store.IsFamiliar(ctx, place, s.now())
	if err != nil {
		return entrance{}, fmt.Errorf("read whether the address is familiar: %w", err)
	}
	return entrance{bounds: boundsOf(email, clientAddr, familiar), place: place}, nil
}

// placeOf is an account seen from one client's addresses.
func placeOf(email, clientAddr string) string {
	return subject("place", email+"\n"+network(clientAddr))
}

// boundsOf gives the limits in the order of their subjects, so that rows are
// always locked in the same order. Only hashes are kept: what is typed into a
// log-in form may be anything, a password even.
func boundsOf(email, clientAddr string, familiar bool) []bound {
	account := subject("email", email)
	if familiar {
		account = placeOf(email, clientAddr)
	}
	bounds := []bound{{subject: account, limit: attemptsPerEmail, cleared: true}}
	if clientAddr != "" {
		bounds = append(bounds, bound{subject: subject("address", network(clientAddr)), limit: attemptsPerAddress})
	}
	slices.SortFunc(bounds, func(a, b bound) int { return strings.Compare(a.subject, b.subject) })
	return bounds
}

func subject(kind, value string) string {
	sum := sha256.Sum256([]byte(value))
	return kind + ":" + hex.EncodeToString(sum[:])
}

// network is what one client can be expected to have: an IPv4 address, or the
// /64 of an IPv6 address, from which a client may choose freely.
func network(addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return addr
	}
	return p.String()
}

// mayTry turns away cheaply who is over a limit already.
func (s *Service) mayTry(ctx context.Context, bounds []bound) error {
	now := s.now()
	counts, err := s.store.AttemptsSince(ctx, subjects(bounds), now.Add(-attemptWindow))
	if err != nil {
		return fmt.Errorf("read the attempts to log in: %w", err)
	}
	return s.judge(now, bounds, counts, 1)
}

// try counts an attempt, or refuses it and counts nothing.
func (s *Service) try(ctx context.Context, bounds []bound) error {
	return s.store.Atomic(ctx, func(ctx context.Context) error {
		now := s.now()
		counts, err := s.store.CountAttempt(ctx, subjects(bounds), now, now.Add(-attemptWindow))
		if err != nil {
			return fmt.Errorf("count the attempt to log in: %w", err)
		}
		return s.judge(now, bounds, counts, 0)
	})
}

// judge refuses where counts and the attempts still to come pass a limit.
func (s *Service) judge(now time.Time, bounds []bound, counts []Attempt, toCome int64) error {
	var wait time.Duration
	for _, b := range bounds {
		for _, c := range counts {
			if c.Subject == b.subject && c.Count+toCome > b.limit {
				wait = max(wait, c.Since.Add(attemptWindow).Sub(now), time.Second)
			}
		}
	}
	if wait == 0 {
		return nil
	}
	s.count(Throttled)
	return throttled(wait)
}

// succeeded forgets the failures of this e-mail, from a familiar address those made
// there, and remembers the address. The failures of the address itself stay: who has
// one password must not get more guesses at the others.
func (s *Service) succeeded(ctx context.Context, at entrance) error {
	for _, b := range at.bounds {
		var err error
		if b.cleared {
			err = s.store.Forget(ctx, b.subject)
		} else {
			err = s.store.TakeBack(ctx, []string{b.subject})
		}
		if err != nil {
			return fmt.Errorf("forget the attempts to log in: %w", err)
		}
	}
	if at.place == "" {
		return nil
	}
	if err := s.store.Remember(ctx, at.place, s.now().Add(familiarFor)); err != nil {
		return fmt.Errorf("remember the address: %w", err)
	}
	return nil
}

func throttled(wait time.Duration) *fault.Error {
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	return identity.Throttled.Errorf("too many failed log-ins: try again in %s seconds", seconds).WithDetail("retry_after", seconds)
}

func subjects(bounds []bound) []string {
	out := make([]string, len(bounds))
	for i, b := range bounds {
		out[i] = b.subject
	}
	return out
}
