// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"net"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/weftnet/weft/ctl/install"
)

// manifestFlags are the flags of a manifest as people write them.
type manifestFlags struct {
	options   install.Options
	pools     []string
	apiServer string
}

func newInstallPrint(env *Env) *cobra.Command {
	var f manifestFlags
	var doPrint bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install weft in a Kubernetes cluster",
		Long: `Print all that runs weft in a Kubernetes cluster: definitions, rights, the agents' DaemonSet and the controllers' Deployment, which makes a pool of addresses if
--pool names one and there is none. Nothing is sent to a cluster: that is for kubectl to do.`,
		Example: "  weft install --print --pool 10.244.0.0/16 > weft.yaml\n  weft install --print --image registry.example/weft:1 --api-server 192.0.2.10:6443 | kubectl apply --server-side -f -",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !doPrint {
				return usagef("what shall be done? `weft install --print` prints a manifest, `weft install schema` installs the definitions; see `weft install --help`")
			}
			o, err := f.parse()
			if err != nil {
				return err
			}
			text, err := install.Manifest(o)
			if err == nil {
				_, err = env.Out.Write(text)
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&doPrint, "print", false, "print the manifest")
	flags.StringVar(&f.options.Namespace, "namespace", install.DefaultNamespace, "namespace to run in")
	flags.StringVar(&f.options.Image, "image", install.Image, "image of deploy/Dockerfile")
	flags.StringSliceVar(&f.pools, "pool", nil, "CIDR of addresses for workloads; may be repeated (default: no pool is made)")
	flags.StringVar(&f.options.Families, "families", "", "addresses of workloads: ipv4, ipv6 or dual (default: those of the pools, else ipv4)")
	flags.StringVar(&f.apiServer, "api-server", "", "host:port of the API server itself, for clusters without kube-proxy (default: its Service)")
	flags.BoolVar(&f.options.Definitions, "definitions", true, "with the CustomResourceDefinitions")
	return cmd
}

// checkNamespace checks a flag by the rules of Kubernetes.
func checkNamespace(namespace string) error {
	if bad := validation.IsDNS1123Label(namespace); len(bad) > 0 {
		return usagef("--namespace %q: %s", namespace, bad[0])
	}
	return nil
}

// parse checks the flags.
func (f *manifestFlags) parse() (install.Options, error) {
	o := f.options
	if err := checkNamespace(o.Namespace); err != nil {
		return o, err
	}
	if strings.TrimSpace(o.Image) == "" || strings.ContainsAny(o.Image, " \t\n") {
		return o, usagef("--image %q: name the image that deploy/Dockerfile makes, such as registry.example/weft:1, or leave the flag out for %s", o.Image, install.Image)
	}
	for _, text := range f.pools {
		pool, err := netip.ParsePrefix(text)
		if err != nil || pool != pool.Masked() {
			return o, usagef("--pool %q: write the first address and the length of a range, such as 10.244.0.0/16", text)
		}
		o.Pools = append(o.Pools, pool)
	}
	switch o.Families {
	case "", "ipv4", "ipv6", "dual":
	default:
		return o, usagef("--families %q is none of ipv4, ipv6, dual", o.Families)
	}
	if f.apiServer != "" {
		var err error
		if o.APIHost, o.APIPort, err = net.SplitHostPort(f.apiServer); err != nil || o.APIHost == "" || o.APIPort == "" {
			return o, usagef("--api-server %q: write host:port", f.apiServer)
		}
	}
	return o, nil
}
