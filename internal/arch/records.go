package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Record is a decision record of docs/adr.
type Record struct {
	File     string // docs/adr/0001-….md
	Number   string // 0001
	Title    string
	Status   string
	Sections []string
	Confirms []string // what its Confirmation names: tests and make targets
}

// sections are what every record has, in this order.
var sections = []string{
	"## Context", "## Options", "## Outcome", "### Consequences", "### Confirmation",
}

var (
	recordName = regexp.MustCompile(`^(\d{4})-[a-z0-9-]+\.md$`)
	statuses   = regexp.MustCompile(`^(proposed|accepted|deprecated|superseded by \d{4})$`)
	testName   = regexp.MustCompile(`^([a-z][\w/]*)\.((?:Test|Fuzz|Benchmark)\w*)(/[\w/-]+)?$`)
	makeTarget = regexp.MustCompile(`^make ([a-z][\w-]*)$`)
	indexRow   = regexp.MustCompile(`(?m)^\| (\d{4}) \|`)
	inTicks    = regexp.MustCompile("`([^`]+)`")
)

// CheckRecords gives what is wrong with the decision records below root: a
// section that is missing, a row of the index that does not agree, a
// confirmation that does not exist.
func CheckRecords(root string) ([]string, error) {
	records, problems, err := readRecords(root)
	if err != nil {
		return nil, err
	}
	index, err := os.ReadFile(filepath.Join(root, "docs/adr/README.md"))
	if err != nil {
		return nil, fmt.Errorf("read the index of decisions: %w", err)
	}
	targets := makeTargets(root)
	used := map[string]bool{}
	for _, r := range records {
		say := func(format string, args ...any) {
			problems = append(problems, r.File+": "+fmt.Sprintf(format, args...))
		}
		if used[r.Number] {
			say("is number %s, which another record has; numbers are used once", r.Number)
		}
		used[r.Number] = true
		if r.Title == "" {
			say("has no title; begin with \"# What was decided\"")
		}
		if !statuses.MatchString(r.Status) {
			say("has the status %q; write proposed, accepted, deprecated or \"superseded by 0000\" into its head", r.Status)
		}
		if !slices.Equal(r.Sections, sections) {
			say("has the sections %q; every record has %q", r.Sections, sections)
		}
		problems = append(problems, indexed(string(index), r)...)
		if len(r.Confirms) == 0 {
			say("confirms nothing; name a test as `path/to/package.TestName`, or a target as `make lint`")
		}
		for _, c := range r.Confirms {
			if why := confirmed(root, targets, c); why != "" {
				say("names the confirmation %s: %s", c, why)
			}
		}
	}
	for _, m := range indexRow.FindAllStringSubmatch(string(index), -1) {
		if !slices.ContainsFunc(records, func(r Record) bool { return r.Number == m[1] }) {
			problems = append(problems, "docs/adr/README.md: has a row for "+m[1]+", which is no record")
		}
	}
	return problems, nil
}

// readRecords reads docs/adr in the order of its numbers.
// CheckNames gives what a document names in ticks as a test or a make target and
// is not there.
func CheckNames(root, file string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, fmt.Errorf("read a document: %w", err)
	}
	var problems []string
	targets := makeTargets(root)
	for _, m := range inTicks.FindAllStringSubmatch(string(text), -1) {
		if !testName.MatchString(m[1]) && !makeTarget.MatchString(m[1]) {
			continue
		}
		if why := confirmed(root, targets, m[1]); why != "" {
			problems = append(problems, file+" names "+m[1]+": "+why)
		}
	}
	return problems, nil
}

func readRecords(root string) (records []Record, problems []string, err error) {
	files, err := os.ReadDir(filepath.Join(root, "docs/adr"))
	if err != nil {
		return nil, nil, fmt.Errorf("read the decision records: %w", err)
	}
	for _, f := range files {
		if f.Name() == "README.md" {
			continue
		}
		number := recordName.FindStringSubmatch(f.Name())
		if number == nil {
			problems = append(problems, "docs/adr/"+f.Name()+": name it 0001-what-was-decided.md")
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, "docs/adr", f.Name()))
		if err != nil {
			return nil, nil, fmt.Errorf("read a decision record: %w", err)
		}
		records = append(records, parseRecord("docs/adr/"+f.Name(), number[1], string(text)))
	}
	return records, problems, nil
}

func parseRecord(file, number, text string) Record {
	r := Record{File: file, Number: number}
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "status: "):
			r.Status = strings.TrimPrefix(line, "status: ")
		case strings.HasPrefix(line, "# "):
			r.Title = strings.TrimPrefix(line, "# ")
		case strings.HasPrefix(line, "#"):
			section = line
			r.Sections = append(r.Sections, line)
		case section == "### Confirmation":
			for _, m := range inTicks.FindAllStringSubmatch(line, -1) {
				if testName.MatchString(m[1]) || makeTarget.MatchString(m[1]) {
					r.Confirms = append(r.Confirms, m[1])
				}
			}
		}
	}
	return r
}

// indexed tells how the row of a record in the index differs from the record.
func indexed(index string, r Record) []string {
	link := "[" + r.Title + "](" + filepath.Base(r.File) + ")"
	for row := range strings.Lines(index) {
		if !strings.HasPrefix(row, "| "+r.Number+" |") {
			continue
		}
		var problems []string
		cells := strings.Split(row, "|")
		if len(cells) < 6 || strings.TrimSpace(cells[2]) != link || strings.TrimSpace(cells[3]) != r.Status {
			problems = append(problems, fmt.Sprintf("docs/adr/README.md: the row of %s must have %s and the status %s", r.Number, link, r.Status))
		}
		for _, m := range inTicks.FindAllStringSubmatch(row, -1) {
			if !slices.Contains(r.Confirms, m[1]) {
				problems = append(problems, fmt.Sprintf("docs/adr/README.md: the row of %s names `%s`, which the record does not confirm with", r.Number, m[1]))
			}
		}
		if !strings.Contains(row, "`") {
			problems = append(problems, fmt.Sprintf("docs/adr/README.md: the row of %s names no confirmation", r.Number))
		}
		return problems
	}
	return []string{"docs/adr/README.md: has no row for " + r.Number}
}

// confirmed tells why a confirmation does not exist; empty when it does.
func confirmed(root string, targets []string, name string) string {
	if m := makeTarget.FindStringSubmatch(name); m != nil {
		if !slices.Contains(targets, m[1]) {
			return "the Makefile has no such target"
		}
		return ""
	}
	m := testName.FindStringSubmatch(name)
	dir, function, sub := m[1], m[2], strings.TrimPrefix(m[3], "/")
	files, _ := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if len(files) == 0 {
		return "the package has no tests"
	}
	for _, f := range files {
		file, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
		if err != nil {
			continue // another one may have it, and the compiler will complain
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == function {
				return subtest(dir, sub)
			}
		}
	}
	return "the package has no such test"
}

// subtest knows the subtests of this package only: its rules.
func subtest(dir, name string) string {
	known := func(r Rule) bool { return r.Name == name }
	if name == "" || dir == "internal/arch" && slices.ContainsFunc(Rules(), known) {
		return ""
	}
	return "it has no such subtest"
}

// makeTargets reads the targets of the Makefile; none when there is no Makefile.
func makeTargets(root string) []string {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		return nil
	}
	var list []string
	for _, m := range regexp.MustCompile(`(?m)^([a-z][\w -]*):(?:[^=]|$)`).FindAllStringSubmatch(string(text), -1) {
		list = append(list, strings.Fields(m[1])...)
	}
	return list
}
