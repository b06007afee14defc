// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Command weft is the one program that people run: the command line, and the long-running roles.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/weftnet/weft/ctl"
	"github.com/weftnet/weft/lab/labcmd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := ctl.OSEnv()
	root := ctl.New(env)
	root.AddCommand(inGroup("roles", newAgent(env)), inGroup("roles", newControllers(env)), inGroup("roles", labcmd.New()))
	os.Exit(ctl.Execute(ctx, root, env))
}
