package port_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

// FuzzDecode: whatever arrives, reading it ends, and what was read can be written
// and read again to the same value.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		var first, second basket
		if err := port.Decode(body, &first); err != nil {
			require.ErrorContains(t, err, "read *port_test.basket: ")
			return
		}
		require.True(t, json.Valid(body))
		written, err := port.Encode(first)
		require.NoError(t, err)
		require.NoError(t, port.Decode(written, &second), "%s", written)
		again, err := port.Encode(second)
		require.NoError(t, err)
		require.Equal(t, string(written), string(again))
	})
}

// FuzzDispatch: no message, however made, brings the server down or past the signature.
func FuzzDispatch(f *testing.F) {
	s := port.NewServer("tally", port.WithSigner(signer(f, 'k')))
	handlers{read: reader, raise: new(keyed).raise}.register(s)
	f.Fuzz(func(t *testing.T, method, version, deadline, principal, trace string, body []byte) {
		reply := s.Dispatch(t.Context(), port.Message{Method: method, Body: body, Header: map[string]string{
			port.HeaderVersion: version, port.HeaderDeadline: deadline, port.HeaderPrincipal: principal, "traceparent": trace,
		}})
		require.NotEmpty(t, reply.Header[port.HeaderFault])
		e := new(fault.Error)
		require.NoError(t, e.UnmarshalJSON(reply.Body))
		require.Equal(t, reply.Header[port.HeaderFault], e.Code.Name())
		require.Contains(t, []string{"unauthenticated", "deadline_exceeded", "malformed"}, e.Code.Name())
	})
}

// FuzzCall sends any body to a server that believes the caller: the reply is the
// handler's, or Malformed, and never Internal.
func FuzzCall(f *testing.F) {
	sign := signer(f, 'k')
	s := port.NewServer("tally", port.WithSigner(sign))
	handlers{raise: func(_ context.Context, r raiseRequest) (tally, error) { return tally{Name: r.Name, Value: r.By}, nil }}.register(s)
	principal, err := sign.Sign(port.System("test"), "tally.raise", time.Now().Add(24*time.Hour))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, key, trace string, body []byte) {
		reply := s.Dispatch(t.Context(), port.Message{Method: "tally.raise", Body: body, Header: map[string]string{
			port.HeaderVersion: "1", port.HeaderPrincipal: principal, port.HeaderKey: key, "traceparent": trace, "tracestate": trace,
		}})
		if code := reply.Header[port.HeaderFault]; code != "" {
			require.Equal(t, "malformed", code, string(reply.Body))
			return
		}
		var got tally
		require.NoError(t, port.Decode(reply.Body, &got))
		var sent raiseRequest
		require.NoError(t, port.Decode(body, &sent))
		require.Equal(t, sent.By, got.Value)
	})
}

// FuzzPrincipal: no text but one that was signed names anybody.
func FuzzPrincipal(f *testing.F) {
	s, now := signer(f, 'k'), time.Unix(1_772_366_400, 0)
	good, err := s.Sign(port.Principal{Subject: "u", Roles: []string{"customer"}}, "tally.read", now.Add(time.Minute))
	require.NoError(f, err)
	f.Add(good, "tally.read")
	f.Add(good, "tally.raise")
	f.Add(good+"=", "tally.read")
	f.Add(strings.ToUpper(good), "tally.read")
	f.Fuzz(func(t *testing.T, token, method string) {
		p, err := s.Verify(token, method, now)
		if token == good && method == "tally.read" {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, fault.Unauthenticated)
		require.Zero(t, p)
	})
}
