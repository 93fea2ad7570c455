package port_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

func TestReplyIsTheSameBothWays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 8, 0, 0, 123456000, time.UTC)
	h := handlers{
		read: func(_ context.Context, name string) (tally, error) { return tally{name, 1<<62 + 1, at}, nil },
		all:  func(context.Context, struct{}) ([]tally, error) { return []tally{}, nil },
	}
	bothWays(t, h, func(t *testing.T, c *port.Conn) {
		got, err := read.Call(t.Context(), c, "a")
		require.NoError(t, err)
		require.Equal(t, tally{"a", 1<<62 + 1, at}, got)
		list, err := all.Call(t.Context(), c, struct{}{})
		require.NoError(t, err)
		require.Equal(t, []tally{}, list, "empty is not nil")
	})
}

func TestErrorFormIsTheSameBothWays(t *testing.T) {
	t.Parallel()
	secret := errors.New("password=hunter2")
	for _, c := range []struct {
		name string
		give error
		want fault.Code
	}{
		{"fault", full.Errorf("no more than %d", 9).WithDetail("retry_after", "3").WithField("/by", "too much"), full},
		{"wrapped fault", fmt.Errorf("raise: %w", full.Wrap(secret, "no more")), full},
		{"bare code", full, full},
		{"unknown", secret, fault.Internal},
		{"deadline", fmt.Errorf("query: %w", context.DeadlineExceeded), fault.DeadlineExceeded},
		{"canceled", context.Canceled, fault.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := handlers{read: func(context.Context, string) (tally, error) { return tally{Value: 7}, c.give }}
			var faults []*fault.Error
			for _, conn := range []*port.Conn{direct(h), loopback(h)} {
				got, err := read.Call(t.Context(), conn, "a")
				require.ErrorIs(t, err, c.want)
				require.IsType(t, &fault.Error{}, err)
				require.Zero(t, got, "no reply beside an error")
				faults = append(faults, fault.From(err))
			}
			require.Equal(t, faults[0].Code, faults[1].Code)
			require.Equal(t, faults[0].Message, faults[1].Message)
			require.Equal(t, faults[0].Fields, faults[1].Fields)
			require.Equal(t, faults[0].Details, faults[1].Details)
			require.NotContains(t, faults[1].Error(), "hunter2", "causes stay on their side")
		})
	}
}

func TestPanicIsInternalBothWays(t *testing.T) {
	t.Parallel()
	h := handlers{read: func(context.Context, string) (tally, error) { panic("out of ink") }}
	bothWays(t, h, func(t *testing.T, c *port.Conn) {
		got, err := read.Call(t.Context(), c, "a")
		require.ErrorIs(t, err, fault.Internal)
		require.Zero(t, got)
	})
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	_, err := read.Call(t.Context(), port.NewConn("tally"), "a")
	require.ErrorIs(t, err, fault.Unavailable)
	bothWays(t, handlers{}, func(t *testing.T, c *port.Conn) {
		_, err := read.Call(t.Context(), c, "a")
		require.ErrorIs(t, err, fault.Unavailable)
	})
	c := port.NewConn("tally")
	c.Remote(nil)
	_, err = read.Call(t.Context(), c, "a")
	require.ErrorIs(t, err, fault.Unavailable)
}

func TestMethodsDeadlineBoundsTheHandler(t *testing.T) {
	t.Parallel()
	slow := port.Query[string, tally]("tally.slow", port.Deadline(20*time.Millisecond))
	h := func(ctx context.Context, _ string) (tally, error) {
		<-ctx.Done()
		return tally{}, ctx.Err()
	}
	s, c := port.NewServer("tally"), port.NewConn("tally")
	slow.Handle(s, h)
	c.Direct(s)
	_, err := slow.Call(t.Context(), c, "a")
	require.ErrorIs(t, err, fault.DeadlineExceeded)
	c.Loopback(s, 1)
	_, err = slow.Call(t.Context(), c, "a")
	require.ErrorIs(t, err, fault.DeadlineExceeded)
}

func TestCallersTighterDeadlineStays(t *testing.T) {
	t.Parallel()
	var seen time.Time
	h := handlers{read: func(ctx context.Context, _ string) (tally, error) {
		seen, _ = ctx.Deadline()
		return tally{}, nil
	}}
	conn := direct(h)
	for name, with := range map[string]func(context.Context, time.Duration) (context.Context, context.CancelFunc){
		"context": context.WithTimeout, "port": port.WithTimeout,
	} {
		for _, c := range []struct{ caller, want time.Duration }{
			{100 * time.Millisecond, 100 * time.Millisecond}, {time.Hour, time.Second},
		} {
			ctx, cancel := with(t.Context(), c.caller)
			before := time.Now()
			_, err := read.Call(ctx, conn, "a")
			require.NoError(t, err)
			require.WithinDuration(t, before.Add(c.want), seen, 90*time.Millisecond, name)
			cancel()
		}
	}
}

func TestEndedContextIsNotServed(t *testing.T) {
	t.Parallel()
	served := func(context.Context, string) (tally, error) {
		require.Fail(t, "served for nobody")
		return tally{}, nil
	}
	bothWays(t, handlers{read: served}, func(t *testing.T, c *port.Conn) {
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := read.Call(gone, c, "a")
		require.ErrorIs(t, err, fault.Canceled)
		late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, err = read.Call(late, c, "a")
		require.ErrorIs(t, err, fault.DeadlineExceeded)
	})
}

func TestHandlersContextEndsWithTheCall(t *testing.T) {
	t.Parallel()
	var kept context.Context
	h := handlers{read: func(ctx context.Context, _ string) (tally, error) {
		kept = ctx
		return tally{}, ctx.Err()
	}}
	bothWaysInOrder := []*port.Conn{direct(h), loopback(h)}
	for _, c := range bothWaysInOrder {
		_, err := read.Call(context.Background(), c, "a")
		require.NoError(t, err)
		require.ErrorIs(t, kept.Err(), context.Canceled)
		<-kept.Done()
		child, cancel := context.WithCancel(kept)
		require.ErrorIs(t, child.Err(), context.Canceled)
		cancel()
	}
}

func TestCallersCancelReachesTheHandler(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 1)
	h := handlers{read: func(ctx context.Context, _ string) (tally, error) {
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		entered <- struct{}{}
		<-child.Done()
		return tally{}, child.Err()
	}}
	for _, c := range []*port.Conn{direct(h), loopback(h)} {
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-entered; cancel() }()
		_, err := read.Call(ctx, c, "a")
		require.ErrorIs(t, err, fault.Canceled)
	}
}

func TestPrincipalReachesTheHandlerAndNothingElseOverTheWire(t *testing.T) {
	t.Parallel()
	type hidden struct{}
	h := handlers{read: func(ctx context.Context, _ string) (tally, error) {
		_, leaked := ctx.Value(hidden{}).(string)
		p := port.PrincipalFrom(ctx)
		return tally{Name: fmt.Sprint(p.Subject, p.Roles, leaked)}, nil
	}}
	ctx := port.WithPrincipal(context.WithValue(t.Context(), hidden{}, "x"), port.Principal{Subject: "u1", Roles: []string{port.RoleAdmin}})
	got, err := read.Call(ctx, loopback(h), "a")
	require.NoError(t, err)
	require.Equal(t, "u1[admin] false", got.Name)
	got, err = read.Call(ctx, direct(h), "a")
	require.NoError(t, err)
	require.Equal(t, "u1[admin] true", got.Name)
	got, err = read.Call(t.Context(), loopback(h), "a")
	require.NoError(t, err)
	require.Equal(t, "[] false", got.Name, "nobody logged in is somebody the signer vouches for")
}

func TestDeclarationMistakesPanic(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { port.Query[string, string]("read") })
	require.Panics(t, func() { port.Query[string, string]("Tally.Read") })
	require.Panics(t, func() {
		port.Command[string, string]("tally.raise", port.Key(func(int) string { return "" }))
	})
	require.Panics(t, func() {
		port.Command[string, string]("tally.raise", port.Waits(func(int) bool { return true }))
	})
	s := port.NewServer("other")
	require.Panics(t, func() {
		handlers{read: func(context.Context, string) (tally, error) { return tally{}, nil }}.register(s)
	})
	s = port.NewServer("tally")
	h := handlers{all: func(context.Context, struct{}) ([]tally, error) { return nil, nil }}
	h.register(s)
	require.Panics(t, func() { h.register(s) })
}

func TestSpec(t *testing.T) {
	t.Parallel()
	require.Equal(t, "tally", once.Spec().Module())
	require.Equal(t, "once", once.Spec().Method())
	require.True(t, once.Spec().Command)
	require.True(t, once.Spec().Keyed())
	require.Equal(t, port.DefaultDeadline, once.Spec().Deadline)
	require.False(t, read.Spec().Command)
}
