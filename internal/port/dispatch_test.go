package port_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

// tap keeps what goes over the wire, and may change it.
type tap struct {
	server *port.Server
	sent   port.Message
	change func(port.Message) port.Message
}

func (t *tap) RoundTrip(ctx context.Context, m port.Message) (port.Message, error) {
	if t.change != nil {
		m.Header = maps.Clone(m.Header)
		m = t.change(m)
	}
	t.sent = m
	return t.server.Dispatch(ctx, m), nil
}

func signer(t testing.TB, fill byte) *port.HMACSigner {
	t.Helper()
	s, err := port.NewHMACSigner(bytes.Repeat([]byte{fill}, 32))
	require.NoError(t, err)
	return s
}

// tapped gives a remote conn whose messages pass a tap.
func tapped(t *testing.T, h handlers) (*port.Conn, *tap) {
	t.Helper()
	both := port.WithSigner(signer(t, 'k'))
	s, c := port.NewServer("tally", both), port.NewConn("tally", both)
	h.register(s)
	wire := &tap{server: s}
	c.Remote(wire)
	return c, wire
}

func reader(ctx context.Context, name string) (tally, error) {
	return tally{Name: name, At: time.Unix(0, 0).UTC()}, ctx.Err()
}

func TestMessageSaysWhatTheServerMustKnow(t *testing.T) {
	t.Parallel()
	c, wire := tapped(t, handlers{read: reader, raise: new(keyed).raise})
	before := time.Now()
	_, err := read.Call(t.Context(), c, "a")
	require.NoError(t, err)
	require.Equal(t, "tally.read", wire.sent.Method)
	require.Equal(t, `"a"`, string(wire.sent.Body))
	require.Equal(t, "query", wire.sent.Header[port.HeaderKind])
	require.Equal(t, port.ContentType, wire.sent.Header[port.HeaderContentType])
	require.True(t, wire.sent.Repeatable())
	d, ok := wire.sent.Deadline()
	require.True(t, ok)
	require.WithinDuration(t, before.Add(time.Second), d, 500*time.Millisecond)

	_, err = raise.Call(t.Context(), c, raiseRequest{})
	require.NoError(t, err)
	require.False(t, wire.sent.Repeatable(), "a command without a key")
	_, err = raise.Call(port.WithIdempotencyKey(t.Context(), port.IdempotencyKey{Key: "k"}), c, raiseRequest{})
	require.NoError(t, err)
	require.True(t, wire.sent.Repeatable())
}

func TestDispatchRefuses(t *testing.T) {
	t.Parallel()
	set := func(k, v string) func(port.Message) port.Message {
		return func(m port.Message) port.Message { m.Header[k] = v; return m }
	}
	sign := func(s port.Signer, method string, expires time.Time) func(port.Message) port.Message {
		token, err := s.Sign(port.System("evil"), method, expires)
		require.NoError(t, err)
		return set(port.HeaderPrincipal, token)
	}
	soon := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name   string
		change func(port.Message) port.Message
		want   fault.Code
	}{
		{"no principal", set(port.HeaderPrincipal, ""), fault.Unauthenticated},
		{"a principal in the clear", set(port.HeaderPrincipal, `{"subject":"admin"}`), fault.Unauthenticated},
		{"another's key", sign(signer(t, 'x'), "tally.read", soon), fault.Unauthenticated},
		{"another method's", sign(signer(t, 'k'), "tally.all", soon), fault.Unauthenticated},
		{"an old one", sign(signer(t, 'k'), "tally.read", time.Now().Add(-time.Second)), fault.Unauthenticated},
		{"expired work", set(port.HeaderDeadline, strconv.FormatInt(time.Now().Add(-time.Second).UnixMicro(), 10)), fault.DeadlineExceeded},
		{"a deadline that is none", set(port.HeaderDeadline, "soon"), fault.Malformed},
		{"another version", set(port.HeaderVersion, "2"), fault.Malformed},
		{"another type", func(m port.Message) port.Message { m.Body = []byte(`{"name":1}`); return m }, fault.Malformed},
		{"no body", func(m port.Message) port.Message { m.Body = nil; return m }, fault.Malformed},
		{"trailing data", func(m port.Message) port.Message { m.Body = []byte(`"a" "b"`); return m }, fault.Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, wire := tapped(t, handlers{read: func(context.Context, string) (tally, error) {
				require.Fail(t, "it was opened")
				return tally{}, nil
			}})
			wire.change = c.change
			_, err := read.Call(t.Context(), conn, "a")
			require.ErrorIs(t, err, c.want)
			// Whoever called has done nothing wrong where the two processes do not fit together.
			require.Equal(t, c.want == fault.Unauthenticated || c.name == "another version", fault.From(err).Code == fault.Unavailable, "%v", err)
		})
	}
}

func TestRemoteNeedsSignersOnBothEnds(t *testing.T) {
	t.Parallel()
	s := port.NewServer("tally")
	handlers{read: reader}.register(s)
	c := port.NewConn("tally")
	c.Remote(&tap{server: s})
	_, err := read.Call(t.Context(), c, "a")
	require.ErrorIs(t, err, fault.Unauthenticated)
	c = port.NewConn("tally", port.WithSigner(signer(t, 'k')))
	c.Remote(&tap{server: s})
	_, err = read.Call(t.Context(), c, "a")
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestLoopbackVerifiesToo(t *testing.T) {
	t.Parallel()
	s := port.NewServer("tally", port.WithSigner(signer(t, 'a')))
	handlers{read: reader}.register(s)
	c := port.NewConn("tally", port.WithSigner(signer(t, 'b')))
	c.Loopback(s, 1)
	_, err := read.Call(t.Context(), c, "a")
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestMangledRepliesAreInternal(t *testing.T) {
	t.Parallel()
	for _, reply := range []port.Message{
		{Body: []byte(`{"name":"a"`)}, {Body: []byte(`{"name":"a"}`)}, {},
		{Header: map[string]string{port.HeaderFault: "tally.full"}, Body: []byte(`{}`)},
	} {
		c := port.NewConn("tally", port.WithSigner(signer(t, 'k')))
		c.Remote(roundTrip(func(context.Context, port.Message) (port.Message, error) { return reply, nil }))
		_, err := read.Call(t.Context(), c, "a")
		require.ErrorIs(t, err, fault.Internal)
	}
	c := port.NewConn("tally", port.WithSigner(signer(t, 'k')))
	c.Remote(roundTrip(func(context.Context, port.Message) (port.Message, error) {
		return port.Message{}, fmt.Errorf("wait: %w", context.DeadlineExceeded)
	}))
	_, err := read.Call(t.Context(), c, "a")
	require.ErrorIs(t, err, fault.DeadlineExceeded)
}

// The transport learns whose answer comes late; nobody else does.
func TestWaits(t *testing.T) {
	t.Parallel()
	wait := port.Query[string, tally]("tally.wait", port.Waits(func(name string) bool { return name == "late" }))
	var sent port.Message
	c := port.NewConn("tally", port.WithSigner(signer(t, 'k')))
	c.Remote(roundTrip(func(_ context.Context, m port.Message) (port.Message, error) {
		sent = m
		return port.Message{Body: []byte(`{"name":"a","value":1,"at":"2026-01-01T00:00:00Z"}`)}, nil
	}))
	for name, waits := range map[string]bool{"late": true, "soon": false} {
		_, err := wait.Call(t.Context(), c, name)
		require.NoError(t, err)
		require.Equal(t, waits, sent.Waits, name)
	}
	_, err := read.Call(t.Context(), c, "late")
	require.NoError(t, err)
	require.False(t, sent.Waits)
	require.True(t, wait.Spec().Waiting())
	require.False(t, read.Spec().Waiting())
}

type roundTrip func(context.Context, port.Message) (port.Message, error)

func (f roundTrip) RoundTrip(ctx context.Context, m port.Message) (port.Message, error) {
	return f(ctx, m)
}

func TestSigner(t *testing.T) {
	t.Parallel()
	_, err := port.NewHMACSigner([]byte("short"))
	require.Error(t, err)
	now := time.Now()
	p := port.Principal{Subject: "u1", Roles: []string{port.RoleStaff}}
	before, after := signer(t, 'o'), signer(t, 'n')
	token, err := before.Sign(p, "tally.read", now.Add(time.Minute))
	require.NoError(t, err)
	got, err := before.Verify(token, "tally.read", now)
	require.NoError(t, err)
	require.Equal(t, p, got)
	_, err = after.Verify(token, "tally.read", now)
	require.ErrorIs(t, err, fault.Unauthenticated)
	changing, err := port.NewHMACSigner(bytes.Repeat([]byte{'n'}, 32), bytes.Repeat([]byte{'o'}, 32))
	require.NoError(t, err)
	_, err = changing.Verify(token, "tally.read", now)
	require.NoError(t, err, "the former key is still believed")
	for i := range token {
		forged := token[:i] + strings.Map(func(r rune) rune {
			if r == 'A' {
				return 'B'
			}
			return 'A'
		}, token[i:i+1]) + token[i+1:]
		_, err := before.Verify(forged, "tally.read", now)
		require.ErrorIs(t, err, fault.Unauthenticated, "changed at %d", i)
	}
}
