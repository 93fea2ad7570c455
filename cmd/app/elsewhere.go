package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// lookThere says how to look after modules that other processes run.
const lookThere = `give the same command the settings of the process that runs it; for a service of its own these are the service's, with BANYAN_MODULES=%s and BANYAN_IDENTITY_ISSUER=http://… beside them`

// elsewhere are the modules that other processes run.
func (s *shop) elsewhere() []string {
	return slices.DeleteFunc(moduleNames(), s.cfg.Runs)
}

// runsElsewhere is the answer about a module that another process runs; nil for any
// other name.
func (s *shop) runsElsewhere(flag, name string) error {
	if !slices.Contains(s.elsewhere(), name) {
		return nil
	}
	return exit{exitUsage, fmt.Sprintf("%s: another process runs %s: "+lookThere, flag+" "+name, name, name)}
}

// tellElsewhere says beside a list which modules are not in it, because other
// processes run them.
func (s *shop) tellElsewhere(stderr io.Writer) {
	if away := s.elsewhere(); len(away) > 0 {
		fmt.Fprintf(stderr, "Not in it, because other processes run them: %s. For each of them "+lookThere+".\n", strings.Join(away, ", "), "NAME")
	}
}
