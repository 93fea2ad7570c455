//go:build faultpoints

package crashpoint

import (
	"os"
	"path"
	"runtime"
	"strings"
)

// Hit passes the point "<where>:<moment>:<who came here>", or dies in it: at
// once, with no deferred function run and nothing flushed. Who came here are the
// nearest callers, so that each commit has a name of its own.
func Hit(where, moment string) {
	point, record := os.Getenv(Variable), os.Getenv(RecordVariable)
	if point == "" && record == "" {
		return
	}
	name := where + ":" + moment + ":" + callers()
	note(record, name)
	wanted, err := os.ReadFile(point)
	if err != nil || string(wanted) != name {
		return
	}
	note(record, "died "+name)
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // until the signal has come
}

// note adds a line in one write, so that those of several goroutines do not mix.
func note(record, line string) {
	if record == "" {
		return
	}
	f, err := os.OpenFile(record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(line + "\n")
		_ = f.Close()
	}
	if err != nil {
		panic(err)
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
	"failsafe.", "http.", "web.", "echo.", "gorm.", "callbacks.",
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
