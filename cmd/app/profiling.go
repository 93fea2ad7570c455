package main

import (
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"

	"github.com/banyan-tree/banyan/internal/web"
)

// serveProfiles lets admins see where time and memory go. Profiles show names of
// functions and make the shop slower while they are taken, so they belong on the ops
// address only, and only where a setting asks for them. The command line, which may
// have secrets in it, is not shown.
func serveProfiles(mux *http.ServeMux, admin func(*http.Request) error) {
	runtime.SetBlockProfileRate(int(100 * time.Microsecond)) // one sample for each so long that is waited
	runtime.SetMutexProfileFraction(100)                     // one in so many
	for name, show := range map[string]http.HandlerFunc{
		"": pprof.Index, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	} {
		mux.HandleFunc("GET /debug/pprof/"+name, func(w http.ResponseWriter, r *http.Request) {
			if err := admin(r); err != nil {
				web.Refuse(w, r, err)
				return
			}
			show(w, r)
		})
	}
}
