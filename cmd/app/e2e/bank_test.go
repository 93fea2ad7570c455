package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// bank is a payment provider that says too much: what it refuses or fails at, it
// quotes, the card and our key included.
type bank struct {
	*httptest.Server
	apiKey, webhookSecret string

	mu      sync.Mutex
	charges []*bankCharge
}

type bankCharge struct {
	ID        string         `json:"id"`
	Key       string         `json:"idempotency_key"`
	Reference string         `json:"reference"`
	Amount    map[string]any `json:"amount"`
	Status    string         `json:"status"`
	Reason    string         `json:"reason,omitempty"`
	Captured  any            `json:"captured"`
	Refunded  any            `json:"refunded"`
	CreatedAt time.Time      `json:"created_at"`
}

func openBank(t *testing.T, apiKey, webhookSecret string) *bank {
	t.Helper()
	b := &bank{apiKey: apiKey, webhookSecret: webhookSecret}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", b.create)
	mux.HandleFunc("POST /charges/{id}/{action}", b.act)
	mux.HandleFunc("GET /charges", b.list)
	mux.HandleFunc("GET /charges/{id}", b.show)
	b.Server = httptest.NewServer(mux)
	t.Cleanup(b.Close)
	return b
}

func say(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (b *bank) create(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Reference, Token string
		Amount           map[string]any
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil || r.Header.Get("Authorization") != "Bearer "+b.apiKey {
		say(w, http.StatusUnauthorized, map[string]string{"code": "unauthenticated", "detail": r.Header.Get("Authorization")})
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	for _, c := range b.charges {
		if c.Key == key {
			say(w, http.StatusCreated, c)
			return
		}
	}
	c := &bankCharge{
		ID: fmt.Sprintf("ch_%d", len(b.charges)+1), Key: key, Reference: req.Reference, Amount: req.Amount,
		Status: "authorised", Captured: 0, Refunded: 0, CreatedAt: time.Now().UTC(),
	}
	quoted := map[string]string{"code": "invalid_token", "detail": req.Token + " is no card of " + b.apiKey}
	switch {
	case strings.Contains(req.Token, "declined"):
		c.Status, c.Reason = "declined", "card_declined"
	case strings.Contains(req.Token, "refused"):
		say(w, http.StatusBadRequest, quoted)
		return
	case strings.Contains(req.Token, "error"):
		say(w, http.StatusInternalServerError, quoted)
		return
	case strings.Contains(req.Token, "garbage"):
		say(w, http.StatusCreated, quoted)
		return
	}
	b.charges = append(b.charges, c)
	if strings.Contains(req.Token, "lost") {
		panic(http.ErrAbortHandler)
	}
	say(w, http.StatusCreated, c)
}

func (b *bank) act(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.charges {
		if c.ID != r.PathValue("id") {
			continue
		}
		switch r.PathValue("action") {
		case "capture":
			c.Status, c.Captured = "captured", c.Amount["amount"]
		case "void":
			c.Status = "voided"
		case "refund":
			c.Status, c.Refunded = "refunded", c.Amount["amount"]
		}
		say(w, http.StatusOK, c)
		return
	}
	say(w, http.StatusNotFound, map[string]string{"code": "not_found"})
}

func (b *bank) list(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := []*bankCharge{}
	for _, c := range b.charges {
		q := r.URL.Query()
		if (!q.Has("reference") || q.Get("reference") == c.Reference) && (!q.Has("idempotency_key") || q.Get("idempotency_key") == c.Key) {
			found = append(found, c)
		}
	}
	say(w, http.StatusOK, map[string]any{"items": found, "next_cursor": nil})
}

func (b *bank) show(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.charges {
		if c.ID == r.PathValue("id") {
			say(w, http.StatusOK, c)
			return
		}
	}
	say(w, http.StatusNotFound, map[string]string{"code": "not_found"})
}

// signed is a webhook's signature.
func (b *bank) signed(body string) string {
	t := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(b.webhookSecret))
	mac.Write([]byte(t + "." + body))
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
