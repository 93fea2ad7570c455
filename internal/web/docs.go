package web

import (
	"encoding/json"
	"html"
	"net/http"
	"strings"

	"github.com/swaggest/swgui/v5/static"
	"github.com/vearutop/statigz"
)

// docsPolicy lets the page run its own embedded script, and nothing from elsewhere.
const docsPolicy = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'"

// docsPage shows the document by Swagger UI. The page that comes with its assets is
// made by html/template, which is not needed for two words.
const docsPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png" sizes="32x32">
<style>body { margin: 0 }</style>
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({
	url: DOCUMENT, dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
	showExtensions: true, showCommonExtensions: true, defaultModelsExpandDepth: -1,
	presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout",
})
</script>
</body>
</html>
`

// mountDocs adds the document and a page to try it, with all assets in the binary.
func (s *Server) mountDocs() {
	const document = "/openapi.json"
	s.Mount(document, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.document) // a client that is gone is not our error
	}), Public)
	address, _ := json.Marshal(document) // a string: it cannot fail
	page := []byte(strings.NewReplacer("TITLE", html.EscapeString(s.cfg.Title), "DOCUMENT", string(address)).Replace(docsPage))
	assets := http.StripPrefix("/docs/", statigz.FileServer(static.FS))
	docs := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		if strings.TrimSuffix(r.URL.Path, "/") == "/docs" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(page) // a client that is gone is not our error
			return
		}
		assets.ServeHTTP(&notFound{ResponseWriter: w, r: r}, r)
	})
	s.Mount("/docs", docs, Public)
	s.Mount("/docs/", docs, Public)
}

// notFound answers with a problem where a plain handler says 404 in its own way, and
// once: the handler would answer again where a client went away in the middle.
type notFound struct {
	http.ResponseWriter
	r        *http.Request
	answered bool
	missed   bool
}

func (n *notFound) WriteHeader(status int) {
	switch {
	case n.answered:
	case status == http.StatusNotFound:
		n.missed = true
		writeProblem(n.ResponseWriter, n.r, noRoute(n.r))
	default:
		n.ResponseWriter.WriteHeader(status)
	}
	n.answered = true
}

func (n *notFound) Write(b []byte) (int, error) {
	if n.missed {
		return len(b), nil
	}
	n.answered = true
	return n.ResponseWriter.Write(b)
}
