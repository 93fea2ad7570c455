package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/internal/run"
)

// Server is one HTTP listener with its routes. Register first, then serve.
type Server struct {
	cfg       Config
	schemas   *schemas
	problem   *schemaRef
	endpoints []*endpoint
	mounts    []mount
	errs      []error
	limiter   *limiter
	gates     map[class]*resilience.Gate // none: everything is let in
	large     chan struct{}              // one for each large body that is being read, but for those of
	ofStaff   chan struct{}              // the staff, who alone have a use for such
	sending   atomic.Int64               // bytes of answers that are being sent without a place
	received  atomic.Int64               // bytes of bodies that are read ahead
	draining  atomic.Bool                // about to stop: connections are to be closed
	metrics   *metrics

	build    sync.Once
	handler  http.Handler
	document []byte

	listening chan struct{}
	addr      net.Addr
}

type mount struct {
	path    string
	access  Access
	handler http.Handler
}

// New makes a server without routes.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg.withDefaults(), schemas: newSchemas(), listening: make(chan struct{})}
	s.limiter = newLimiter(s.cfg.RateLimit)
	s.large = make(chan struct{}, s.cfg.Admission.largeBodies())
	s.ofStaff = make(chan struct{}, s.cfg.Admission.largeBodies())
	if err := s.makeGates(); err != nil {
		s.errs = append(s.errs, err)
	}
	var err error
	if s.metrics, err = newMetrics(s.cfg.Telemetry.Registerer); err != nil {
		s.errs = append(s.errs, err)
	}
	if s.problem, err = s.schemas.of(problemType); err != nil {
		s.errs = append(s.errs, err)
	}
	return s
}

// Router gives a place for routes below base, such as "/api/v1"; "" is the root.
func (s *Server) Router(base string) *Router { return &Router{server: s, base: base} }

// Mount serves a plain handler, such as keys or health, to GET and HEAD at exactly
// path; a path that ends in a slash takes all below it too. The rate limit does
// not count it; see Counted.
func (s *Server) Mount(path string, h http.Handler, access Access) {
	if !slices.Contains(accesses, access) {
		s.errs = append(s.errs, fmt.Errorf("mount %s: access %q: say web.Public, web.User, web.Staff or web.Admin", path, access))
	}
	s.mounts = append(s.mounts, mount{path, access, h})
}

// Counted has the rate limit count who asks a plain handler: one whose answer costs
// more than to write it.
func (s *Server) Counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.limiter.count(r.Context(), w.Header()); err != nil {
			writeProblem(w, r, err)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// Err tells what is wrong with what was registered so far, nil if nothing.
func (s *Server) Err() error { return errors.Join(s.errs...) }

// Build puts the routes together. No route can be added afterwards.
func (s *Server) Build() error {
	s.build.Do(func() {
		if len(s.errs) > 0 {
			return
		}
		if !s.cfg.NoDocs {
			s.mountDocs()
		}
		var err error
		if s.document, err = s.makeDocument(); err != nil {
			s.errs = append(s.errs, fmt.Errorf("openapi document: %w", err))
			return
		}
		s.handler = s.observed(s.routes())
	})
	return errors.Join(s.errs...)
}

// Handler serves all routes. It panics if Build fails, with the reasons.
func (s *Server) Handler() http.Handler {
	if err := s.Build(); err != nil {
		panic(err)
	}
	return s.handler
}

// readOnly is what a mounted handler is asked with.
var readOnly = []string{http.MethodGet, http.MethodHead}

// routes makes the router. From here on echo's errors are problems.
func (s *Server) routes() http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		var httpErr *echo.HTTPError
		switch {
		case errors.As(err, &httpErr) && httpErr.Code == http.StatusNotFound:
			err = noRoute(c.Request())
		case errors.As(err, &httpErr) && httpErr.Code == http.StatusMethodNotAllowed:
			err = WrongMethod.Errorf("%s cannot be used here; the Allow header lists what can", c.Request().Method)
		}
		writeProblem(c.Response().Writer, c.Request(), err)
	}
	for _, p := range s.endpoints {
		serve := func(c echo.Context) error {
			exchangeOf(c.Request().Context()).route = p.path
			if err := s.hopeless(p); err != nil {
				return err
			}
			start, held, err := s.readAhead(p, c.Request())
			if held > 0 {
				defer s.received.Add(-held)
			}
			if err != nil {
				return err
			}
			ctx, leave, err := s.admitted(c.Request().Context(), p)
			if err != nil {
				return err
			}
			defer leave()
			return s.serve(ctx, p, c.Response().Writer, c.Request(), start, c.Param)
		}
		e.Add(p.Method, echoPath(p.path), serve)
		if p.Method == http.MethodGet {
			e.Add(http.MethodHead, echoPath(p.path), serve)
		}
	}
	if !s.cfg.NoDocs { // whoever opens the bare address in a browser
		e.Match(readOnly, "/", func(c echo.Context) error {
			exchangeOf(c.Request().Context()).route = "/"
			return c.Redirect(http.StatusTemporaryRedirect, "/docs")
		})
	}
	for _, m := range s.mounts {
		serve := func(c echo.Context) error {
			exchangeOf(c.Request().Context()).route = m.path
			return s.serveMount(m, c.Response().Writer, c.Request())
		}
		e.Match(readOnly, m.path, serve)
		if strings.HasSuffix(m.path, "/") {
			e.Match(readOnly, m.path+"*", serve)
		}
	}
	return e
}

func noRoute(r *http.Request) error {
	return NoRoute.Errorf("there is no %s; /docs lists what there is", r.URL.Path)
}

// Task serves until its context ends.
func (s *Server) Task() run.Task {
	return run.Task{Name: "http", Run: s.ListenAndServe, Ready: func(ctx context.Context) error {
		select {
		case <-s.listening:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

// Listening is closed when connections are accepted; then Addr is known.
func (s *Server) Listening() <-chan struct{} { return s.listening }

// Addr is where the server listens, nil before Listening is closed.
func (s *Server) Addr() net.Addr {
	select {
	case <-s.listening:
		return s.addr
	default:
		return nil
	}
}

// ListenAndServe serves until ctx ends. Then, for as long as Drain, it goes on
// serving and asks each client to close its connection with the answer, so that no
// connection that is in use has to be cut; and requests in flight get Grace to
// finish. It may be called once.
func (s *Server) ListenAndServe(ctx context.Context) error {
	if err := s.Build(); err != nil {
		return err
	}
	l := s.cfg.Listener
	if l == nil {
		var err error
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Addr); err != nil {
			return fmt.Errorf("listen on %s: %w", s.cfg.Addr, err)
		}
	}
	limited, err := s.limited(l)
	if err != nil {
		return err
	}
	s.addr = l.Addr()
	close(s.listening)
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.cfg.ReadHeader,
		ReadTimeout:       s.cfg.Read,
		WriteTimeout:      s.cfg.Write,
		IdleTimeout:       s.cfg.Idle,
		MaxHeaderBytes:    64 << 10,
		// "OPTIONS *" is answered as everything else is, with an id and a log line.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.cfg.Telemetry.Logger.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(limited) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", s.addr, err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", s.addr, err)
	case <-time.After(s.cfg.Drain):
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Grace)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close() // the grace is over: cut what is left
		return fmt.Errorf("stop http %s: requests were cut off: %w", s.cfg.Addr, err)
	}
	return nil
}

// serveMount answers from a plain handler under the same access rules.
func (s *Server) serveMount(m mount, w http.ResponseWriter, r *http.Request) error {
	ctx, err := s.authenticated(r.Context(), r)
	if err == nil {
		err = allowed(ctx, m.access)
	}
	if err != nil {
		return err
	}
	m.handler.ServeHTTP(w, r.WithContext(ctx))
	return nil
}

var errNoVerifier = fault.Unauthenticated.Errorf("this server takes no tokens")
