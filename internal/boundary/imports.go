package boundary

import (
	"path"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/arch"
)

// importRules are the rules of package arch that an extraction rests on; the
// others keep the inside of modules in order.
var importRules = []string{
	"neighbours", "contract-leaf", "inward", "foreign-company", "kit-knows-no-module", "migrations-by-door", "topology",
}

func (s *surveyor) readImports() {
	for _, rule := range arch.Rules() {
		if !slices.Contains(importRules, rule.Name) {
			continue
		}
		for _, v := range rule.Check(s.tree) {
			s.find(Finding{
				Module: unitOf(path.Dir(v.File)), Plane: Imports, File: v.File, Line: v.Line,
				What: v.What + " (rule " + rule.Name + ")", Remedy: rule.Remedy,
			})
		}
	}
	s.readLinknames()
}

// readLinknames finds the door in the wall that no import shows.
func (s *surveyor) readLinknames() {
	for _, src := range s.tree.Go {
		for _, group := range src.AST.Comments {
			for _, c := range group.List {
				if !strings.HasPrefix(c.Text, "//go:linkname ") {
					continue
				}
				_, after, found := strings.Cut(c.Text, s.tree.Module+"/modules/")
				if other, _, _ := strings.Cut(after, "/"); found && other != unitOf(src.Dir) {
					at := s.place(c)
					s.find(Finding{
						Module: unitOf(src.Dir), Plane: Imports, File: at.File, Line: at.Line,
						What: "go:linkname reaches into modules/" + after, Remedy: "call the neighbour's contract",
					})
				}
			}
		}
	}
}
