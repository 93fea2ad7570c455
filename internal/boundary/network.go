package boundary

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// abroad are the packages whose calls leave the process. Of net/http only those
// that send.
var abroad = []string{
	"net", "net/smtp", "net/rpc", "os/exec", "google.golang.org/grpc", "github.com/rabbitmq/", "github.com/nats-io/",
	"github.com/redis/", "github.com/segmentio/kafka-go", "github.com/twmb/franz-go", "github.com/IBM/sarama", "github.com/aws/", "cloud.google.com/",
	"github.com/stripe/", "github.com/go-resty/", "github.com/hashicorp/go-retryablehttp", "github.com/chromedp/",
}

// harmless are calls of those packages that stay.
var harmless = []string{
	"JoinHostPort", "SplitHostPort", "ParseIP", "ParseCIDR", "ParseMAC", "IPv4", "CIDRMask", "Contains", "String", "Error", "Command", "CommandContext", "LookPath", "Equal", "To4", "To16",
}

var senders = []string{"Do", "Get", "Head", "Post", "PostForm", "RoundTrip"}

// network tells whether a call leaves the process. fn is nil where the package
// is known by name only.
func (w *walker) network(call *ast.CallExpr, fn *types.Func) bool {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return false
	}
	if fn != nil && fn.Pkg() != nil {
		return fn.Pkg().Path() == "net/http" && slices.Contains(senders, fn.Name())
	}
	from := w.origin(sel.X, 0)
	if slices.Contains(harmless, sel.Sel.Name) {
		return false
	}
	return slices.ContainsFunc(abroad, func(p string) bool {
		return from == p || strings.HasPrefix(from, strings.TrimSuffix(p, "/")+"/") && p != "net"
	})
}

// origin names the package from elsewhere that a value comes from: by its type,
// or by the call that made it.
func (w *walker) origin(e ast.Expr, depth int) string {
	if t := w.info.TypeOf(e); t != nil {
		if named, ok := deref(t).(*types.Named); ok && named.Obj().Pkg() != nil {
			return named.Obj().Pkg().Path()
		}
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if pkg, ok := w.info.Uses[e].(*types.PkgName); ok {
			return pkg.Imported().Path()
		}
		for _, g := range w.flow.given[w.flow.target(e)] {
			if depth < 4 && g.result == 0 {
				return w.origin(g.from, depth+1)
			}
		}
	case *ast.CallExpr:
		if sel, ok := ast.Unparen(e.Fun).(*ast.SelectorExpr); ok && w.callee(e) == nil && depth < 8 {
			return w.origin(sel.X, depth+1)
		}
	}
	return ""
}

// sendsRequest knows the interface that stands for an HTTP client.
func sendsRequest(fn *types.Func) bool {
	sig := fn.Signature()
	return sig.Params().Len() == 1 && sig.Results().Len() == 2 &&
		isHTTP(sig.Params().At(0).Type(), "Request") && isHTTP(sig.Results().At(0).Type(), "Response")
}

func isHTTP(t types.Type, name string) bool {
	named, ok := deref(t).(*types.Named)
	return ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "net/http" && named.Obj().Name() == name
}

// detached tells whether a context has been taken out of its transaction.
func (w *walker) detached(e ast.Expr, use ast.Node) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.CallExpr:
		fn := w.callee(e)
		if fn == nil || fn.Pkg() == nil {
			return false
		}
		if fn.Name() == "Detach" && w.isKit(fn, "database") {
			return true
		}
		return fn.Pkg().Path() == "context" && len(e.Args) > 0 && w.detached(e.Args[0], use)
	case *ast.Ident:
		obj := w.flow.target(e)
		fn := w.flow.within[obj] // of a parameter: what callers pass is not asked
		for _, g := range w.flow.given[obj] {
			if fn != nil && (g.pos < fn.Pos() || g.pos > fn.End()) || g.result > 0 || g.from.End() > use.Pos() {
				continue
			}
			if call, ok := ast.Unparen(g.from).(*ast.CallExpr); ok && w.detached(call, call) {
				return true
			}
		}
	}
	return false
}
