//go:build lean

package main

import "github.com/spf13/cobra"

func sourceCommands() []*cobra.Command { return nil }
