// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/weftnet/weft/sys/netns"
)

// networkName is the name of the CNI network on every node.
const networkName = "weft"

// conflist writes the CNI network configuration list of a node, as it would stand in /etc/cni/net.d, and returns its path.
func (l *Lab) conflist(node string) (string, error) {
	dir := filepath.Join(l.NodeDir(node), "cni")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("CNI configuration of %s: %w", node, err)
	}
	data, err := json.MarshalIndent(map[string]any{
		"cniVersion": "1.1.0",
		"name":       networkName,
		"plugins": []any{map[string]any{
			"type":         "weft-cni",
			"capabilities": map[string]bool{"portMappings": true},
			"socket":       filepath.Join(l.NodeDir(node), "cni.sock"),
			"ipam": map[string]any{
				"assign_ipv4": fmt.Sprint(l.spec.Families != IPv6),
				"assign_ipv6": fmt.Sprint(l.spec.Families != IPv4),
			},
		}},
	}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("CNI configuration of %s: %w", node, err)
	}
	path := filepath.Join(dir, "10-weft.conflist")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", fmt.Errorf("CNI configuration of %s: %w", node, err)
	}
	return path, nil
}

// runtime drives the CNI plugin for one workload, as a container runtime does.
type runtime struct {
	lab  *Lab
	w    Attached
	cni  *libcni.CNIConfig
	list *libcni.NetworkConfigList
}

func (l *Lab) runtime(w Attached) (*runtime, error) {
	path := filepath.Join(l.NodeDir(w.Node), "cni", "10-weft.conflist")
	list, err := libcni.NetworkConfFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("CNI configuration of %s: %w", w.Node, err)
	}
	list.Plugins[0], err = libcni.InjectConf(list.Plugins[0], map[string]any{
		"args": map[string]any{"weft": map[string]any{"labels": w.Labels, "floatingIPs": w.FloatingIPs}},
	})
	if err != nil {
		return nil, fmt.Errorf("CNI configuration of %s: %w", w.Node, err)
	}
	exec := &invoke.DefaultExec{RawExec: &invoke.RawExec{Stderr: io.Discard}, PluginDecoder: version.PluginDecoder{}}
	return &runtime{lab: l, w: w, list: list, cni: libcni.NewCNIConfigWithCacheDir([]string{l.spec.Bin}, filepath.Join(l.NodeDir(w.Node), "cni-cache"), exec)}, nil
}

// parameters are what Kubernetes would pass. The name of the interface is the usual one.
func (r *runtime) parameters() *libcni.RuntimeConf {
	return &libcni.RuntimeConf{
		ContainerID: r.w.ContainerID, NetNS: netns.Path(r.w.Netns), IfName: Uplink,
		Args: [][2]string{
			{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", r.w.Namespace}, {"K8S_POD_NAME", r.w.Name}, {"K8S_POD_INFRA_CONTAINER_ID", r.w.ContainerID},
		},
		CapabilityArgs: map[string]any{"portMappings": r.w.Ports},
	}
}

// add calls ADD and returns the addresses.
func (r *runtime) add(ctx context.Context) ([]netip.Addr, error) {
	var result types.Result
	err := r.onNode(func() (err error) {
		result, err = r.cni.AddNetworkList(ctx, r.list, r.parameters())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("CNI ADD on %s: %w", r.w.Node, err)
	}
	latest, err := types100.GetResult(result)
	if err != nil {
		return nil, fmt.Errorf("CNI ADD on %s: result: %w", r.w.Node, err)
	}
	var addrs []netip.Addr
	for _, ip := range latest.IPs {
		if a, ok := netip.AddrFromSlice(ip.Address.IP); ok {
			addrs = append(addrs, a.Unmap())
		}
	}
	return addrs, nil
}

// del calls DEL.
func (r *runtime) del(ctx context.Context) error {
	err := r.onNode(func() error { return r.cni.DelNetworkList(ctx, r.list, r.parameters()) })
	if err != nil {
		return fmt.Errorf("CNI DEL on %s: %w", r.w.Node, err)
	}
	return nil
}

// onNode runs a plugin where the node's runtime would: in the node's network namespace.
func (r *runtime) onNode(call func() error) error {
	return netns.DoNamed(namespace(r.lab.spec.Name, r.w.Node), call)
}
