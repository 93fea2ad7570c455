package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/telemetry"
)

// Service is one module as a process of its own. Calls and events reach it over
// the broker.
type Service struct {
	Module     string
	Weight     int // its share of the PostgreSQL connections, 1..10
	Migrations []database.Migrations
	Needs      []string // variables that it has to have beside those of every service
	// Build makes the module on its data.
	Build func(h *Host, db *database.DB) (Part, error)
}

const usage = `usage: %[1]s [serve | check | audit [--json] | version | help]

  serve    run %[1]s until it is told to stop; what it does without a command
  check    ask the one that runs on this machine whether it is ready; prints ok
  audit    check that what %[1]s keeps adds up, beside those that run; begins no data
  version  print the version
  help     print this

Exit codes: 0 done, 1 failed, 2 wrong arguments or settings, 3 the audit found
something.

Settings are BANYAN_ variables or banyan.yaml, the same as the shop's. Needed:
%[2]s
`

// usage tells how the program is used.
func (s Service) usage() string {
	needs := append([]string{"BANYAN_AMQP_URL", "BANYAN_PORTS_SIGNING_KEY"}, s.Needs...)
	return fmt.Sprintf(usage, s.Module, "  "+strings.Join(needs, "\n  "))
}

// errFound is what an audit ends with that has found something, and said it.
var errFound = errors.New("violations found")

// Main runs a service and gives the exit code of its process: 0 after a stop that
// was asked for, 1 when it failed, 2 for wrong arguments or settings, 3 when its audit
// found something.
func Main(s Service, args []string, stdout, stderr io.Writer) int {
	ctx, stop := run.Signals(context.Background())
	defer stop()
	var do func(ctx context.Context, cfg config.Config, stdout, stderr io.Writer) error
	switch command := strings.Join(args, " "); command {
	case "", "serve":
		do = s.serve
	case "check":
		do = s.check
	case "audit", "audit --json":
		do = s.audit(command != "audit")
	case "version":
		fmt.Fprintln(stdout, s.Module, telemetry.ReadBuild().Version)
		return 0
	case "help", "--help", "-h":
		fmt.Fprint(stdout, s.usage())
		return 0
	default:
		fmt.Fprintf(stderr, "%s: there is no %q\n\n%s", s.Module, command, s.usage())
		return 2
	}
	cfg, err := config.Load(config.Options{})
	if err == nil && cfg.AMQP.URL == "" {
		err = errors.New("amqp.url: it is by the broker that the shop reaches this service; set BANYAN_AMQP_URL")
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", s.Module, err)
		return 2
	}
	var wrong *config.Error
	switch err := do(ctx, cfg, stdout, stderr); {
	case errors.Is(err, errFound):
		return 3
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\n", s.Module, err)
		if errors.As(err, &wrong) { // seen only in use
			return 2
		}
		return 1
	}
	return 0
}

// check asks the ops address whether the service is ready, for who runs containers
// without a shell in them.
func (s Service) check(ctx context.Context, cfg config.Config, stdout, _ io.Writer) error {
	if err := Check(ctx, cfg.Ops.Addr); err != nil {
		return err
	}
	_, err := fmt.Fprintln(stdout, "ok")
	return err
}

// Check asks a process on this machine whether it is ready.
func Check(ctx context.Context, opsAddr string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	url := "http://" + reachable(opsAddr) + "/health/ready"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("it does not run: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return fmt.Errorf("it is not ready: %s %s", res.Status, why)
	}
	return nil
}

// audit runs the checks of the module, which nobody runs from elsewhere.
func (s Service) audit(asJSON bool) func(ctx context.Context, cfg config.Config, stdout, stderr io.Writer) error {
	return func(ctx context.Context, cfg config.Config, stdout, stderr io.Writer) error {
		log, err := telemetry.NewLogger(stderr, telemetry.LogOptions{Level: "warn", Format: "text"})
		if err != nil {
			return err
		}
		h, err := Open(ctx, Deps{Config: cfg, Log: log, Existing: true})
		if err != nil {
			return err
		}
		defer h.Close()
		if err := s.wire(ctx, h); err != nil {
			return err
		}
		ctx = port.WithPrincipal(ctx, port.System("operator"))
		report, failed := audit.Run(ctx, h.Checks, audit.Lines(stderr))
		err = errors.Join(failed, report.Print(stdout, asJSON))
		if err == nil && len(report.Findings) > 0 {
			return errFound
		}
		return err
	}
}

func (s Service) serve(ctx context.Context, cfg config.Config, stdout, stderr io.Writer) error {
	build := telemetry.ReadBuild()
	log, err := telemetry.NewLogger(stderr, telemetry.LogOptions{Level: cfg.Log.Level, Format: cfg.Log.Format})
	if err != nil {
		return err
	}
	tracing, err := telemetry.NewTracing(ctx, "banyan-"+s.Module, build)
	if err != nil {
		return fmt.Errorf("set up tracing: %w", err)
	}
	defer Flush(tracing, log)
	at, err := Listen("ops.addr", cfg.Ops.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = at.Close() }()

	h, err := Open(ctx, Deps{
		Config: cfg, Log: log, Metrics: telemetry.NewRegistry(build),
		Tracer: tracing.Provider.Tracer("github.com/banyan-tree/banyan"),
	})
	if err != nil {
		return err
	}
	defer h.Close()
	if err := s.wire(ctx, h); err != nil {
		return err
	}
	if err := h.Attend(ctx); err != nil {
		return err
	}
	began := ""
	if file := h.Databases[s.Module].Begun(); file != "" {
		began = " (new, empty)"
		log.WarnContext(ctx, "the service begins with no data; if it had some elsewhere, in the shop's database for instance, "+
			"stop it before it misses what it is told, and say with database.url (BANYAN_DATABASE_URL) or data.dir where they are", "file", file)
	}
	checks := health.New()
	h.Watch(checks)
	group := &run.Group{Log: log, StopTimeout: cfg.ShutdownTimeout, Draining: checks.Drain, Ready: func() {
		checks.Started()
		ops := "http://" + Reachable(at.Addr())
		fmt.Fprintf(stdout, "%s is ready.\n\n  health    %s/health/ready\n  metrics   %s/metrics\n  data      %s\n  broker    %s\n\nStop with Ctrl-C.\n",
			s.Module, ops, ops, h.Cluster.Describe()+began, h.Broker.Address())
	}}
	group.Add(Listener("ops", HTTPServer(cfg, log, Ops(h.Metrics, checks)), at))
	group.Add(h.Tasks...)
	group.Add(h.reached()) // it does its own work while the broker is away, and is of use to nobody else
	return group.Run(ctx)
}

// wire builds the module and lets the broker reach it.
func (s Service) wire(ctx context.Context, h *Host) error {
	db, err := h.Data(ctx, s.Module, s.Weight, s.Migrations)
	if err != nil {
		return err
	}
	part, err := s.Build(h, db)
	if err != nil {
		return fmt.Errorf("build %s: %w", s.Module, err)
	}
	server := h.Server(s.Module)
	part.Serve(server)
	h.BrokerOf(s.Module).Serve(server, rabbit.Limits{})
	h.Add(part)
	return h.Finish(nil)
}

// Run is Main with the process's own arguments and streams; it ends the process.
func Run(s Service) { os.Exit(Main(s, os.Args[1:], os.Stdout, os.Stderr)) }
