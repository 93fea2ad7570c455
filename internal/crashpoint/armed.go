//go:build faultpoints

package crashpoint

import (
	"fmt"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
)

// Hit passes the point "<where>:<moment>:<who came here>", or dies in it: at
// once, with no deferred function run and nothing flushed. Who came here are the
// nearest callers, so that each commit has a name of its own.
func Hit(where, moment string) {
	if !armed.on {
		return
	}
	name := where + ":" + moment + ":" + callers()
	armed.note(name)
	if name != armed.name || armed.passed.Add(1) != armed.at {
		return
	}
	armed.note("died " + name)
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // until the signal has come
}

// arming is what the environment asks for.
type arming struct {
	on     bool
	name   string
	at     int64
	record *os.File
	passed atomic.Int64
}

var armed = arm(os.Getenv(Variable), os.Getenv(RecordVariable))

func arm(point, record string) *arming {
	a := &arming{on: point != "" || record != "", name: point, at: 1}
	if name, hit, found := strings.Cut(point, "#"); found {
		n, err := strconv.ParseInt(hit, 10, 64)
		if err != nil {
			panic(fmt.Errorf("%s=%s: %w", Variable, point, err))
		}
		a.name, a.at = name, n
	}
	if record != "" {
		f, err := os.OpenFile(record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(fmt.Errorf("%s: %w", RecordVariable, err))
		}
		a.record = f
	}
	return a
}

func (a *arming) note(line string) {
	if a.record != nil {
		_, _ = a.record.WriteString(line + "\n") // one write: lines of several goroutines do not mix
	}
}

// callers names the two nearest functions that are no plumbing, innermost first.
func callers() string {
	pcs := make([]uintptr, 24)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var names []string
	for {
		f, more := frames.Next()
		name := short(f.Function)
		if name != "" && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
		if !more || len(names) == 2 {
			return strings.Join(names, "<")
		}
	}
}

// plumbing are the packages and functions through which everybody comes.
var plumbing = []string{
	"database.", "store.", "saga.save", "saga.write", "saga.end", "idempotency.do", "idempotency.Do", "runtime.", "sync.", "errgroup.",
	"failsafe.", "http.", "web.", "echo.",
}

// short makes "core.placeOnce" of ".../internal/core.(*Service).placeOnce.func1",
// "" of what is plumbing.
func short(function string) string {
	name := path.Base(strings.ReplaceAll(function, "[...]", ""))
	pkg, rest, _ := strings.Cut(name, ".")
	rest = strings.TrimPrefix(rest, "(*")
	parts := strings.Split(rest, ".")
	fn := parts[0]
	if strings.HasSuffix(fn, ")") || len(parts) > 1 && !isClosure(parts[1]) {
		fn = parts[1]
	}
	name = pkg + "." + fn
	for _, p := range plumbing {
		if strings.HasPrefix(name, p) && (strings.HasSuffix(p, ".") || name == p) {
			return ""
		}
	}
	return name
}

func isClosure(part string) bool {
	return strings.HasPrefix(part, "func") || strings.Trim(part, "0123456789") == ""
}
