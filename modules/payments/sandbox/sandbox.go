// Package sandbox plays a payment provider: a foreign company with an HTTP API, a
// ledger of its own, and cards that decline, stall and break on purpose. It
// knows nothing of the shop, and the shop knows it by HTTP only.
package sandbox

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/run"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the sandbox's own tables.
func Migrations() []database.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil { // only for a name that is no valid path: a mistake in the code
		panic(err)
	}
	return []database.Migrations{{Name: "sandbox", FS: sub}}
}

// Deps is what the sandbox needs.
type Deps struct {
	DB    *database.DB // its own, shared with nobody
	Now   clock.Clock
	NewID id.Source
	Log   *slog.Logger
	// APIKey is the merchant's secret, sent as "Authorization: Bearer <key>".
	APIKey string
	// Admin tells whether a request without the key comes from an auditor, who may
	// read the ledger; nil: nobody but the merchant may.
	Admin func(*http.Request) error
	// WebhookURL is told of each change of a charge; empty: nobody is.
	WebhookURL    string
	WebhookSecret string
	// Slow replaces the 3 s of tok_slow, for tests.
	Slow func(ctx context.Context) error
}

// Sandbox is the provider.
type Sandbox struct {
	Deps
	mux    *http.ServeMux
	client *http.Client
	wake   chan struct{}
	ward   ward
}

// New makes a sandbox. It touches no database.
func New(d Deps) (*Sandbox, error) {
	switch {
	case d.DB == nil || d.Now == nil || d.NewID == nil || d.Log == nil:
		return nil, errors.New("make the sandbox: DB, Now, NewID and Log are needed")
	case d.APIKey == "":
		return nil, errors.New("make the sandbox: an API key is needed, or anybody could charge")
	case d.WebhookURL != "" && d.WebhookSecret == "":
		return nil, errors.New("make the sandbox: webhooks need a secret to be signed with")
	}
	if d.Slow == nil {
		d.Slow = wait
	}
	s := &Sandbox{Deps: d, mux: http.NewServeMux(), client: &http.Client{Timeout: webhookLimit}, wake: make(chan struct{}, 1)}
	s.mux.HandleFunc("POST /charges", s.suffer("charge", s.merchant(s.create)))
	for _, kind := range []string{"capture", "void", "refund"} {
		s.mux.HandleFunc("POST /charges/{id}/"+kind, s.suffer(kind, s.merchant(s.act(kind))))
	}
	s.mux.HandleFunc("GET /charges", s.suffer("look_up", s.reader(s.list)))
	s.mux.HandleFunc("GET /charges/{id}", s.suffer("look_up", s.reader(s.show)))
	s.mux.HandleFunc("GET /sickness", s.auditor(s.showSickness))
	s.mux.HandleFunc("PUT /sickness", s.auditor(s.setSickness))
	return s, nil
}

var _ http.Handler = (*Sandbox)(nil)

// ServeHTTP answers the API. Paths are relative to where it is mounted: strip the prefix.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Tasks send webhooks; none where nobody listens.
func (s *Sandbox) Tasks() []run.Task {
	if s.WebhookURL == "" {
		return nil
	}
	return []run.Task{{Name: "sandbox webhooks", Run: s.sendWebhooks}}
}

// merchant lets only the holder of the API key through.
func (s *Sandbox) merchant(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.hasKey(r) {
			refuse(w, http.StatusUnauthorized, "unauthenticated", "send the API key: Authorization: Bearer <key>")
			return
		}
		next(w, r)
	}
}

// reader lets the merchant and auditors through.
func (s *Sandbox) reader(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.hasKey(r) {
			next(w, r)
			return
		}
		s.auditor(next)(w, r)
	}
}

func (s *Sandbox) hasKey(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.APIKey))
	return ok && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
