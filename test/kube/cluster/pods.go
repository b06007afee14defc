// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/sys/netns"
)

// Pod is a pod that is ready.
type Pod struct {
	Namespace, Name, Node string
	Addrs                 []netip.Addr // IPv4 first
	uid                   string
}

// podList is as much of a list of pods as is read here.
type podList struct {
	Items []struct {
		Metadata struct{ Namespace, Name, UID, DeletionTimestamp string }
		Spec     struct{ NodeName string }
		Status   struct {
			PodIPs     []struct{ IP netip.Addr }
			Conditions []struct{ Type, Status string }
		}
	}
}

// Pods returns the pods with a label that are ready, and none that ends.
func (c *Cluster) Pods(t testing.TB, label string) []Pod {
	t.Helper()
	ready, _ := c.list(t, label)
	return ready
}

// AwaitPods waits until n pods with a label are ready and no others exist, and returns them.
func (c *Cluster) AwaitPods(t testing.TB, label string, n int) (pods []Pod) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d pods %s", n, label), 3*time.Minute, func() error {
		var all int
		if pods, all = c.list(t, label); len(pods) != n || all != n {
			return fmt.Errorf("%d of %d are ready", len(pods), all)
		}
		return nil
	})
	return pods
}

// list returns the pods with a label that are ready and do not end, and how many there are in all.
func (c *Cluster) list(t testing.TB, label string) (ready []Pod, all int) {
	t.Helper()
	var list podList
	if err := json.Unmarshal([]byte(c.Kubectl(t, "get", "pods", "-A", "-l", label, "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	for _, item := range list.Items {
		pod := Pod{Namespace: item.Metadata.Namespace, Name: item.Metadata.Name, Node: item.Spec.NodeName, uid: item.Metadata.UID}
		for _, ip := range item.Status.PodIPs {
			pod.Addrs = append(pod.Addrs, ip.IP)
		}
		for _, condition := range item.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" && item.Metadata.DeletionTimestamp == "" {
				ready = append(ready, pod)
			}
		}
	}
	return ready, len(list.Items)
}

// Dial connects from a pod, by its network namespace, to an address and port.
func (p Pod) Dial(ctx context.Context, to string) (net.Conn, error) {
	ns, err := p.NS()
	if err != nil {
		return nil, err
	}
	defer func() { _ = ns.Close() }()
	return dial(ctx, ns, to)
}

// Dial connects from a node to an address and port.
func (n *Node) Dial(ctx context.Context, to string) (net.Conn, error) {
	ns, err := netns.Open(n.machine.name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = ns.Close() }()
	return dial(ctx, ns, to)
}

func dial(ctx context.Context, ns *netns.NS, to string) (conn net.Conn, err error) {
	doErr := ns.Do(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "tcp", to)
		return nil
	})
	if doErr != nil {
		return nil, doErr
	}
	return conn, err
}

// NS opens the network namespace of a pod: that of any of its processes, which are in a control group that has the pod's UID in its name.
func (p Pod) NS() (*netns.NS, error) {
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return nil, err
	}
	for _, path := range groups {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), "/pod"+p.uid) {
			return netns.OpenPath(filepath.Join(filepath.Dir(path), "ns", "net"))
		}
	}
	return nil, fmt.Errorf("pod %s has no process on this machine", p.Name)
}
