package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// patience is for one wait. It is long because a busy machine is no failure.
const patience = 90 * time.Second

const signingKey = "the key of a test, known to both its ends" // rabbittest's

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "banyan-payments-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "payments")
	code := 1
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build payments: %v\n%s", err, out)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// place is where services of one shop run: a database, a broker, a provider, and
// the shop's end of the wire.
type place struct {
	url, broker string // of the database, of the broker
	provider    *httptest.Server
	hold        atomic.Pointer[chan struct{}] // the provider answers only when it is closed
	held        chan struct{}                 // gets who waits for that
	charges     *database.DB
	rows        *database.DB // of payments
	service     payments.Service
	shipped     *event.Outbox
	carrier     *database.DB
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{url: testenv.PostgresURL(t), broker: testenv.RabbitMQ(t), held: make(chan struct{}, 100)}
	p.charges, p.carrier = testenv.SQLite(t, "sandbox"), testenv.SQLite(t, "shipping")
	require.NoError(t, p.charges.Migrate(t.Context(), sandbox.Migrations()...))
	require.NoError(t, p.carrier.Migrate(t.Context(), event.OutboxMigrations()))
	box, err := sandbox.New(sandbox.Deps{DB: p.charges, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), APIKey: "key"})
	require.NoError(t, err)
	p.provider = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hold := p.hold.Load(); hold != nil {
			p.held <- struct{}{}
			<-*hold
		}
		box.ServeHTTP(w, r)
	}))
	t.Cleanup(p.provider.Close)

	// The shop's end: it calls, and it plays shipping.
	here := rabbittest.New(t, p.broker)
	p.shipped = event.NewOutbox(p.carrier, clock.System, id.V7)
	bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	bus.Source(p.shipped)
	bus.Sink(here.Sink())
	here.Publish(rabbit.Source{Module: p.shipped.Module(), Retention: 24 * time.Hour})
	rabbittest.Run(t, here)
	ctx, stop := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	for _, task := range bus.Tasks() {
		tasks.Go(func() { _ = task.Run(ctx) })
	}
	t.Cleanup(func() { stop(); tasks.Wait() })
	conn := port.NewConn("payments", port.WithSigner(rabbittest.Signer(t)))
	conn.Remote(here.To("payments"))
	p.service = payments.NewClient(conn)
	return p
}

// process is a service as it runs.
type process struct {
	ops    string // its ops address, host:port
	env    []string
	cmd    *exec.Cmd
	out    output
	exited chan struct{}
}

// output is what a process says, read while it does.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs the service and waits until it is ready. It ends with the test.
func (p *place) start(t *testing.T) *process {
	t.Helper()
	s := p.launch(t, p.broker)
	s.opens(t)
	return s
}

// launch runs the service, with the address of its broker. It ends with the test.
func (p *place) launch(t *testing.T, broker string) *process {
	t.Helper()
	s := &process{ops: fmt.Sprintf("127.0.0.1:%d", testenv.Port(t)), exited: make(chan struct{})}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BANYAN_") {
			s.env = append(s.env, v)
		}
	}
	s.env = append(s.env, "BANYAN_DATABASE_URL="+p.url, "BANYAN_DATABASE_POOL=8", "BANYAN_AMQP_URL="+broker, "BANYAN_PORTS_SIGNING_KEY="+signingKey,
		"BANYAN_PAYMENTS_PROVIDER_URL="+p.provider.URL, "BANYAN_PAYMENTS_API_KEY=key", "BANYAN_PAYMENTS_WEBHOOK_SECRET=whsec",
		"BANYAN_OPS_ADDR="+s.ops, "BANYAN_LOG_LEVEL=warn")
	s.cmd = exec.Command(binary)
	s.cmd.Dir, s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = t.TempDir(), s.env, &s.out, &s.out
	require.NoError(t, s.cmd.Start())
	go func() { _ = s.cmd.Wait(); close(s.exited) }()
	t.Cleanup(func() {
		select {
		case <-s.exited:
		default:
			if code := s.stop(t); code != 0 {
				t.Errorf("the service left with exit code %d", code)
			}
		}
		if t.Failed() {
			t.Logf("log of the service:\n%s", &s.out)
		}
	})
	return s
}

// opens waits until the service is ready.
func (s *process) opens(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		select {
		case <-s.exited:
			require.Fail(t, "the service ended", "%s\n%s", s.cmd.ProcessState, &s.out)
		default:
		}
		status, _ := s.get("/health/ready")
		return status == http.StatusOK
	}, patience, 20*time.Millisecond, "the service is not ready")
}

// get gives status and body; 0 where nobody answers.
func (s *process) get(path string) (int, string) {
	res, err := http.Get("http://" + s.ops + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body) // what is missing shows
	return res.StatusCode, string(body)
}

// answered is how many calls it has answered, by its own metrics.
func (s *process) answered(t *testing.T) int {
	t.Helper()
	_, text := s.get("/metrics")
	found := regexp.MustCompile(`(?m)^banyan_rabbitmq_answered_seconds_count\{module="payments"\} (\d+)$`).FindStringSubmatch(text)
	require.NotNil(t, found, "%s", text)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

func (s *process) stop(t *testing.T) int {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	return s.ended(t)
}

func (s *process) ended(t *testing.T) int {
	t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		require.Fail(t, "the service did not stop", "%s", &s.out)
	}
	return s.cmd.ProcessState.ExitCode()
}

// run runs a command of the service beside it.
func (s *process) run(args ...string) (code int, out string) {
	cmd := exec.Command(binary, args...)
	cmd.Env = s.env
	text, _ := cmd.CombinedOutput() // how it ended is in its state
	return cmd.ProcessState.ExitCode(), string(text)
}

func (p *place) harness(t *testing.T) paymentstest.Harness {
	t.Helper()
	p.rows = testenvModule(t, p.url)
	return paymentstest.Harness{
		Service: p.service,
		Capture: func(t *testing.T, orderID string) {
			t.Helper()
			require.NoError(t, p.carrier.Atomic(t.Context(), func(ctx context.Context) error {
				shipment := id.V7()
				return p.shipped.Publish(ctx, shipping.ShipmentDispatched.New(shipment, 1, shipping.ShipmentChanged{ShipmentID: shipment, OrderID: orderID}))
			}))
			require.Eventually(t, func() bool {
				got, err := p.service.ByOrder(paymentstest.Shop(t.Context()), payments.OrderRequest{OrderID: orderID})
				return err == nil && got.Status == payments.Captured
			}, patience, 20*time.Millisecond)
		},
		Settle: func(t *testing.T) {
			t.Helper()
			require.Eventually(t, func() bool {
				var open int
				err := p.rows.Conn(t.Context()).Raw(`SELECT count(*) FROM provider_operations WHERE status = 'pending' AND kind <> 'authorise'`).Scan(&open).Error
				return err == nil && open == 0
			}, patience, 20*time.Millisecond)
		},
		Charges: func(t *testing.T, orderID string) []string {
			t.Helper()
			var list []string
			require.NoError(t, p.charges.Conn(t.Context()).Raw(`SELECT status FROM charges WHERE reference = ? AND status <> 'declined'`, orderID).Scan(&list).Error)
			return list
		},
	}
}

// testenvModule gives the rows of payments, as the service has them.
func testenvModule(t *testing.T, url string) *database.DB {
	t.Helper()
	db, err := testenv.Open(t, database.Config{URL: url}).Module(t.Context(), "payments", 1)
	require.NoError(t, err)
	return db
}

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
	paymentstest.MustAuthorize(t, p.service)
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
		require.Contains(t, out, "usage: payments")
	}
	code, out = run(nil)
	require.Equal(t, 2, code)
	require.Contains(t, out, "BANYAN_AMQP_URL")
	code, out = run(nil, "BANYAN_AMQP_URL=amqp://a:b@127.0.0.1:1/", "BANYAN_PORTS_SIGNING_KEY="+signingKey, "BANYAN_OPS_ADDR=127.0.0.1:0")
	require.Equal(t, 1, code)
	require.Contains(t, out, "payments.provider_url")
}

// counter counts, and logs the first of what has a text.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add(t *testing.T, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n++; c.n <= 3 && text != "" {
		t.Log(text)
	}
}

func (c *counter) now() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
