//go:build !lean

package main

import "github.com/spf13/cobra"

// sourceCommands read the source of the repository. Where there is none, as in an
// image, they are left out of the program.
func sourceCommands() []*cobra.Command {
	return []*cobra.Command{boundariesCommand(), contractsCommand(readSource)}
}
