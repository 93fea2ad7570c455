package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
)

// The running service keeps the contract of payments, asked over RabbitMQ.
func TestServiceConforms(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.start(t)
	paymentstest.Exercise(t, p.harness(t))
	require.Greater(t, s.answered(t), 50, "calls that the service has answered")
}

// Several instances share the calls, and one that is told to stop takes none with it.
func TestInstancesShareTheWork(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	made := payments.Payment{}
	slow := 0
	for try := 0; try == 0 || slow > 0 && try < 3; try++ { // what is lost at a stop is lost each time
		instances := []*process{p.start(t), p.start(t)}
		if try == 0 {
			made = paymentstest.MustAuthorize(t, p.service)
		}
		slow = p.share(t, instances, made)
		require.Zero(t, instances[1].stop(t))
	}
	require.Zero(t, slow, "calls that got no answer in time while an instance stopped")
}

// share has callers ask two instances while the first is told to stop. slow counts the
// calls that ran out of time: a machine that stands still makes some as well.
func (p *place) share(t *testing.T, instances []*process, made payments.Payment) (slow int) {
	t.Helper()
	ctx, halt := context.WithCancel(t.Context())
	defer halt()
	var callers sync.WaitGroup
	var done, wrong, lost, late counter
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				got, err := p.service.Get(paymentstest.Shop(t.Context()), payments.GetRequest{PaymentID: made.ID})
				switch {
				case err != nil && time.Since(began) > inTime:
					late.add(t, err.Error())
				case err != nil:
					lost.add(t, err.Error())
				case got != made:
					wrong.add(t, fmt.Sprint(got))
				default:
					done.add(t, "")
				}
			}
		})
	}
	require.Eventually(t, func() bool { return done.now() > 400 }, patience, 10*time.Millisecond)
	shares := []int{instances[0].answered(t), instances[1].answered(t)}
	require.Greater(t, min(shares[0], shares[1]), 100, "each of them has a share: %v", shares)
	require.Zero(t, instances[0].stop(t))
	before := done.now()
	require.Eventually(t, func() bool { return done.now() > before+100 }, patience, 10*time.Millisecond, "the other one goes on")
	halt()
	callers.Wait()
	require.Zero(t, wrong.now())
	require.Zero(t, lost.now(), "calls that got no answer while an instance stopped")
	t.Logf("%d calls, %v when both ran, %d late", done.now(), shares, late.now())
	return late.now()
}

// A service that is told to stop while it waits for the provider finishes that, and
// answers; meanwhile it says that it is not ready.
func TestServiceStopsWell(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.start(t)
	status, health := s.get("/health/live")
	require.Equal(t, http.StatusOK, status, health)
	_, health = s.get("/health/ready")
	require.Contains(t, health, "rabbitmq")
	require.Contains(t, health, "database.payments")
	_, metrics := s.get("/metrics")
	require.Contains(t, metrics, "banyan_build_info")
	require.Contains(t, metrics, "banyan_rabbitmq_sessions_total")
	code, out := s.run("check")
	require.Zero(t, code, out)

	took := p.stopsWell(t, s)
	for try := 1; took > inTime && try < 5; try++ {
		s = p.start(t)
		took = p.stopsWell(t, s)
	}
	require.LessOrEqual(t, took, inTime, "this machine is too slow to tell")
	code, out = s.run("check")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "does not run")
}

// inTime is less than the provider has for its answer (5 s), and a call for its own: who
// was held up for longer, by a machine that stood still, may be given up.
const inTime = 4 * time.Second

// stopsWell tells a service to stop while it waits for the provider. The story says
// something where it took no longer than inTime.
func (p *place) stopsWell(t *testing.T, s *process) (took time.Duration) {
	t.Helper()
	hold := make(chan struct{})
	for len(p.held) > 0 { // of the try before
		<-p.held
	}
	p.hold.Store(&hold)
	answer, began := make(chan error, 1), time.Now()
	go func() {
		_, err := p.service.Authorize(paymentstest.Shop(t.Context()), paymentstest.Request("tok_visa"))
		answer <- err
	}()
	select {
	case <-p.held:
	case <-time.After(patience):
		require.Fail(t, "the provider was not asked")
	}
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status != http.StatusOK }, patience, time.Millisecond)
	left := false
	select {
	case <-s.exited:
		left = true
	default:
	}
	took = time.Since(began)
	close(hold)
	err := <-answer
	require.Zero(t, s.ended(t))
	if took <= inTime {
		require.False(t, left, "it left while a call was under way")
		require.NoError(t, err, "the call that was under way")
	}
	return took
}

// A service that nobody can reach is not ready, and says why not; it is once it can be
// reached. Meanwhile it does its own work, and stops when it is told to.
func TestAServiceIsReadyWhenItCanBeReached(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	wire := rabbittest.NewWire(t, p.broker)
	wire.Down()
	stranger, err := url.Parse(p.broker)
	require.NoError(t, err)
	stranger.User = url.UserPassword(stranger.User.Username(), "not-the-password")
	away, refused := p.launch(t, wire.URL), p.launch(t, stranger.String())
	for s, why := range map[*process]string{away: "connection refused", refused: "username or password not allowed"} {
		var line string
		require.Eventually(t, func() bool {
			line = regexp.MustCompile(`(?m)^.*opening without RabbitMQ.*$`).FindString(s.out.String())
			return line != ""
		}, patience, 20*time.Millisecond, "it does not go on")
		require.Contains(t, line, why)
		require.NotContains(t, line, "not-the-password")
		status, body := s.get("/health/ready")
		require.Equal(t, http.StatusServiceUnavailable, status, body)
		code, out := s.run("check")
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "it is not ready")
		status, body = s.get("/health/live")
		require.Equal(t, http.StatusOK, status, body)
	}
	require.Zero(t, refused.stop(t))
	wire.Up(t)
	away.opens(t)
	code, out := away.run("check")
	require.Zero(t, code, out)
	require.Equal(t, "ok\n", out)
	paymentstest.MustAuthorize(t, p.service)
}

// A service whose database was forgotten begins with empty files, and says so.
func TestServiceWithNoDataSaysSo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	require.NotContains(t, p.start(t).out.String(), "new, empty", "several begin on one server")
	p.url = ""
	says := p.start(t).out.String()
	require.Contains(t, says, "(new, empty)")
	require.Contains(t, says, "the service begins with no data")
	require.Contains(t, says, "BANYAN_DATABASE_URL")
}

// The service audits what nobody else can: its payments against the provider's ledger.
func TestServiceAudits(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.start(t)
	made := paymentstest.MustAuthorize(t, p.service)
	code, out := s.run("audit")
	require.Zero(t, code, out)
	require.Regexp(t, `(?m)^payments\.matches_provider +2 +0$`, out)
	require.Contains(t, out, "No violation found.")

	rows := testenvModule(t, p.url)
	require.NoError(t, rows.Atomic(t.Context(), func(ctx context.Context) error {
		return rows.Conn(ctx).Exec("UPDATE payments SET amount = amount + 1 WHERE id = ?", made.ID).Error
	}))
	code, out = s.run("audit", "--json")
	require.Equal(t, 3, code, out)
	var report audit.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report), out)
	require.Len(t, report.Findings, 1)
	require.Equal(t, "payments.matches_provider", report.Findings[0].Rule)
	require.Contains(t, report.Findings[0].Subject, made.ID)

	p.provider.Close()
	code, out = s.run("audit")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "Not checked: payments.matches_provider")
	require.Contains(t, out, "payments: check payments.matches_provider: ask the provider's ledger")

	nowhere := filepath.Join(t.TempDir(), "mistyped")
	s.env = append(s.env, "BANYAN_DATABASE_URL=", "BANYAN_DATA_DIR="+nowhere)
	code, out = s.run("audit")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "no data in "+nowhere+": there is no such folder; say with data.dir (BANYAN_DATA_DIR")
	require.NoDirExists(t, nowhere, "who looks begins nothing")
}

// What cannot run says why.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	run := func(args []string, env ...string) (int, string) {
		cmd := exec.Command(binary, args...)
		cmd.Dir, cmd.Env = t.TempDir(), env
		out, _ := cmd.CombinedOutput() // how it ended is in its state
		return cmd.ProcessState.ExitCode(), string(out)
	}
	code, out := run([]string{"version"})
	require.Zero(t, code, out)
	require.Contains(t, out, "payments ")
	for _, wrong := range [][]string{{"dance"}, {"audit", "--xml"}, {"check", "--json"}} {
		code, out = run(wrong)
		require.Equal(t, 2, code)
		require.Contains(t, out, fmt.Sprintf("payments: there is no %q\n\nusage: payments", strings.Join(wrong, " ")))
	}
	for _, help := range []string{"help", "--help", "-h"} {
		code, out = run([]string{help})
		require.Zero(t, code, out)
		require.Regexp(t, "^usage: payments", out)
		for _, needed := range []string{"AMQP_URL", "PORTS_SIGNING_KEY", "PAYMENTS_PROVIDER_URL", "PAYMENTS_API_KEY"} {
			require.Contains(t, out, "\n  BANYAN_"+needed+"\n")
		}
	}
	code, out = run(nil)
	require.Equal(t, 2, code)
	require.Contains(t, out, "BANYAN_AMQP_URL")
	code, out = run(nil, "BANYAN_AMQP_URL=amqp://a:b@127.0.0.1:1/", "BANYAN_PORTS_SIGNING_KEY="+signingKey, "BANYAN_OPS_ADDR=127.0.0.1:0")
	require.Equal(t, 1, code)
	require.Contains(t, out, "payments.provider_url")
}
