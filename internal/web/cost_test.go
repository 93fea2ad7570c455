package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
)

type knownCaller struct{}

func (knownCaller) Verify(context.Context, string) (port.Principal, error) {
	return port.Principal{Subject: "0192f0c1-2b1f-7c57-9c46-1d3a5c6f7a81"}, nil
}

type costInput struct {
	Country string `query:"country" pattern:"^[A-Z]{2}$"`
	Grams   int    `query:"grams" minimum:"0"`
}

type costReply struct {
	Method string `json:"method"`
	Cents  int    `json:"cents"`
}

// BenchmarkEdge is what the edge costs around a handler that does nothing.
func BenchmarkEdge(b *testing.B) {
	s := web.New(web.Config{
		Verifier: knownCaller{}, RateLimit: web.RateLimit{PerSecond: 1e9, Burst: 1e9},
		Telemetry: web.Telemetry{
			Logger: slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn})), Registerer: prometheus.NewRegistry(),
		},
	})
	web.Handle(s.Router("/api/v1"), web.Route{Method: http.MethodGet, Path: "/cost", Access: web.User, Summary: "Costs nothing."},
		func(_ context.Context, in costInput) (web.Reply[costReply], error) {
			return web.OK(costReply{Method: in.Country, Cents: in.Grams}), nil
		})
	h := s.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/cost?country=US&grams=1200", nil)
		r.Header.Set("Authorization", "Bearer x")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body.String())
		}
	}
}
