// Package boundary tells what would block the extraction of a module, read from
// the source: on the plane of imports, of SQL, and of transactions. It also draws
// who calls whom, which events go where, and which tables are whose.
//
// What belongs here: questions about the whole tree. What does not: the rules of
// single files, which are in internal/arch, and what happens at run time, which
// internal/database watches.
package boundary

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/banyan-tree/banyan/internal/arch"
)

// Plane is where a module can be tied to others.
type Plane string

// The planes.
const (
	Imports      Plane = "imports"
	SQL          Plane = "SQL"
	Transactions Plane = "transactions"
)

// Planes lists them in the order of reports.
func Planes() []Plane { return []Plane{Imports, SQL, Transactions} }

// Finding is a line that would block an extraction.
type Finding struct {
	Module string   `json:"module"` // a module, or "kit" and "cmd" for what they share
	Plane  Plane    `json:"plane"`
	File   string   `json:"file"` // relative to the root of the tree, with slashes
	Line   int      `json:"line"` // from 1; 0 where only the file is known
	What   string   `json:"what"`
	Remedy string   `json:"remedy"`
	Via    []string `json:"via,omitempty"` // how it is reached, the first step first; stacks of what was observed
}

// Module is what the tree says about one module.
type Module struct {
	Name         string   `json:"name"`
	Tables       []string `json:"tables"`     // made by its own migrations
	KitTables    []string `json:"kit_tables"` // of the kit, which it has a copy of
	Files        int      `json:"files"`      // of Go, without tests
	Statements   int      `json:"statements"`
	Transactions int      `json:"transactions"` // places that write in one
}

// Survey is everything that was read from a tree.
type Survey struct {
	Modules  []Module  `json:"modules"`
	Findings []Finding `json:"findings"`
	Graph    Graph     `json:"graph"`
}

// Read surveys the tree below root, whose Go module has the given path.
func Read(root, module string) (*Survey, error) {
	tree, err := arch.Load(root, module)
	if err != nil {
		return nil, err
	}
	p, err := newProgram(tree)
	if err != nil {
		return nil, fmt.Errorf("read the types of %s: %w", root, err)
	}
	f := newFlow(p)
	s := &surveyor{program: p, flow: f, texts: newTexts(f), modules: map[string]*Module{}, companies: map[string]string{}, told: map[string]bool{}}
	for _, dir := range p.dirs() {
		unit := unitOf(dir)
		if unit != kit && unit != assembly {
			s.module(unit).Files += len(p.files[dir])
		}
		if arch.RoomOf(dir).Kind == arch.Foreign {
			s.companies[unit] = ownerDir(dir)
		}
	}
	s.readImports()
	s.readSQL()
	s.readTransactions()
	s.readGraph()
	out := &Survey{Findings: s.findings, Graph: s.graph, Modules: []Module{}}
	for _, m := range s.modules {
		slices.Sort(m.Tables)
		slices.Sort(m.KitTables)
		out.Modules = append(out.Modules, *m)
	}
	slices.SortFunc(out.Modules, func(a, b Module) int { return cmp.Compare(a.Name, b.Name) })
	SortFindings(out.Findings)
	return out, nil
}

// SortFindings brings findings into the order of reports.
func SortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Module, b.Module), cmp.Compare(slices.Index(Planes(), a.Plane), slices.Index(Planes(), b.Plane)),
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.What, b.What))
	})
}

// surveyor collects while the planes are read.
type surveyor struct {
	*program
	flow      *flow
	texts     *texts
	owners    map[string][]string // of tables: the folders whose migrations make them
	modules   map[string]*Module
	companies map[string]string // foreign companies in modules: their folders
	findings  []Finding
	told      map[string]bool
	graph     Graph
}

func (s *surveyor) module(name string) *Module {
	m := s.modules[name]
	if m == nil {
		m = &Module{Name: name, Tables: []string{}, KitTables: []string{}}
		s.modules[name] = m
	}
	return m
}

// find adds a finding, once for each line and text.
func (s *surveyor) find(f Finding) {
	key := fmt.Sprintf("%s:%d:%s:%s", f.File, f.Line, f.Plane, f.What)
	if !s.told[key] {
		s.told[key] = true
		s.findings = append(s.findings, f)
	}
}

// dirs lists the folders with code, sorted, so that a survey is always the same.
func (p *program) dirs() []string {
	list := make([]string, 0, len(p.files))
	for dir := range p.files {
		list = append(list, dir)
	}
	slices.Sort(list)
	return list
}
