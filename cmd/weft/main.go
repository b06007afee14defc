// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Command weft is the one program that people run: the command line, and the long-running roles.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl"
	"github.com/weftnet/weft/lab/labcmd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := ctl.OSEnv()
	os.Exit(ctl.Execute(ctx, tree(env), env))
}

// tree is all commands.
func tree(env *ctl.Env) *cobra.Command {
	root := ctl.New(env)
	root.AddCommand(inGroup("roles", newAgent(env)), inGroup("roles", newControllers(env)), inGroup("roles", labcmd.New()))
	for _, cmd := range root.Commands() {
		if cmd.Name() == "node" {
			cmd.AddCommand(newUninstall(env))
		}
	}
	return root
}
