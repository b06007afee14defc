// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/agent/cniinstall"
	"github.com/weftnet/weft/agent/uninstall"
	"github.com/weftnet/weft/ctl"
)

// uninstaller is `weft node uninstall`.
type uninstaller struct {
	env              *ctl.Env
	stateDir, inputs string
	cni              cniinstall.Options
	yes, dryRun      bool
	stay             bool
	health           string
}

// newUninstall returns `weft node uninstall`.
func newUninstall(env *ctl.Env) *cobra.Command {
	u := &uninstaller{env: env}
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take all that weft has made off this node",
		Long: `Remove routes, tunnel devices, nftables and iptables rules and IP sets of weft, give kernel parameters the values back that they had before the
agent's first start, and delete the agent's files, the CNI plugin and its configuration. What does not carry weft's mark is not touched. The kernel's own tunl0 keeps the
IPv6 parameters and the queueing discipline that it got when it first came up.

Stop the agent first, and delete or drain the workloads of this node. It does not matter how the agent ended. The cluster goes on knowing the
node until ` + "`weft delete node NAME`" + `.

With --stay it asks nothing, tries until nothing is left, and then stays until it is told to end: what ` + "`weft uninstall --print --nodes`" + ` runs in the agents' place.`,
		Example: "  weft node uninstall --dry-run\n  weft node uninstall\n  weft node uninstall --yes --state-dir /run/weft",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if u.stay {
				return u.untilNothingIsLeft(cmd.Context())
			}
			return u.once(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&u.stateDir, "state-dir", defaultStateDir, "the agent's directory for sockets and endpoint records")
	addCacheDir(flags, &u.inputs)
	flags.StringVar(&u.cni.ConfDir, "cni-conf-dir", "/etc/cni/net.d", "where the agent installed its CNI configuration")
	flags.StringVar(&u.cni.BinDir, "cni-bin-dir", "/opt/cni/bin", "where the agent installed the CNI plugin")
	flags.BoolVar(&u.yes, "yes", false, "do not ask")
	flags.BoolVar(&u.dryRun, "dry-run", false, "print what would be removed, and remove nothing")
	flags.BoolVar(&u.stay, "stay", false, "try until nothing is left, and stay")
	flags.StringVar(&u.health, "health-address", "", "host:port to answer /livez on, and /readyz once nothing is left; with --stay (default: none)")
	cmd.MarkFlagsMutuallyExclusive("stay", "dry-run")
	return cmd
}

// once removes what there is.
func (u *uninstaller) once(ctx context.Context) (err error) {
	node, err := uninstall.Open(u.stateDir, cacheDir(u.inputs, u.stateDir), u.cni, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	items, err := node.Find(ctx)
	if err != nil {
		return err
	}
	for _, item := range items {
		for _, line := range item.Lines {
			fmt.Fprintln(u.env.Out, line)
		}
	}
	switch {
	case len(items) == 0:
		fmt.Fprintln(u.env.Out, "nothing of weft is left on this node")
		return nil
	case u.dryRun:
		fmt.Fprintln(u.env.Out, "nothing was removed (--dry-run)")
		return nil
	case !u.yes && !u.stay && !confirmed(u.env):
		return errors.New("nothing was removed; answer yes, or give --yes")
	}
	if err := uninstall.Remove(ctx, items); err != nil {
		return fmt.Errorf("not all is removed, run the command again: %w", err)
	}
	fmt.Fprintln(u.env.Out, "removed")
	return nil
}

// uninstallRetry is the pause after something could not be removed.
const uninstallRetry = 2 * time.Second

// untilNothingIsLeft tries again until it has succeeded, and then waits for ctx to end.
func (u *uninstaller) untilNothingIsLeft(ctx context.Context) error {
	var left atomic.Pointer[string] // why it is not done; nil: it is
	left.Store(new("not looked yet"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := left.Load(); why != nil {
			http.Error(w, *why, http.StatusServiceUnavailable)
		}
	})
	stop, err := serveHealth(u.health, mux)
	if err != nil {
		return err
	}
	defer stop()
	for again := time.NewTimer(0); ; again.Reset(uninstallRetry) {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
		err := u.once(ctx)
		if err == nil {
			left.Store(nil)
			<-ctx.Done()
			return nil
		}
		if text := err.Error(); *left.Load() != text {
			left.Store(&text)
			fmt.Fprintln(u.env.Err, "weft:", text)
		}
	}
}

// confirmed asks.
func confirmed(env *ctl.Env) bool {
	fmt.Fprint(env.Out, "Remove all of this? [yes/no] ")
	answer, err := bufio.NewReader(env.In).ReadString('\n')
	return (err == nil || errors.Is(err, io.EOF)) && strings.TrimSpace(answer) == "yes"
}
