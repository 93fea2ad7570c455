package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// folder holds the breakages, from the folder of go.mod.
const folder = "cmd/app/broken/patches"

// breakage is one deliberate fault, as a patch says it. Before the diff stand
// lines of "Name: value"; a line that begins with a space goes on with the last.
type breakage struct {
	Name    string   // of the file
	Title   string   // what is broken, for people
	Promise string   // which promise that breaks
	Tests   []suite  // each of which must turn red
	Files   []string // that the patch changes
	Caught  []string // tests that turned red, once tried
	Missed  []string // suites that did not, or for another reason

	patch string // path
}

// suite is the tests of one package that are run. What they print must match says,
// where that is given: a shop that does not even start is red, and proves nothing.
type suite struct {
	pkg, run, says string
}

// outside tells that it is of the tests that look at the shop as its users do.
func (s suite) outside() bool { return strings.HasPrefix(s.pkg, "./cmd/app/e2e") }

// fromOutside counts those of a breakage's suites.
func (b breakage) fromOutside() (n int) {
	for _, s := range b.Tests {
		if s.outside() {
			n++
		}
	}
	return n
}

// load reads all breakages, in order of their names.
func load(root string) ([]breakage, error) {
	paths, err := filepath.Glob(filepath.Join(root, folder, "*.patch"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there is nothing in %s: run this in the folder of go.mod, or name that by --root", filepath.Join(root, folder))
	}
	slices.Sort(paths)
	var all []breakage
	for _, p := range paths {
		b, err := read(p)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		all = append(all, b)
	}
	return all, nil
}

func read(path string) (breakage, error) {
	b := breakage{Name: strings.TrimSuffix(filepath.Base(path), ".patch"), patch: path}
	f, err := os.Open(path) //nolint:gosec // a file of this repository
	if err != nil {
		return b, err
	}
	defer func() { _ = f.Close() }()
	last := ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if _, file, ok := strings.Cut(line, "+++ b/"); ok && strings.HasPrefix(line, "+++ ") {
			b.Files = append(b.Files, file)
		}
		if len(b.Files) > 0 || strings.HasPrefix(line, "diff ") || strings.HasPrefix(line, "---") {
			last = "diff"
			continue
		}
		if name, value, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, " ") && last != "diff" {
			last = name
			b.set(name, value)
		} else if strings.HasPrefix(line, " ") && last == "Title" {
			b.Title += line
		}
	}
	if b.Title == "" || b.Promise == "" || len(b.Tests) == 0 || len(b.Files) == 0 {
		return b, errors.New("it needs lines of Title, Promise and Tests, then a diff")
	}
	for _, s := range b.Tests {
		if _, err := regexp.Compile(s.says); err != nil {
			return b, fmt.Errorf("its line of Says: %w", err)
		}
	}
	return b, lines.Err()
}

func (b *breakage) set(name, value string) {
	switch name {
	case "Title":
		b.Title = value
	case "Promise":
		b.Promise = value
	case "Tests": // one line a package
		pkg, run, _ := strings.Cut(value, " ")
		if run == "" {
			run = "."
		}
		b.Tests = append(b.Tests, suite{pkg: pkg, run: strings.TrimSpace(run)})
	case "Says": // a regular expression, of the tests in the line before
		if n := len(b.Tests); n > 0 {
			b.Tests[n-1].says = value
		}
	}
}
