// Package health tells whether the process is up and whether it can do its work.
//
// What belongs here: running named checks and answering /health/live and
// /health/ready. What does not: any check itself; those come from who owns the
// thing that is checked.
package health

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Statuses of a check and of the whole.
const (
	OK       = "ok"
	Failing  = "failing"
	Draining = "draining"
	Starting = "starting"
)

const (
	checkTimeout = 2 * time.Second
	// freshFor bounds what probes cost, however many ask.
	freshFor = time.Second
)

// Check is one thing that must work for the process to be ready.
type Check struct {
	Name    string        // "database.orders"
	Timeout time.Duration // 2 s unless set
	// Run returns a short detail for people, or why the check fails. The detail, and
	// what a fault says of itself, are shown to anyone, so they must hold no secret and
	// no SQL. Of other errors nothing is shown.
	Run func(ctx context.Context) (detail string, err error)
}

// Result is what one check said.
type Result struct {
	Status   string  `json:"status"`
	Detail   string  `json:"detail,omitempty"`
	Duration float64 `json:"duration_ms"`
}

// Report is the whole answer.
type Report struct {
	Status string            `json:"status"`
	Checks map[string]Result `json:"checks"`
}

// Registry holds the checks of one process. It is not ready until Started.
type Registry struct {
	mu     sync.Mutex
	checks []Check

	asking sync.Mutex // one round at a time; the others get its answer
	last   map[string]Result
	lastAt time.Time

	started, draining atomic.Bool
	now               func() time.Time
}

// New makes a registry without checks.
func New() *Registry { return &Registry{now: time.Now} }

// Add adds checks. Two of one name are a mistake in wiring and panic.
func (r *Registry) Add(checks ...Check) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range checks {
		for _, have := range r.checks {
			if have.Name == c.Name {
				panic("health: two checks are named " + c.Name)
			}
		}
		r.checks = append(r.checks, c)
	}
}

// Started says that every part of the process is up.
func (r *Registry) Started() { r.started.Store(true) }

// Drain says that the process is about to stop: it is not ready from now on.
func (r *Registry) Drain() { r.draining.Store(true) }

// Report runs the checks, or answers what they said within the last second.
func (r *Registry) Report(ctx context.Context) Report {
	report := Report{Status: OK, Checks: r.results(ctx)}
	for _, result := range report.Checks {
		if result.Status != OK {
			report.Status = Failing
		}
	}
	switch {
	case r.draining.Load():
		report.Status = Draining
	case !r.started.Load():
		report.Status = Starting
	}
	return report
}

func (r *Registry) results(ctx context.Context) map[string]Result {
	r.asking.Lock()
	defer r.asking.Unlock()
	if r.last != nil && r.now().Sub(r.lastAt) < freshFor {
		return r.last
	}
	r.mu.Lock()
	checks := r.checks
	r.mu.Unlock()
	results := make([]Result, len(checks))
	var wait sync.WaitGroup
	for i, c := range checks {
		// A probe that goes away must not make a check fail for the next one.
		wait.Go(func() { results[i] = run(context.WithoutCancel(ctx), c) })
	}
	wait.Wait()
	byName := make(map[string]Result, len(checks))
	for i, c := range checks {
		byName[c.Name] = results[i]
	}
	r.last, r.lastAt = byName, r.now()
	return byName
}

// run gives up on a check at its deadline even if the check does not.
func run(ctx context.Context, c Check) Result {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = checkTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	said := make(chan Result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				said <- Result{Status: Failing, Detail: fmt.Sprintf("the check panicked: %v", p)}
			}
		}()
		detail, err := c.Run(ctx)
		if err != nil {
			said <- Result{Status: Failing, Detail: public(err)}
			return
		}
		said <- Result{Status: OK, Detail: detail}
	}()
	var result Result
	select {
	case result = <-said:
	case <-ctx.Done():
		result = Result{Status: Failing, Detail: fmt.Sprintf("no answer within %s", timeout)}
	}
	result.Duration = float64(time.Since(began).Microseconds()) / 1000
	return result
}

// public is what anyone may read of an error: a fault's own words, without the
// cause, which can name hosts and users, and of what is no fault what callers are told.
func public(err error) string { return fault.From(err).Message }

// Live answers 200 as long as the process can answer at all. It asks no check:
// a sick database is no reason to kill the process.
func (r *Registry) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, Report{Status: OK, Checks: map[string]Result{}})
	})
}

// Ready answers 200 when every check passes, all parts are up and the process is
// not stopping; else 503. The body names each check.
func (r *Registry) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		report := r.Report(req.Context())
		status := http.StatusOK
		if report.Status != OK {
			status = http.StatusServiceUnavailable
		}
		write(w, status, report)
	})
}

func write(w http.ResponseWriter, status int, report Report) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(report) // the prober has gone; there is no one to tell
}
