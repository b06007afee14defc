// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package ctl is the command line that people use: New returns the `weft` command tree without the long-running roles.
//
// One file a command. Commands get everything from outside through Env, so that tests run them in process.
package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/store"
)

// Env is what commands take from their surroundings.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	// OpenStore connects to the datastore.
	OpenStore func(Datastore) (store.Store, error)
}

// OSEnv is the surroundings of a real process.
func OSEnv() *Env {
	return &Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv,
		OpenStore: Datastore.open}
}

// Exit codes. 0 is success.
const (
	ExitError   = 1 // the command could not do its work, or the input is invalid
	ExitUsage   = 2 // the command line is wrong
	ExitVerdict = 3 // the work was done and the answer is "denied" or "changes"
	ExitPartial = 4 // some objects were handled, others not; each is named
)

// exitError carries an exit code with an error. An empty text prints nothing: the command has said what there is to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// errSaid marks an error whose explanation is already on the screen.
var errSaid = errors.New("already reported")

// ExitAs ends the program with an exit code and no message: that of a command it ran, which has spoken for itself.
func ExitAs(code int) error { return &exitError{code, errSaid} }

// ExitCode returns the exit code for the error of a command.
func ExitCode(err error) int {
	var coded *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.code
	}
	return ExitError
}

func usagef(format string, args ...any) error {
	return &exitError{ExitUsage, fmt.Errorf(format, args...)}
}

// New returns the root command with everything that needs no long-running role.
func New(env *Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "weft",
		Short: "Networking and network security for Kubernetes, containers, VMs and hosts",
		Long: `weft connects workloads with plain routed addresses and enforces network policy at both ends of every flow.

It reads projectcalico.org/v3 and Kubernetes NetworkPolicy manifests as they are.`,
		Example: `  weft get ippools
  weft apply -f policy.yaml
  weft validate -f manifests/
  weft node status`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          subcommandOnly,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see `%s --help`", err, cmd.CommandPath())
	})
	options := addDatastoreFlags(root, env)
	root.AddGroup(&cobra.Group{ID: "objects", Title: "Objects:"}, &cobra.Group{ID: "inspect", Title: "Looking inside:"}, &cobra.Group{ID: "roles", Title: "Long-running roles:"})
	for _, c := range []*cobra.Command{
		newGet(env, options), newApply(env, options), newCreate(env, options), newReplace(env, options), newDelete(env, options),
		newDescribe(env, options), newExplain(env), newValidate(env), newStore(env, options), newInstall(env, options), newUninstallPrint(env),
	} {
		c.GroupID = "objects"
		root.AddCommand(c)
	}
	for _, c := range []*cobra.Command{newWhy(env, options), newPolicy(env, options), newNode(env), newMTU(env), newState(env), newIPAM(env, options), newVersion(env)} {
		c.GroupID = "inspect"
		root.AddCommand(c)
	}
	return root
}

// Execute runs a command tree and returns the exit code, after printing the error if the command has not explained itself.
func Execute(ctx context.Context, root *cobra.Command, env *Env) int {
	markUsageErrors(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := ExitCode(err)
	if !errors.Is(err, errSaid) {
		for line := range strings.Lines(strings.TrimSpace(err.Error())) {
			fmt.Fprintf(env.Err, "weft: %s\n", strings.TrimRight(line, "\n"))
		}
	}
	return code
}

// addOutputFlag adds -o with completion of its values.
func addOutputFlag(cmd *cobra.Command, into *string, offered ...printer.Format) {
	names := make([]string, len(offered))
	for i, f := range offered {
		names[i] = string(f)
	}
	cmd.Flags().StringVarP(into, "output", "o", names[0], "output format: "+strings.Join(names, ", "))
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return slices.Clone(names), cobra.ShellCompDirectiveNoFileComp
	}
	registerCompletion(cmd, "output", complete)
}

// registerCompletion adds completion of a flag's values. It errs only for a flag that does not exist, which TestCompletion would show.
func registerCompletion(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	_ = cmd.RegisterFlagCompletionFunc(flag, f)
}

// markUsageErrors makes an unknown subcommand or a wrong number of arguments a usage error for the whole tree.
func markUsageErrors(cmd *cobra.Command) {
	if cmd.HasSubCommands() {
		cmd.Args = subcommandOnly
	} else if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			var coded *exitError
			if err == nil || errors.As(err, &coded) {
				return err
			}
			return usagef("%w; see `%s --help`", err, cmd.CommandPath())
		}
	}
	for _, child := range cmd.Commands() {
		markUsageErrors(child)
	}
}
