package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
)

var sold = fault.Define("stock.insufficient", fault.KindConflict)

// overWire is the error as the other side of a wire sees it.
func overWire(t *testing.T, err error) *fault.Error {
	t.Helper()
	b, jsonErr := json.Marshal(fault.From(err))
	require.NoError(t, jsonErr)
	got := new(fault.Error)
	require.NoError(t, json.Unmarshal(b, got))
	return got
}

// Who gives a fault a code of their own takes its message over; it is told once.
func TestMessageIsToldOnce(t *testing.T) {
	t.Parallel()
	theirs := sold.Errorf("2 left")
	for want, err := range map[string]error{
		"stock.insufficient: 2 left":                           sold.Wrap(theirs, "2 left"),
		"order.rejected: stock.insufficient: 2 left":           fault.Define("order.rejected", fault.KindConflict).Wrap(theirs, "2 left"),
		"order.rejected: no goods: stock.insufficient: 2 left": fault.Define("order.rejected", fault.KindConflict).Wrap(theirs, "no goods"),
	} {
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, sold)
	}
}

func TestIsHoldsOnBothSidesOfTheWire(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"code":          sold,
		"fault":         sold.Errorf("2 left"),
		"wrapped fault": fmt.Errorf("hold stock: %w", sold.Errorf("2 left")),
		"wrapped code":  fmt.Errorf("hold stock: %w", sold),
	} {
		require.ErrorIs(t, err, sold, name)
		require.ErrorIs(t, fault.From(err), sold, name)
		far := overWire(t, err)
		require.ErrorIs(t, far, sold, name)
		require.ErrorIs(t, far, fault.Define("stock.insufficient", fault.KindInternal), "codes are compared by name")
		require.NotErrorIs(t, far, fault.NotFound, name)
		require.Equal(t, fault.KindConflict, far.Code.Kind(), name)
	}
}

func TestWireKeepsAllButTheCause(t *testing.T) {
	t.Parallel()
	err := sold.Wrap(errors.New("password=hunter2"), "%d left", 2).WithField("/items/0/quantity", "too many").WithDetail("left", "2")
	far := overWire(t, err)
	require.Equal(t, err.Message, far.Message)
	require.Equal(t, err.Fields, far.Fields)
	require.Equal(t, err.Details, far.Details)
	require.NoError(t, errors.Unwrap(far))
	require.NotContains(t, far.Error(), "hunter2")
	require.Contains(t, err.Error(), "hunter2", "logs need it")
}

func TestUnreadableFaults(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{}`, `[]`, `{"code":1}`, `{"kind":"conflict"}`} {
		require.Error(t, new(fault.Error).UnmarshalJSON([]byte(body)), body)
	}
	later := new(fault.Error)
	require.NoError(t, later.UnmarshalJSON([]byte(`{"code":"stock.haunted","kind":"spectral","new":1}`)))
	require.Equal(t, "stock.haunted", later.Code.Name())
	require.Equal(t, fault.KindInternal, later.Code.Kind())
}

func TestFrom(t *testing.T) {
	t.Parallel()
	require.Nil(t, fault.From(nil))
	for _, c := range []struct {
		err  error
		want fault.Code
	}{
		{context.DeadlineExceeded, fault.DeadlineExceeded},
		{fmt.Errorf("query: %w", context.Canceled), fault.Canceled},
		{errors.New("boom"), fault.Internal},
		{fault.NotFound.Wrap(context.Canceled, "gone"), fault.NotFound},
	} {
		require.Equal(t, c.want, fault.From(c.err).Code)
	}
	cause := errors.New("boom")
	require.ErrorIs(t, fault.From(cause), cause)
}

func TestTableIsComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for k := fault.KindInternal; k <= fault.KindTooLarge; k++ {
		name := k.String()
		require.NotEmpty(t, name)
		require.False(t, seen[name], "%s is there twice", name)
		seen[name] = true
		require.Equal(t, k, fault.KindOf(name))
		require.GreaterOrEqual(t, k.HTTPStatus(), 400, name)
		if k.HTTPStatus() >= 500 || k.HTTPStatus() == http.StatusTooManyRequests {
			require.True(t, k.Retryable(), name)
		}
	}
	require.Panics(t, func() { _ = (fault.KindTooLarge + 1).String() }, "a kind was added: extend this test")
	require.Equal(t, fault.KindInternal, fault.KindOf("no such"))
}

func TestRetryable(t *testing.T) {
	t.Parallel()
	require.False(t, fault.Retryable(nil))
	require.False(t, fault.Retryable(sold))
	require.True(t, fault.Retryable(fault.Unavailable.Errorf("down")))
	require.True(t, fault.Retryable(context.DeadlineExceeded))
}
