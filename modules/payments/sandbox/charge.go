package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/banyan-tree/banyan/internal/money"
)

const (
	slowness   = 3 * time.Second // of tok_slow
	flakyFails = 2               // failures of tok_flaky, per idempotency key
	bodyLimit  = 1 << 16         // bytes
	keyLimit   = 255
)

func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(slowness):
		return nil
	}
}

type chargeRequest struct {
	Reference string      `json:"reference"`
	Amount    money.Money `json:"amount"`
	Token     string      `json:"token"`
}

// declines are the cards that are refused, with the reason given.
var declines = map[string]string{
	"tok_declined":           "card_declined",
	"tok_insufficient_funds": "insufficient_funds",
}

// create makes a charge. The same key gives the first charge again, whatever the
// card does.
func (s *Sandbox) create(w http.ResponseWriter, r *http.Request) {
	var req chargeRequest
	key, ok := readRequest(w, r, &req)
	if !ok {
		return
	}
	if req.Reference == "" || len(req.Reference) > keyLimit || req.Amount.Amount < 0 || len(req.Amount.Currency) != 3 {
		refuse(w, http.StatusBadRequest, "invalid_request", "reference, amount of 0 or more and its currency are needed")
		return
	}
	ctx := r.Context()
	if req.Token != "tok_visa" { // keeping its charge finds a first one anyway
		first, found, err := s.byKey(ctx, key)
		if err != nil || found {
			s.answerCharge(w, r, first, req, err)
			return
		}
	}
	c := chargeRow{ID: "ch_" + s.NewID(), Reference: req.Reference, Amount: req.Amount.Amount, Currency: req.Amount.Currency, Status: authorised, IdempotencyKey: key}
	switch req.Token {
	case "tok_visa", "tok_lost_reply":
	case "tok_declined", "tok_insufficient_funds":
		c.Status, c.Reason = declined, declines[req.Token]
	case "tok_error":
		refuse(w, http.StatusInternalServerError, "internal", "this card always fails")
		return
	case "tok_flaky":
		fails, err := s.fails(ctx, key)
		if err != nil {
			s.broken(w, r, err)
			return
		}
		if fails <= flakyFails {
			refuse(w, http.StatusInternalServerError, "internal", fmt.Sprintf("this card fails %d times, this was number %d", flakyFails, fails))
			return
		}
	case "tok_slow":
		if err := s.Slow(ctx); err != nil { // the caller has gone: nothing is charged
			s.broken(w, r, err)
			return
		}
	default:
		refuse(w, http.StatusBadRequest, "invalid_token", "there is no such card")
		return
	}
	kept, err := s.addCharge(ctx, c)
	if err == nil && req.Token == "tok_lost_reply" && kept.ID == c.ID {
		hangUp(w)
		return
	}
	s.answerCharge(w, r, kept, req, err)
}

// answerCharge answers with the charge that a key stands for.
func (s *Sandbox) answerCharge(w http.ResponseWriter, r *http.Request, c chargeRow, req chargeRequest, err error) {
	switch {
	case err != nil:
		s.broken(w, r, err)
	case c.Reference != req.Reference || c.Amount != req.Amount.Amount || c.Currency != req.Amount.Currency:
		refuse(w, http.StatusUnprocessableEntity, "idempotency_key_reused", "the key was used for another charge")
	default:
		answer(w, http.StatusCreated, c.full())
	}
}

// hangUp closes the connection without a reply.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
		return
	}
	panic(http.ErrAbortHandler) // HTTP/2 has no connection to close
}

// readRequest reads the key and the body, or refuses.
func readRequest(w http.ResponseWriter, r *http.Request, into any) (key string, ok bool) {
	key = r.Header.Get("Idempotency-Key")
	if key == "" || len(key) > keyLimit {
		refuse(w, http.StatusBadRequest, "idempotency_key_missing", "send an Idempotency-Key of 1 to 255 characters")
		return "", false
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body must be JSON")
		return "", false
	}
	return key, true
}

type problem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func refuse(w http.ResponseWriter, status int, code, detail string) {
	answer(w, status, problem{code, detail})
}

// broken answers what went wrong inside; the reason is for the log only.
func (s *Sandbox) broken(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler) // nobody is there to read an answer
	}
	s.Log.ErrorContext(r.Context(), "sandbox request failed", "path", r.URL.Path, "error", err)
	refuse(w, http.StatusServiceUnavailable, "unavailable", "try again later")
}

func answer(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil { // the types here always have a JSON form
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}
