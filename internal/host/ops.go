package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/telemetry"
	"github.com/banyan-tree/banyan/internal/web"
)

// Listen binds an address that a setting names.
func Listen(key, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		hint := "choose another address"
		var unknown *net.DNSError
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			hint = "if another process runs there, choose another address"
		case errors.Is(err, syscall.EADDRNOTAVAIL), errors.As(err, &unknown):
			hint = "that is no address of this machine: choose one that is, or an empty host for all of them,"
		}
		return nil, fmt.Errorf("%s: %w; %s with %s", key, err, hint, "BANYAN_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_")))
	}
	return l, nil
}

// Reachable is how this machine reaches its own listener, as host:port.
func Reachable(a net.Addr) string { return reachable(a.String()) }

func reachable(addr string) string {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return addr
	}
	if at.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port()).String()
	}
	return at.String()
}

// Place is something on the ops address, for who asks what is there.
type Place struct{ Request, Says string }

// Ops is what operators see of a process: metrics and health, and at / a list of what
// there is, with what the caller adds to the mux. A metric that cannot be had, because
// the database it is counted in is away, keeps back no other.
func Ops(metrics *prometheus.Registry, checks *health.Registry, more ...Place) *http.ServeMux {
	mux := http.NewServeMux()
	var list strings.Builder
	for _, p := range append([]Place{
		{"GET /metrics", "what is counted, for Prometheus"},
		{"GET /health/live", "whether the process is up"},
		{"GET /health/ready", "whether it can do its work, check by check"},
	}, more...) {
		fmt.Fprintf(&list, "%-32s %s\n", p.Request, p.Says)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(list.String())) // a client that is gone is not our error
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, Registry: metrics}))
	mux.Handle("GET /health/live", checks.Live())
	mux.Handle("GET /health/ready", checks.Ready())
	return mux
}

// HTTPServer is a server with the time-outs of the settings.
func HTTPServer(cfg config.Config, log *slog.Logger, h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: cfg.HTTP.ReadHeaderTimeout, ReadTimeout: cfg.HTTP.ReadTimeout,
		WriteTimeout: cfg.HTTP.WriteTimeout, IdleTimeout: cfg.HTTP.IdleTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// opsConnections is how many connections operators, probes and whoever scrapes may
// have at a time, together with those of the sandbox's callers.
const opsConnections = 1024

// Listener is the task of a server on its listener, which takes so many connections
// and no more: open files are for customers.
func Listener(name string, s *http.Server, at net.Listener) run.Task {
	return run.Task{
		Name: name,
		Run: func(ctx context.Context) error {
			done := make(chan error, 1)
			go func() { done <- s.Serve(web.Limit(at, opsConnections)) }()
			select {
			case err := <-done:
				return err
			case <-ctx.Done():
			}
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := s.Shutdown(stop); err != nil {
				_ = s.Close()
			}
			if err := <-done; !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
}

// Flush sends the last spans.
func Flush(t *telemetry.Tracing, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := t.Shutdown(ctx); err != nil {
		log.Warn("send the last spans", "error", err)
	}
}
