package shoptest

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// NewExtractedSite is NewSplitSite with payments as a service of its own. The
// payment provider stays where it was: with the shop.
func NewExtractedSite(t *testing.T, settings ...string) Site {
	t.Helper()
	s := NewSplitSite(t, append(settings, "BANYAN_PAYMENTS_API_KEY=the-key-that-the-provider-gave", "BANYAN_PAYMENTS_WEBHOOK_SECRET=the-secret-of-its-webhooks")...)
	s.Here, s.Moved = HalfWithoutPayments, []string{"payments"}
	return s
}

var built sync.Map // by module: func() error, which builds its service once

// Service is the program of a module that has moved out. It is built once.
func Service(t *testing.T, module string) string {
	t.Helper()
	to := filepath.Join(filepath.Dir(binary), module)
	build, _ := built.LoadOrStore(module, sync.OnceValue(func() error { return compileFrom("extracted/"+module, to, nil) }))
	require.NoError(t, build.(func() error)())
	return to
}

// Moves starts the service of a module that has moved out of this shop, with these
// settings of its own, and waits until it is ready. It ends with the test, before
// the shop does.
func (s *Server) Moves(t *testing.T, module string, settings ...string) *Server {
	t.Helper()
	at := s.Twin(t).With(append([]string{"BANYAN_PAYMENTS_SANDBOX=off", "BANYAN_PAYMENTS_PROVIDER_URL=" + s.Ops + "/sandbox/psp"}, settings...)...)
	at.Binary, at.Here, at.Beside, at.Moved = Service(t, module), "", "", nil
	moved := launch(t, at, "serve")
	moved.service = true
	return opened(t, moved)
}
