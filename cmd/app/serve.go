package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/host"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/telemetry"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/identity/identityhttp"
)

// audience is whom access tokens are for.
const audience = "banyan"

func serveCommand(s *settings) *cobra.Command {
	var withDemo bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the shop",
		Long: `Serve runs the shop until it is told to stop (Ctrl-C, SIGTERM): the API and
/docs on the HTTP address; metrics, health and the payment sandbox on the ops
address. Without further settings it keeps everything in SQLite files below
./data and needs no other server.`,
		Example: "  app serve --demo\n  BANYAN_DATABASE_URL=postgres://shop:secret@localhost/shop app serve",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, withDemo, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&withDemo, "demo", false, "import the demo catalogue, once, and make an admin unless admin.email names one")
	return cmd
}

// server is the shop with its listeners.
type server struct {
	*shop
	health *health.Registry
	web    *web.Server
	ops    *http.Server
	httpAt net.Listener
	opsAt  net.Listener
	admin  func(*http.Request) error // nil for an admin's request on the ops address
	stdout io.Writer

	adminPassword string // of the demo admin, to be printed
	adminChanged  bool   // the demo admin has another password by now, which only who set it knows
	imported      int    // demo products, by this start
}

// serve runs the shop until ctx ends.
func serve(ctx context.Context, cfg config.Config, withDemo bool, stdout, stderr io.Writer) error {
	build := telemetry.ReadBuild()
	log, err := telemetry.NewLogger(stderr, telemetry.LogOptions{Level: cfg.Log.Level, Format: cfg.Log.Format})
	if err != nil {
		return err
	}
	tracing, err := telemetry.NewTracing(ctx, "banyan", build)
	if err != nil {
		return fmt.Errorf("set up tracing: %w", err)
	}
	defer host.Flush(tracing, log)

	// Both listeners are bound first: a taken address is told before anything is
	// changed, and payments learns where its provider stands.
	httpAt, err := host.Listen("http.addr", cfg.HTTP.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = httpAt.Close() }()
	opsAt, err := host.Listen("ops.addr", cfg.Ops.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = opsAt.Close() }()
	if cfg.Identity.Issuer == "" {
		cfg.Identity.Issuer = "http://" + host.Reachable(httpAt.Addr())
	}

	shop, err := openShop(ctx, cfg, log, func(s *shop) {
		s.metrics = telemetry.NewRegistry(build)
		s.tracer = tracing.Provider.Tracer("github.com/banyan-tree/banyan")
		s.shopURL = "http://" + host.Reachable(httpAt.Addr())
		s.opsURL = "http://" + host.Reachable(opsAt.Addr())
		s.serves = true
	})
	if err != nil {
		return err
	}
	defer shop.close()

	srv := &server{shop: shop, health: health.New(), httpAt: httpAt, opsAt: opsAt, stdout: stdout}
	if err := srv.prepare(build); err != nil {
		return err
	}
	return srv.run(ctx, withDemo)
}

// prepare puts the two HTTP servers together.
func (s *server) prepare(build telemetry.Build) error {
	verifier, err := web.NewVerifier(web.VerifierConfig{
		Keys: func(ctx context.Context) ([]byte, error) {
			set, err := s.contracts.identity.KeySet(ctx, identity.KeySetRequest{})
			return []byte(set.JWKS), err
		},
		Issuer: s.cfg.IssuerURL(), Audience: audience, Clock: s.now,
	})
	if err != nil {
		return err
	}
	s.admin = requireAdmin(verifier.Verify)
	if s.psp != nil {
		s.psp.admin = s.admin
	}
	proxies, err := prefixes(s.cfg.HTTP.TrustedProxies)
	if err != nil {
		return err
	}
	s.web = web.New(web.Config{
		Listener: s.httpAt, ReadHeader: s.cfg.HTTP.ReadHeaderTimeout, Read: s.cfg.HTTP.ReadTimeout, Write: s.cfg.HTTP.WriteTimeout,
		Idle: s.cfg.HTTP.IdleTimeout, Connections: s.cfg.HTTP.Connections, BodyLimit: int64(s.cfg.HTTP.BodyLimit), RateLimit: web.RateLimit{Off: !bool(s.cfg.RateLimit)},
		Admission: web.Admission{InFlight: s.cfg.HTTP.InFlight, Queue: s.cfg.HTTP.Queue, Wait: s.cfg.HTTP.QueueWait, Pressed: sagas(s.Sagas).pressed},
		Drain:     s.cfg.HTTP.DrainDelay, Grace: config.Grace,
		TrustedProxies: proxies, Verifier: verifier, Title: "Banyan shop", Version: build.Version,
		Telemetry: web.Telemetry{Logger: s.log, Registerer: s.metrics, Tracer: s.tracer},
	})
	routes(s.web.Router("/api/v1"), s.contracts, s.log)
	keys, discovery := identityhttp.WellKnown(s.contracts.identity, s.cfg.IssuerURL())
	s.web.Mount("/.well-known/jwks.json", s.web.Counted(keys), web.Public) // reads the database
	s.web.Mount("/.well-known/openid-configuration", discovery, web.Public)
	s.web.Mount("/health/live", s.health.Live(), web.Public)
	s.web.Mount("/health/ready", s.health.Ready(), web.Public)
	s.ops = host.HTTPServer(s.cfg, s.log, s.opsHandler())
	s.Watch(s.health)
	return s.web.Build()
}

// opsHandler is what operators see.
func (s *server) opsHandler() http.Handler {
	var more []host.Place
	if s.psp != nil {
		more = append(more, host.Place{Request: "GET " + sandboxPath + "/charges", Says: "the payment sandbox's ledger, of one order with ?reference=<id>; for admins"},
			host.Place{Request: "PUT " + sandboxPath + "/sickness", Says: "makes the sandbox fail and hang, for trials; for admins"})
	}
	if s.cfg.Ops.Profiling {
		more = append(more, host.Place{Request: "GET /debug/pprof/", Says: "where time and memory go; for admins"})
	}
	mux := host.Ops(s.metrics, s.health, more...)
	if s.psp != nil {
		mux.Handle(sandboxPath+"/", http.StripPrefix(sandboxPath, s.psp.handler))
	}
	if s.cfg.Ops.Profiling {
		serveProfiles(mux, s.admin)
	}
	return mux
}

// run serves until ctx ends: the ops address first, because payments reaches
// its provider there, then the modules, then the shop's own address.
func (s *server) run(ctx context.Context, withDemo bool) error {
	if err := s.fits(ctx); err != nil {
		return err
	}
	if err := s.Attend(ctx); err != nil {
		return err
	}
	if err := s.firstStart(ctx, withDemo); err != nil {
		return err
	}
	group := &run.Group{
		Log: s.log, StopTimeout: s.cfg.ShutdownTimeout, Draining: s.drain,
		Ready: func() {
			releaseStart()
			s.health.Started()
			s.greet()
		},
	}
	group.Add(host.Listener("ops", s.ops, s.opsAt))
	group.Add(s.Tasks...)
	group.Add(s.web.Task())
	return group.Run(ctx)
}

// waitsEnd is how long requests may still wait for their order to be decided
// when the shop is told to stop; then they are told that it is pending.
const waitsEnd = 2 * time.Second

// drain begins to stop: nobody shall come here any more, and nobody wait.
func (s *server) drain() {
	s.health.Drain()
	time.AfterFunc(waitsEnd, sagas(s.Sagas).hurry)
}

func prefixes(cidrs []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, cidr := range cidrs {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, fmt.Errorf("http.trusted_proxies: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}
