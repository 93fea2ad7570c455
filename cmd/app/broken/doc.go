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

// document puts the table of all breakages between the markers of a file.
func document(path string, all []breakage) error {
	raw, err := os.ReadFile(path) //nolint:gosec // the caller's choice
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(raw), from)
	_, after, closed := strings.Cut(rest, until)
	if !ok || !closed {
		return errors.New(path + " lacks the markers between which the table goes")
	}
	return os.WriteFile(path, []byte(before+from+"\n"+table(all)+until+after), 0o644) //nolint:gosec // a document
}

func table(all []breakage) string {
	var b strings.Builder
	b.WriteString("| breakage | what is wrong with it | promise | caught by |\n|---|---|---|---|\n")
	for _, one := range all {
		_, _ = fmt.Fprintf(&b, "| [%s](../%s/%s.patch) | %s | %s | %s |\n", one.Name, folder, one.Name, one.Title, one.Promise, several(one.Caught))
	}
	return b.String()
}

// several names up to three tests.
func several(caught []string) string {
	const most = 3
	var names []string
	for _, c := range caught[:min(len(caught), most)] {
		names = append(names, "`"+c+"`")
	}
	text := strings.Join(names, ", ")
	if more := len(caught) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
