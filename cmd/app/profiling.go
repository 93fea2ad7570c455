package main

import (
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"
)

// serveProfiles lets operators see where time and memory go. They show names of
// functions and the command line, so they belong on the ops address only, and
// only where a setting asks for them.
func serveProfiles(mux *http.ServeMux) {
	runtime.SetBlockProfileRate(int(100 * time.Microsecond)) // one sample for each so long that is waited
	runtime.SetMutexProfileFraction(100)                     // one in so many
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}
