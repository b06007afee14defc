// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftnet/weft/agent"
	"github.com/weftnet/weft/agent/cniinstall"
	"github.com/weftnet/weft/agent/nodeaddr"
	"github.com/weftnet/weft/ctl"
	"github.com/weftnet/weft/store/gate"
)

func inGroup(group string, cmd *cobra.Command) *cobra.Command {
	cmd.GroupID = group
	return cmd
}

// newAgent returns `weft agent`.
func newAgent(env *ctl.Env) *cobra.Command {
	var config agent.Config
	var level, method4, method6, families, health string
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run one node: policy, routes, BGP and the CNI socket",
		Long: `Run the agent of one node. It watches the datastore, programs policy and routes into the kernel, speaks BGP and answers the CNI plugin.

Stopping it leaves everything in force; a restarted agent finds what the kernel holds and goes on from there.`,
		Example: `  weft agent --etcd-endpoints http://10.0.0.1:2379
  weft agent --node rack1-7 --ip 192.0.2.7/24 --state-dir /run/weft`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config.Node == "" {
				name, err := os.Hostname()
				if err != nil {
					return fmt.Errorf("host name: %w; name the node with --node", err)
				}
				config.Node = name
			}
			var err error
			if config.Method4, err = nodeaddr.ParseMethod(method4); err != nil {
				return fmt.Errorf("--ip-autodetection-method: %w", err)
			}
			if config.Method6, err = nodeaddr.ParseMethod(method6); err != nil {
				return fmt.Errorf("--ip6-autodetection-method: %w", err)
			}
			var severity slog.Level
			if err := severity.UnmarshalText([]byte(level)); err != nil {
				return fmt.Errorf("--log-level %q is none of debug, info, warn, error", level)
			}
			config.Log = slog.New(slog.NewTextHandler(env.Err, &slog.HandlerOptions{Level: severity}))
			if config.CNI, err = cniOptions(config.CNI, config.StateDir, families); err != nil {
				return err
			}
			if config.Health, err = listenHealth(health); err != nil {
				return err
			}
			config.CacheDir = cacheDir(config.CacheDir, config.StateDir)
			s, err := ctl.OpenDatastore(cmd, env, func(d ctl.Datastore) {
				if d.Kubernetes != nil {
					d.Kubernetes.KnownServers, d.Kubernetes.Log = filepath.Join(config.StateDir, "apiservers"), config.Log
				}
			})
			if err != nil {
				return err
			}
			config.Store = gate.New(s)
			return agent.Run(cmd.Context(), config)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Node, "node", "", "name of this node (default: the host name)")
	flags.StringVar(&config.StateDir, "state-dir", defaultStateDir, "directory for sockets and endpoint records")
	addCacheDir(flags, &config.CacheDir)
	flags.StringVar(&config.IP4, "ip", "autodetect", "the node's IPv4 address with its subnet, autodetect or none")
	flags.StringVar(&config.IP6, "ip6", "autodetect", "the node's IPv6 address with its subnet, autodetect or none")
	const methods = "how to find it: first-found, kubernetes-internal-ip, can-reach=HOST, interface=REGEXP,... skip-interface=REGEXP,... or cidr=CIDR,... "
	flags.StringVar(&method4, "ip-autodetection-method", os.Getenv("IP_AUTODETECTION_METHOD"), methods+
		"(env IP_AUTODETECTION_METHOD; default: the address that the node had, else the kernel's source towards the default route)")
	flags.StringVar(&method6, "ip6-autodetection-method", os.Getenv("IP6_AUTODETECTION_METHOD"), "the same for IPv6 (env IP6_AUTODETECTION_METHOD)")
	flags.StringVar(&config.CNI.ConfDir, "cni-conf-dir", "", "install the CNI plugin, and its configuration here, such as /etc/cni/net.d, once workloads can be started (default: do not)")
	flags.StringVar(&config.CNI.BinDir, "cni-bin-dir", "/opt/cni/bin", "where the container runtime looks for CNI plugins")
	flags.StringVar(&config.CNI.Source, "cni-plugin", "", "the plugin to install (default: weft-cni beside this program)")
	flags.StringVar(&config.CNI.Template, "cni-conf-template", "", "file with a network configuration list to install, with a plugin of type weft-cni (default: a built-in one)")
	flags.StringVar(&families, "cni-families", "ipv4", "addresses of workloads in the built-in configuration: ipv4, ipv6 or dual")
	flags.StringVar(&health, "health-address", "", "host:port to answer /livez and /readyz on (default: none)")
	flags.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

const defaultStateDir = "/run/weft"

func addCacheDir(flags *pflag.FlagSet, dir *string) {
	flags.StringVar(dir, "cache-dir", "", "directory for the last inputs, which are enforced when the datastore is away at the start, and the "+
		"keys of WireGuard; it should outlast a reboot (default: /var/lib/weft, or the state directory if that is not the default)")
}

// cacheDir returns where inputs are kept.
func cacheDir(flag, stateDir string) string {
	switch {
	case flag != "":
		return flag
	case stateDir == defaultStateDir:
		return "/var/lib/weft"
	}
	return stateDir
}

// cniOptions completes what the flags say of installing the CNI plugin.
func cniOptions(o cniinstall.Options, stateDir, families string) (cniinstall.Options, error) {
	switch families {
	case "ipv4":
		o.IPv4 = true
	case "ipv6":
		o.IPv6 = true
	case "dual":
		o.IPv4, o.IPv6 = true, true
	default:
		return o, fmt.Errorf("--cni-families %q is none of ipv4, ipv6, dual", families)
	}
	o.Socket = filepath.Join(stateDir, "cni.sock")
	if o.ConfDir == "" || o.Source != "" {
		return o, nil
	}
	self, err := os.Executable()
	if err != nil {
		return o, fmt.Errorf("where this program is: %w; name the CNI plugin with --cni-plugin", err)
	}
	o.Source = filepath.Join(filepath.Dir(self), cniinstall.PluginName)
	return o, nil
}
