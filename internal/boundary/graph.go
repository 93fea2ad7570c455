package boundary

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// Graph is how the modules hang together: who calls whose contract, and which
// events go where.
type Graph struct {
	Modules []Node     `json:"modules"`
	Calls   []Call     `json:"calls"`
	Events  []Exchange `json:"events"`
}

// Node is a module in the graph.
type Node struct {
	Name   string   `json:"name"`
	Tables []string `json:"tables"`
}

// Call says which methods of a contract a module calls. Those of its HTTP
// handlers are told apart: handlers stay at the edge when the module moves out.
type Call struct {
	From    string   `json:"from"`
	To      string   `json:"to"`
	Edge    bool     `json:"edge"` // by the HTTP handlers
	Methods []string `json:"methods"`
}

// Exchange says which events of one module another one listens to.
type Exchange struct {
	From   string   `json:"from"`
	To     string   `json:"to"`
	Topics []string `json:"topics"`
	Types  []string `json:"types"`
}

func (s *surveyor) readGraph() {
	s.graph = Graph{Modules: []Node{}, Calls: []Call{}, Events: []Exchange{}}
	for _, name := range sortedKeys(s.modules) {
		if s.companies[name] == "" {
			s.graph.Modules = append(s.graph.Modules, Node{Name: name, Tables: slices.Sorted(slices.Values(s.modules[name].Tables))})
		}
	}
	w := &walker{surveyor: s, ports: map[*types.Func]string{}}
	for _, dir := range s.dirs() {
		unit := unitOf(dir)
		if unit == kit || unit == assembly || s.companies[unit] != "" {
			continue
		}
		edge := strings.HasSuffix(dir, "/"+unit+"http")
		for _, src := range s.files[dir] {
			ast.Inspect(src.AST, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if fn := s.function(n); fn != nil && isInterfaceMethod(fn) {
						if port := w.portOf(fn, unit); port != "" {
							s.graph.call(unit, port[:strings.Index(port, ".")], edge, fn.Name())
						}
					}
				case *ast.CallExpr:
					s.readSubscription(unit, n)
				}
				return true
			})
		}
	}
	s.graph.sort()
}

func (g *Graph) call(from, to string, edge bool, method string) {
	i := slices.IndexFunc(g.Calls, func(c Call) bool { return c.From == from && c.To == to && c.Edge == edge })
	if i < 0 {
		g.Calls = append(g.Calls, Call{From: from, To: to, Edge: edge})
		i = len(g.Calls) - 1
	}
	if !slices.Contains(g.Calls[i].Methods, method) {
		g.Calls[i].Methods = append(g.Calls[i].Methods, method)
	}
}

// readSubscription reads event.On(consumer, payments.Charged, handler), and OnMany.
func (s *surveyor) readSubscription(unit string, call *ast.CallExpr) {
	fn := s.callee(call)
	if fn == nil || fn.Name() != "On" && fn.Name() != "OnMany" || !s.isKit(fn, "event") || len(call.Args) < 2 {
		return
	}
	kind := s.flow.target(call.Args[1])
	owner := s.contractOf(kind)
	if owner == "" || owner == unit {
		return
	}
	i := slices.IndexFunc(s.graph.Events, func(e Exchange) bool { return e.From == owner && e.To == unit })
	if i < 0 {
		s.graph.Events = append(s.graph.Events, Exchange{From: owner, To: unit, Topics: []string{}, Types: []string{}})
		i = len(s.graph.Events) - 1
	}
	e := &s.graph.Events[i]
	for _, g := range s.flow.given[kind] {
		define, ok := ast.Unparen(g.from).(*ast.CallExpr)
		if !ok || len(define.Args) < 2 {
			continue
		}
		if topic := s.texts.of(define.Args[0])[0]; !slices.Contains(e.Topics, topic) {
			e.Topics = append(e.Topics, topic)
		}
		if name := s.texts.of(define.Args[1])[0]; !slices.Contains(e.Types, name) {
			e.Types = append(e.Types, name)
		}
	}
}

func (g *Graph) sort() {
	for _, c := range g.Calls {
		slices.Sort(c.Methods)
	}
	for _, e := range g.Events {
		slices.Sort(e.Topics)
		slices.Sort(e.Types)
	}
	slices.SortFunc(g.Calls, func(a, b Call) int {
		return strings.Compare(a.From+" "+a.To+flag(a.Edge), b.From+" "+b.To+flag(b.Edge))
	})
	slices.SortFunc(g.Events, func(a, b Exchange) int { return strings.Compare(a.From+" "+a.To, b.From+" "+b.To) })
}

func flag(edge bool) string {
	if edge {
		return " edge"
	}
	return ""
}
