package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

const (
	from  = "<!-- table: written by make broken/doc -->"
	until = "<!-- end of table -->"
)

// document puts the table of all breakages between the markers of a file. Those
// that were not tried now keep the rows that they have.
func document(path string, all, tried []breakage) error {
	raw, err := os.ReadFile(path) //nolint:gosec // the caller's choice
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(raw), from)
	old, after, closed := strings.Cut(rest, until)
	if !ok || !closed {
		return errors.New(path + " lacks the markers between which the table goes")
	}
	return os.WriteFile(path, []byte(before+from+"\n"+table(all, tried, old)+until+after), 0o644) //nolint:gosec // a document
}

// table has a row of each breakage: a new one where it was tried, else the old one.
func table(all, tried []breakage, old string) string {
	rows := map[string]string{}
	for line := range strings.Lines(old) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| ["), "]("); ok {
			rows[name] = line
		}
	}
	for _, one := range tried {
		rows[one.Name] = fmt.Sprintf("| [%s](../%s/%s.patch) | %s | %s | %s |\n", one.Name, folder, one.Name, one.Title, one.Promise, several(one.Caught))
	}
	var b strings.Builder
	b.WriteString("| breakage | what is wrong with it | promise | caught by |\n|---|---|---|---|\n")
	for _, one := range all {
		b.WriteString(rows[one.Name])
	}
	return b.String()
}

// several names up to three tests of each package.
func several(caught []string) string {
	var quoted []string
	for _, c := range caught {
		quoted = append(quoted, "`"+c+"`")
	}
	return strings.Join(firsts(quoted, 3), ", ")
}

// firsts gives the first tests of each package, so many at most, and says of the
// last how many more there are. The tests of a package follow one another.
func firsts(caught []string, most int) (out []string) {
	for len(caught) > 0 {
		pkg, _, _ := strings.Cut(caught[0], " ")
		n := 0
		for n < len(caught) && strings.HasPrefix(caught[n], pkg+" ") {
			n++
		}
		out = append(out, caught[:min(n, most)]...)
		if n > most {
			out[len(out)-1] += fmt.Sprintf(" and %d more", n-most)
		}
		caught = caught[n:]
	}
	return out
}
