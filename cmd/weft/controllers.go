// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/controllers"
	"github.com/weftnet/weft/controllers/defaultpool"
	"github.com/weftnet/weft/ctl"
	"github.com/weftnet/weft/store/gate"
)

// newControllers returns `weft controllers`.
func newControllers(env *ctl.Env) *cobra.Command {
	var level, health, lease, vxlanMode string
	var pools []string
	var elect bool
	cmd := &cobra.Command{
		Use:   "controllers",
		Short: "Run what a cluster needs once: service addresses, collection of leaked addresses, automatic host endpoints",
		Long: `Run the controllers of the cluster, as the KubeControllersConfiguration named default says:

Services of type LoadBalancer get addresses from pools with allowedUses: [LoadBalancer]; loadBalancer.assignIPs: RequestedServicesOnly leaves out those
that do not ask by an annotation or by loadBalancerClass: calico.
With --default-pool a family that has no IPPool for workloads gets one when the controllers start.
Addresses whose workload is gone for node.leakGracePeriod are freed, and what a deleted node had: endpoints, addresses of workloads and tunnels, blocks.
With node.hostEndpoint.autoCreate: Enabled each node gets a host endpoint for all its interfaces that lets everything pass until a policy selects it.

Of several that share a datastore one acts: they agree by the Lease weft-controllers. With --health-address they answer /livez and /readyz over HTTP.`,
		Example: "  weft controllers --etcd-endpoints http://10.0.0.1:2379\n  weft controllers --datastore-type kubernetes --health-address 127.0.0.1:9095",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			var severity slog.Level
			if err := severity.UnmarshalText([]byte(level)); err != nil {
				return fmt.Errorf("--log-level %q is none of debug, info, warn, error", level)
			}
			wanted, err := defaultPools(pools, vxlanMode)
			if err != nil {
				return err
			}
			s, err := ctl.OpenDatastore(cmd, env, nil)
			if err != nil {
				return err
			}
			s = gate.New(s)
			defer func() { err = errors.Join(err, s.Close()) }()
			o := controllers.Options{Log: slog.New(slog.NewTextHandler(env.Err, &slog.HandlerOptions{Level: severity})), Health: &controllers.Health{}, Pools: wanted}
			if o.LeaseNamespace = lease; elect {
				o.Identity = identity()
			}
			stop, err := serveHealth(health, o.Health)
			if err != nil {
				return err
			}
			defer stop()
			return controllers.Run(cmd.Context(), s, o)
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().StringVar(&health, "health-address", "", "host:port to answer /livez and /readyz on (default: none)")
	cmd.Flags().StringSliceVar(&pools, "default-pool", nil, "CIDR of a pool for workloads to start with; may be repeated (default: none is made)")
	cmd.Flags().StringVar(&vxlanMode, "default-pool-vxlan-mode", "CrossSubnet", "of these pools: Never, CrossSubnet or Always")
	cmd.Flags().BoolVar(&elect, "leader-elect", true, "act only while no other process does")
	cmd.Flags().StringVar(&lease, "lease-namespace", "kube-system", "namespace of the Lease weft-controllers")
	return cmd
}

// defaultPools reads the flags.
func defaultPools(cidrs []string, vxlanMode string) ([]*v3.IPPool, error) {
	var prefixes []netip.Prefix
	for _, cidr := range cidrs {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, fmt.Errorf("--default-pool %q is no CIDR such as 10.244.0.0/16", cidr)
		}
		prefixes = append(prefixes, prefix)
	}
	pools, err := defaultpool.New(prefixes, vxlanMode)
	if err != nil {
		return nil, fmt.Errorf("--default-pool, --default-pool-vxlan-mode: %w", err)
	}
	return pools, nil
}

// identity tells this process from others.
func identity() string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return name + "_" + rand.Text()
}
