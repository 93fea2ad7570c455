package boundary

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// observation is a line that the guard of internal/database writes.
type observation struct {
	Module string   `json:"module"`
	Other  string   `json:"other"`
	Table  string   `json:"table"`
	Opened []string `json:"opened"` // frames, the innermost first
	Issued []string `json:"issued"`
}

// longestLine is what a line of observations may have at most, in bytes.
const longestLine = 4 << 20

var frame = regexp.MustCompile(`(?:^|[\s/])((?:modules|cmd|internal|migrations)/\S+\.go):(\d+)`)

// ReadObserved reads what the guard of the databases wrote while the program
// ran, as findings.
func ReadObserved(file string) ([]Finding, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read what was observed: %w", err)
	}
	defer func() { _ = f.Close() }()
	var list []Finding
	seen := map[string]bool{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, longestLine)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var o observation
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, fmt.Errorf("read what was observed: %s:%d: %w", file, n, err)
		}
		found := o.finding()
		if key := fmt.Sprintf("%s:%d:%s", found.File, found.Line, found.What); !seen[key] {
			seen[key] = true
			list = append(list, found)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read what was observed: %w", err)
	}
	return list, nil
}

func (o observation) finding() Finding {
	f := Finding{Module: o.Module, Plane: SQL, What: fmt.Sprintf("a statement touched the table %s of %s while running", o.Table, o.Other), Remedy: askOwner}
	if o.Table == "" {
		f.Plane, f.Remedy = Transactions, oneData
		f.What = fmt.Sprintf("data of %s was reached for inside a transaction of %s while running", o.Other, o.Module)
	}
	f.File, f.Line = responsible(o.Issued)
	for _, line := range o.Opened {
		f.Via = append(f.Via, "opened: "+line)
	}
	for _, line := range o.Issued {
		f.Via = append(f.Via, "issued: "+line)
	}
	return f
}

// responsible picks the innermost frame that is a module's, else the innermost
// of the tree.
func responsible(stack []string) (file string, line int) {
	for _, text := range stack {
		m := frame.FindStringSubmatch(text)
		if m == nil || file != "" && !strings.HasPrefix(m[1], "modules/") {
			continue
		}
		file = m[1]
		line, _ = strconv.Atoi(m[2])
		if strings.HasPrefix(file, "modules/") {
			return file, line
		}
	}
	if file == "" {
		return "(unknown)", 0
	}
	return file, line
}
