package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
