package web

import (
	"net/http"

	"github.com/swaggest/swgui/v5emb"
)

// docsPolicy lets the page run its own embedded script, and nothing from elsewhere.
const docsPolicy = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'"

// mountDocs adds the document and a page to try it, with all assets in the binary.
func (s *Server) mountDocs() {
	s.Mount("/openapi.json", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.document) // a client that is gone is not our error
	}), Public)
	page := v5emb.New(s.cfg.Title, "/openapi.json", "/docs/")
	docs := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		page.ServeHTTP(&notFound{ResponseWriter: w, r: r}, r)
	})
	s.Mount("/docs", docs, Public)
	s.Mount("/docs/", docs, Public)
}

// notFound answers with a problem where a plain handler says 404 in its own way.
type notFound struct {
	http.ResponseWriter
	r      *http.Request
	missed bool
}

func (n *notFound) WriteHeader(status int) {
	if status != http.StatusNotFound {
		n.ResponseWriter.WriteHeader(status)
		return
	}
	n.missed = true
	writeProblem(n.ResponseWriter, n.r, noRoute(n.r))
}

func (n *notFound) Write(b []byte) (int, error) {
	if n.missed {
		return len(b), nil
	}
	return n.ResponseWriter.Write(b)
}
