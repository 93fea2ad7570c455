package arch

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

func codeRules() []Rule {
	return []Rule{
		{
			Name:   "topology",
			Says:   "No module knows where a neighbour runs: its code names no transport, no address, no environment, and makes no ends of a port.",
			Remedy: "take a contract, or a setting, in Deps; cmd/app decides what stands behind it",
			check:  checkTopology,
		},
		{
			Name:   "clock",
			Says:   "Time comes from an injected clock: no time.Now or time.Since in modules/ outside tests.",
			Remedy: "take a clock.Clock in Deps",
			check: func(t *Tree, found func(Place, string, ...any)) {
				// Until is left: the deadline of a context is on the machine's clock.
				t.banned(found, map[string][]string{"time": {"Now", "Since"}}, func(s *Source) bool {
					return within(s.Dir, "modules") && !s.testing()
				})
			},
		},
		{
			Name:   "no-sleep",
			Says:   "Nothing sleeps: tests wait for a condition with a deadline, code waits for a timer or its context.",
			Remedy: "require.Eventually in tests; select on ctx.Done() and a timer in code",
			check: func(t *Tree, found func(Place, string, ...any)) {
				t.banned(found, map[string][]string{"time": {"Sleep"}}, func(s *Source) bool {
					return !strings.HasSuffix(s.Path, "bench_test.go") // a load generator paces itself
				})
			},
		},
		{
			Name:   "no-global-log",
			Says:   "There is no package-level logger: what logs is given its logger.",
			Remedy: "take a *slog.Logger in Deps",
			check: func(t *Tree, found func(Place, string, ...any)) {
				global := []string{"Debug", "DebugContext", "Info", "InfoContext", "Warn", "WarnContext", "Error", "ErrorContext", "Log", "LogAttrs", "Default", "SetDefault"}
				t.banned(found, map[string][]string{"log/slog": global, "log": {"Print", "Printf", "Println", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Default"}},
					func(s *Source) bool { return !s.testing() })
			},
		},
		{
			Name:   "no-init",
			Says:   "No init functions: nothing registers itself.",
			Remedy: "make it in a constructor, and wire it in cmd/app",
			check:  checkInit,
		},
		{
			Name:   "error-text",
			Says:   "No error is told apart by its text.",
			Remedy: "errors.Is with a fault code, or errors.As",
			check:  checkErrorText,
		},
	}
}

// banned reports the use of functions of other packages in the files chosen.
func (t *Tree) banned(found func(Place, string, ...any), names map[string][]string, chosen func(*Source) bool) {
	for _, s := range t.Go {
		if !chosen(s) {
			continue
		}
		s.inspect(func(n ast.Node) {
			if pkg, name := s.selected(n); pkg != "" && slices.Contains(names[pkg], name) {
				found(s.at(n), "%s.%s", pkg, name)
			}
		})
	}
}

var (
	topologyName = regexp.MustCompile(`(?i)loopback|amqp|rabbit|topology|microservice|inprocess|islocal|isremote`)
	topologyText = regexp.MustCompile(`(?i:localhost|127\.0\.0\.1|\[::1\]|amqps?://|rabbitmq|loopback)|BANYAN_`)
	// portEnds are the words of internal/port that decide where a call goes.
	portEnds = []string{"Conn", "NewConn", "Server", "NewServer", "Transport", "WithSigner", "Strict"}
	environ  = []string{"Getenv", "LookupEnv", "Environ", "Hostname", "ExpandEnv"}
)

func checkTopology(t *Tree, found func(Place, string, ...any)) {
	for _, s := range t.Go {
		if s.Room.Context == "" || s.testing() || s.Room.Kind == Contract && s.Path == s.Dir+"/remote.go" {
			continue
		}
		s.inspect(func(n ast.Node) {
			switch n := n.(type) {
			case *ast.Ident:
				if topologyName.MatchString(n.Name) {
					found(s.at(n), "the name %s", n.Name)
				}
			case *ast.BasicLit:
				if n.Kind == token.STRING && topologyText.MatchString(n.Value) {
					found(s.at(n), "the text %s", n.Value)
				}
			case *ast.SelectorExpr:
				pkg, name := s.selected(n)
				dir, _ := t.local(pkg)
				switch {
				case dir == "internal/port" && slices.Contains(portEnds, name),
					pkg == "os" && slices.Contains(environ, name),
					roomOf(dir).Kind == Contract && (name == "NewClient" || name == "Serve"):
					found(s.at(n), "%s.%s", pkg, name)
				}
			}
		})
	}
}

func checkInit(t *Tree, found func(Place, string, ...any)) {
	for _, s := range t.Go {
		for _, d := range s.AST.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				found(s.at(f), "func init")
			}
		}
	}
}

func checkErrorText(t *Tree, found func(Place, string, ...any)) {
	compare := []string{"Contains", "ContainsAny", "HasPrefix", "HasSuffix", "EqualFold", "Index"}
	for _, s := range t.Go {
		if s.testing() {
			continue
		}
		s.inspect(func(n ast.Node) {
			switch n := n.(type) {
			case *ast.CallExpr:
				pkg, name := s.selected(n.Fun)
				if pkg == "strings" && slices.Contains(compare, name) && slices.ContainsFunc(n.Args, isErrorText) {
					found(s.at(n), "strings.%s on the text of an error", name)
				}
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (isErrorText(n.X) || isErrorText(n.Y)) {
					found(s.at(n), "the text of an error is compared")
				}
			}
		})
	}
}

// isErrorText tells whether an expression is x.Error().
func isErrorText(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) != 0 {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Error"
}
