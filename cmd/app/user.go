package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/identity"
)

func userCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Make users and give them roles",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(userGrantCommand(s))
	return cmd
}

func userGrantCommand(s *settings) *cobra.Command {
	var name string
	var roles []string
	var setPassword, asJSON bool
	cmd := &cobra.Command{
		Use:   "grant EMAIL",
		Short: "Make sure a user exists and has these roles",
		Long: `Grant gives a user roles, and makes the user when there is none with this
e-mail. It takes none away: to set only a password, name a role that the user has.
With --password-stdin the password is set to the first line of the standard input;
a new user needs one. Repeating it changes nothing.`,
		Example: "  echo 'a long password' | app user grant anna@example.com --role staff --password-stdin\n  app user grant anna@example.com --role admin\n  app user grant carl@example.com --role customer --password-stdin <password",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(roles) == 0 {
				return exit{exitUsage, "--role names no role: give customer, staff or admin"}
			}
			known := []string{port.RoleCustomer, port.RoleStaff, port.RoleAdmin}
			for _, role := range roles {
				if !slices.Contains(known, role) {
					return exit{exitUsage, fmt.Sprintf("role %q: allowed are %s", role, strings.Join(known, ", "))}
				}
			}
			req := identity.GrantRolesRequest{Email: args[0], Name: name, Roles: roles}
			if setPassword {
				line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
				if err != nil && err != io.EOF {
					return fmt.Errorf("read the password from the standard input: %w", err)
				}
				req.Password = strings.TrimRight(line, "\r\n")
				if req.Password == "" {
					return exit{exitUsage, "the standard input has no password in its first line: write one there, or leave out --password-stdin"}
				}
			}
			return s.begin(cmd, func(ctx context.Context, shop *shop) error {
				user, err := shop.contracts.identity.GrantRoles(operator(ctx), req)
				if errors.Is(err, identity.InvalidUser) {
					return exit{exitUsage, inFlags(fault.From(err))}
				}
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), user.User)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) has the roles %s\n", user.Email, user.ID, strings.Join(user.Roles, ", "))
				return err
			})
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", nil, "role to give: customer, staff or admin; may be repeated")
	cmd.Flags().StringVar(&name, "name", "", "name of a new user")
	cmd.Flags().BoolVar(&setPassword, "password-stdin", false, "set the password to the first line of the standard input")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("role")
	return cmd
}

// inFlags tells what is wrong with a user in the words of the command line.
func inFlags(refused *fault.Error) string {
	text := refused.Message
	for _, f := range refused.Fields {
		text += "\n  " + cmp.Or(grantFlags[f.Pointer], f.Pointer) + ": " + f.Detail
	}
	return text
}

var grantFlags = map[string]string{"/email": "EMAIL", "/name": "--name", "/roles": "--role", "/password": "--password-stdin"}

// operator is who acts when a command is run on the shop's own machine.
func operator(ctx context.Context) context.Context {
	return port.WithPrincipal(ctx, port.System("operator"))
}
