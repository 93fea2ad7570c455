// Package arch holds the boundaries of this repository as rules that run: who
// may import whom, which library lives in which room, whose table is whose. It
// reads source text and needs no compiler, so it works on code that does not
// build yet. It decides nothing about style; that is the linter's work.
//
// Each rule has a tree under testdata/<rule>/ that it must reject, and
// testdata/clean/ is a small shop that breaks none.
package arch

import (
	"cmp"
	"fmt"
	"slices"
)

// Rule is one boundary.
type Rule struct {
	Name   string // also the name of its fixture and of its subtest
	Says   string // the boundary, as one sentence
	Remedy string // what to do instead, usually

	check func(t *Tree, found func(at Place, format string, args ...any))
}

// Violation is a line that breaks a rule.
type Violation struct {
	Place
	What string
	Rule Rule
}

// Place is a line of a file.
type Place struct {
	File string // relative to the root of the tree, with slashes
	Line int    // from 1
}

func (v Violation) String() string {
	return fmt.Sprintf("%s:%d: %s\n\trule %s: %s\n\tinstead: %s", v.File, v.Line, v.What, v.Rule.Name, v.Rule.Says, v.Rule.Remedy)
}

// Check gives the violations of a rule in a tree, by file and line.
func (r Rule) Check(t *Tree) []Violation {
	var list []Violation
	r.check(t, func(at Place, format string, args ...any) {
		list = append(list, Violation{Place: at, What: fmt.Sprintf(format, args...), Rule: r})
	})
	slices.SortStableFunc(list, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return list
}

// Rules lists every boundary that is kept.
func Rules() []Rule {
	return slices.Concat(importRules(), libraryRules(), nameRules(), codeRules(), gormRules(), sqlRules(), corpusRules())
}
