package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
)

const longestHang = 5 * time.Minute

// sickness is how the provider misbehaves, for tests and demonstrations. Zero is
// healthy. It is kept by the process, not in the ledger.
type sickness struct {
	FailPercent int `json:"fail_percent"` // share of requests answered with 503, 0 to 100
	HangSeconds int `json:"hang_seconds"` // how long each request hangs before its connection is closed, 0 to 300
}

// ward keeps the sickness and counts what merchants asked, whatever came of it.
type ward struct {
	mu       sync.Mutex
	now      sickness
	since    time.Time
	attempts map[string]int64 // by what was asked
}

func (w *ward) note(what string) sickness {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.attempts == nil {
		w.attempts = map[string]int64{}
	}
	w.attempts[what]++
	return w.now
}

// suffer counts a merchant's request and makes it fail or hang while the provider
// is sick. Such a request has no effect. Auditors are always served.
func (s *Sandbox) suffer(what string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.hasKey(r) {
			next(w, r)
			return
		}
		sick := s.ward.note(what)
		if sick.HangSeconds > 0 {
			// The body is read first, else the server does not notice a caller who left.
			_, _ = http.MaxBytesReader(w, r.Body, bodyLimit).Read(make([]byte, bodyLimit))
			ctx, cancel := context.WithTimeout(r.Context(), time.Duration(sick.HangSeconds)*time.Second)
			defer cancel()
			<-ctx.Done()
			hangUp(w)
			return
		}
		if rand.IntN(100) < sick.FailPercent {
			refuse(w, http.StatusServiceUnavailable, "unavailable", "the provider is sick, because it was told to be")
			return
		}
		next(w, r)
	}
}

type sicknessReport struct {
	sickness
	Since    *time.Time       `json:"since"`    // when it was last changed; null: never
	Attempts map[string]int64 `json:"attempts"` // requests of merchants since the start, by kind
	Total    int64            `json:"attempts_total"`
}

// showSickness answers GET /sickness.
func (s *Sandbox) showSickness(w http.ResponseWriter, _ *http.Request) {
	s.ward.mu.Lock()
	defer s.ward.mu.Unlock()
	report := sicknessReport{sickness: s.ward.now, Attempts: map[string]int64{}}
	if !s.ward.since.IsZero() {
		report.Since = &s.ward.since
	}
	for what, n := range s.ward.attempts {
		report.Attempts[what] = n
		report.Total += n
	}
	answer(w, http.StatusOK, report)
}

// setSickness answers PUT /sickness.
func (s *Sandbox) setSickness(w http.ResponseWriter, r *http.Request) {
	var want sickness
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit))
	body.DisallowUnknownFields()
	most := int(longestHang / time.Second)
	if body.Decode(&want) != nil || want.FailPercent < 0 || want.FailPercent > 100 || want.HangSeconds < 0 || want.HangSeconds > most {
		refuse(w, http.StatusBadRequest, "invalid_request", fmt.Sprintf("send {\"fail_percent\":0 to 100,\"hang_seconds\":0 to %d}; both 0 is healthy", most))
		return
	}
	s.ward.mu.Lock()
	s.ward.now, s.ward.since = want, s.Now()
	s.ward.mu.Unlock()
	s.Log.WarnContext(r.Context(), "the payment sandbox was told how to behave", "fail_percent", want.FailPercent, "hang_seconds", want.HangSeconds)
	s.showSickness(w, r)
}

// auditor lets only admins through, not the merchant.
func (s *Sandbox) auditor(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := error(fault.Unauthenticated)
		if s.Admin != nil {
			err = s.Admin(r)
		}
		if err != nil {
			code := fault.From(err).Code // who is known and may not is told apart from who is not known
			refuse(w, code.Kind().HTTPStatus(), code.Name(), "this is for admins; the ledger also for the holder of the API key")
			return
		}
		next(w, r)
	}
}
