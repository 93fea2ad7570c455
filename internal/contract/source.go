package contract

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Source is what the text of a contract package says beyond its types.
type Source struct {
	Codes  map[string]string // of errors: name to kind
	Events []string          // that are defined

	module  string
	names   map[string]string // identifier of a code to its name
	methods map[string]string // documentation of Service's methods, by plain name
	groups  [][]string        // constants that are declared together
}

// ReadSource reads the contract package of a module below root.
func ReadSource(root, module string) (*Source, error) {
	s := &Source{Codes: map[string]string{}, module: module, names: map[string]string{}, methods: map[string]string{}}
	dir := filepath.Join(root, "modules", module)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the contract of %s: %w", module, err)
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("read the contract of %s: %w", module, err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				if err := s.declaration(g); err != nil {
					return nil, err
				}
			}
		}
	}
	slices.Sort(s.Events)
	return s, nil
}

func (s *Source) declaration(g *ast.GenDecl) error {
	var group []string
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if service, ok := spec.Type.(*ast.InterfaceType); ok && spec.Name.Name == "Service" {
				for _, m := range service.Methods.List {
					if len(m.Names) == 1 {
						s.methods[plain(m.Names[0].Name)] = m.Doc.Text()
					}
				}
			}
		case *ast.ValueSpec:
			for i, v := range spec.Values {
				if g.Tok == token.CONST {
					if text, ok := literal(v); ok {
						group = append(group, text)
					}
				} else if err := s.variable(spec.Names[i].Name, v); err != nil {
					return err
				}
			}
		}
	}
	if len(group) > 0 {
		s.groups = append(s.groups, group)
	}
	return nil
}

// variable reads fault.Define("payment.declined", fault.KindConflict) and
// event.Define[Changed](Topic, "payments.captured").
func (s *Source) variable(name string, v ast.Expr) error {
	call, ok := v.(*ast.CallExpr)
	if !ok || len(call.Args) != 2 {
		return nil
	}
	fun := call.Fun
	if generic, ok := fun.(*ast.IndexExpr); ok {
		fun = generic.X
	}
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Define" {
		return nil
	}
	pkg, _ := sel.X.(*ast.Ident)
	switch {
	case pkg != nil && pkg.Name == "fault":
		code, isText := literal(call.Args[0])
		kind, isKind := call.Args[1].(*ast.SelectorExpr)
		if !isText || !isKind {
			return fmt.Errorf("modules/%s: the code %s must be defined by a literal name and a fault.Kind", s.module, name)
		}
		text := snake(strings.TrimPrefix(kind.Sel.Name, "Kind"))
		if fault.KindOf(text).String() != text {
			return fmt.Errorf("modules/%s: the code %s is of %s, which is no kind", s.module, name, kind.Sel.Name)
		}
		s.names[name], s.Codes[code] = code, text
	case pkg != nil && pkg.Name == "event":
		text, isText := literal(call.Args[1])
		if !isText {
			return fmt.Errorf("modules/%s: the event %s must be defined by a literal name", s.module, name)
		}
		s.Events = append(s.Events, text)
	}
	return nil
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// snake writes NotFound as not_found.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// plain makes ByOrder and by_order the same.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

var (
	aside    = regexp.MustCompile(`\([^)]*\)`)
	codeName = regexp.MustCompile(`^(fault\.)?[A-Z]\w+$`)
)

// codesOf reads "Codes: Declined, ProviderUnavailable (retry), fault.Forbidden."
// from the documentation of a method.
func (s *Source) codesOf(method string) ([]string, error) {
	doc, known := s.methods[plain(method)]
	if !known {
		return nil, fmt.Errorf("modules/%s: the interface Service has no method for %s.%s", s.module, s.module, method)
	}
	codes := []string{}
	_, list, found := strings.Cut(strings.Join(strings.Fields(doc), " "), "Codes:")
	if !found {
		return codes, nil
	}
	for part := range strings.SplitSeq(aside.ReplaceAllString(list, ""), ",") {
		name := strings.TrimSuffix(strings.TrimSpace(part), ".")
		if !codeName.MatchString(name) {
			continue // a word to the reader
		}
		code, ok := s.names[name]
		if general, isGeneral := strings.CutPrefix(name, "fault."); isGeneral {
			code = snake(general)
			_, ok = GeneralCodes()[code]
		}
		if !ok {
			return nil, fmt.Errorf("modules/%s: the documentation of %s names the code %s, which is not defined there", s.module, method, name)
		}
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return slices.Compact(codes), nil
}

// group gives the constants that are declared together with a value.
func (s *Source) group(value string) []string {
	for _, g := range s.groups {
		if slices.Contains(g, value) {
			return g
		}
	}
	return nil
}

// GeneralCodes belong to every contract, in process too: name to kind.
func GeneralCodes() map[string]string {
	codes := map[string]string{}
	for _, c := range []fault.Code{
		fault.Unavailable, fault.DeadlineExceeded, fault.Canceled, fault.Internal, fault.Invalid,
		fault.Malformed, fault.Unauthenticated, fault.Forbidden, fault.NotFound,
	} {
		codes[c.Name()] = c.Kind().String()
	}
	return codes
}
