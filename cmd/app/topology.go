package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/rabbit"
)

func topologyCommand(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "topology",
		Short: "Tell what stands on RabbitMQ when the shop uses it",
		Long: `Topology prints the exchange and the queues of the modules that this process
runs, each with who declares it, what it is for, and the topics it is bound to. It
needs neither a broker nor a shop's data. A module's process declares its own queues when it connects;
nobody else does.`,
		Example: "  app topology\n  app topology --json\n  app topology users broker-users >definitions.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd)
			if err != nil {
				return err
			}
			t, err := topologyOf(cmd, cfg)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), t)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintf(w, "exchange %s (topic)\n\nQUEUE\tTYPE\tDECLARED BY\tFOR\tTOPICS\n", t.Exchange)
			for _, q := range t.Queues {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", q.Name, q.Arguments["x-queue-type"], q.Owner, q.For, strings.Join(q.Bindings, ", "))
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the arguments of each queue")
	cmd.AddCommand(topologyUsersCommand(s))
	return cmd
}

func topologyUsersCommand(s *settings) *cobra.Command {
	var vhost string
	var callers []string
	cmd := &cobra.Command{
		Use:   "users FILE",
		Short: "Write the users of the broker and their rights, for RabbitMQ to import",
		Long: `Users reads a file of lines name:password, the one that amqp.users_file names, and
prints RabbitMQ's definitions: a virtual host, the exchange of events, and each user
with its rights. A user with a module's name may make, fill and empty the module's
own queues, read the streams of the modules it listens to, publish events of its own
topics, and call others. The user of amqp.url, and each that --caller names, may only
call. Nothing else is allowed, and any other name is refused: it may be a module's,
mistyped. All modules are taken, whichever the setting "modules" names.

It needs no broker. Load what it prints with load_definitions in rabbitmq.conf, or by
rabbitmqctl import_definitions.`,
		Example: "  app topology users broker-users >definitions.json\n  app topology users broker-users --vhost shop --caller shop,reports",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			users, err := rabbit.ReadUsers(args[0])
			if err != nil {
				return badSettings{err}
			}
			cfg, err := s.load(cmd)
			if err != nil {
				return err
			}
			if err := checkUsers(args[0], users, append(callers, callerOf(cfg))); err != nil {
				return err
			}
			// Of all modules, whichever this process runs: who is left out would lose every right.
			cfg.Modules, cfg.AMQP = []string{"all"}, config.AMQP{}
			topology, err := topologyOf(cmd, cfg)
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), users.Define(vhost, moduleNames(), topology))
		},
	}
	cmd.Flags().StringVar(&vhost, "vhost", "shop", "virtual host that the shop has on the broker")
	cmd.Flags().StringSliceVar(&callers, "caller", []string{"shop"}, "users that are no modules and only call")
	return cmd
}

// callerOf is the user of amqp.url, who only calls where modules have users.
func callerOf(cfg config.Config) string {
	at, err := url.Parse(cfg.AMQP.URL)
	if err != nil {
		return ""
	}
	return at.User.Username()
}

// checkUsers refuses who is neither a module nor said to be a caller.
func checkUsers(file string, users rabbit.Users, callers []string) error {
	known := append(moduleNames(), callers...)
	var strange []string
	for _, name := range slices.Sorted(maps.Keys(users)) {
		if !slices.Contains(known, name) {
			strange = append(strange, name)
		}
	}
	if strange == nil {
		return nil
	}
	names := strings.Join(strange, ",")
	return exit{exitUsage, fmt.Sprintf("%s: no module is named %s; correct the file (modules are %s), or name who only calls: --caller %s",
		file, strings.Join(strange, " or "), strings.Join(moduleNames(), ", "), strings.Join(append(callers[:len(callers)-1:len(callers)-1], names), ","))}
}

// topologyOf is that of the modules of a process with these settings. It is read off
// modules whose data are thrown away: their own may be elsewhere, or not be there yet.
func topologyOf(cmd *cobra.Command, cfg config.Config) (_ rabbit.Topology, err error) {
	within := cfg.Data.Dir // an image may have no other folder that can be written
	if _, err := os.Stat(within); err != nil {
		within = ""
	}
	dir, err := os.MkdirTemp(within, "topology-")
	if err != nil {
		return rabbit.Topology{}, fmt.Errorf("make a folder that is thrown away (in data.dir, or where TMPDIR says): %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg.Data.Dir, cfg.Database.URL = dir, ""
	shop, err := openWith(cmd, cfg)
	if err != nil {
		return rabbit.Topology{}, err
	}
	defer shop.close()
	return shop.topology(), nil
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
