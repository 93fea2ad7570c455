package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/rabbit"
)

func topologyCommand(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "topology",
		Short: "Tell what stands on RabbitMQ when the shop uses it",
		Long: `Topology prints the exchange and the queues of the modules that this process
runs, each with who declares it, what it is for, and the topics it is bound to. It
needs no broker. A module's process declares its own queues when it connects;
nobody else does.`,
		Example: "  app topology\n  app topology --modules payments --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd, func(_ context.Context, shop *shop) error {
				t := shop.topology()
				if asJSON {
					return printJSON(cmd.OutOrStdout(), t)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintf(w, "exchange %s (topic)\n\nQUEUE\tTYPE\tDECLARED BY\tFOR\tTOPICS\n", t.Exchange)
				for _, q := range t.Queues {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", q.Name, q.Arguments["x-queue-type"], q.Owner, q.For, strings.Join(q.Bindings, ", "))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the arguments of each queue")
	return cmd
}

// topology of the modules of this process.
func (s *shop) topology() rabbit.Topology {
	answering := slices.DeleteFunc(moduleNames(), func(m string) bool { return !s.cfg.Runs(m) })
	var sources []rabbit.Source
	for _, o := range s.Bus.Sources() {
		sources = append(sources, rabbit.Source{Module: o.Module(), Retention: s.cfg.Events.Retention})
	}
	var listeners []rabbit.Listener
	for _, c := range s.Bus.Consumers() {
		listeners = append(listeners, rabbit.Listener{Module: c.Name(), Topics: c.Topics()})
	}
	return rabbit.Describe(answering, sources, listeners)
}
