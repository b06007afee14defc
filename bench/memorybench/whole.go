// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package memorybench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/ipam"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/proc"
)

// A whole cluster: nodes with a block each, and pods spread over them, each with its address in the block and its endpoint.
const (
	nodes      = 5_000
	podsOnNode = 20
	wholePool  = "10.128.0.0/9"
	most       = 250e6 // bytes, of the agent and of the controllers
)

// weighWhole weighs an agent and the controllers of a whole cluster.
func weighWhole(ctx context.Context, bin string) (rows []measure.Row, err error) {
	l, err := lab.Up(ctx, lab.Spec{Name: "benchwhole", Nodes: 1, Families: lab.IPv4, Bin: bin, Owned: true, Pools: []string{wholePool}, StartLimit: startLimit})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close(), l.Down(context.WithoutCancel(ctx))) }()
	if err := l.SetMesh(ctx, false); err != nil { // 5,000 sessions are what route reflectors are for
		return nil, err
	}
	pool := &v3.IPPool{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "IPPool"}, ObjectMeta: v3.ObjectMeta{Name: "pool-1"}, Spec: v3.IPPoolSpec{CIDR: wholePool, VXLANMode: v3.EncapAlways}}
	if err := l.Apply(ctx, pool); err != nil {
		return nil, err
	}
	if err := load(ctx, l, wholeCluster()); err != nil {
		return nil, err
	}
	if err := start(ctx, l); err != nil {
		return nil, err
	}
	status, err := l.Status(ctx)
	if err != nil {
		return nil, err
	}
	agent, peak, err := resident(status.Nodes[0].Process.PID)
	if err != nil {
		return nil, err
	}
	size := fmt.Sprintf("%d nodes, %d pods", nodes, nodes*podsOnNode)
	rows = append(rows, measure.Limit(fmt.Sprintf("agent resident memory, %s (peak %s)", size, measure.Megabytes(peak)), agent, most, measure.Megabytes))
	controllers, peak, err := weighControllers(ctx, bin, l.StoreEndpoint())
	if err != nil {
		return nil, fmt.Errorf("controllers: %w", err)
	}
	return append(rows, measure.Limit(fmt.Sprintf("controllers resident memory, %s (peak %s)", size, measure.Megabytes(peak)), controllers, most, measure.Megabytes)), nil
}

// weighControllers starts them, and weighs them once they have looked at everything.
func weighControllers(ctx context.Context, bin, endpoint string) (now, peak float64, err error) {
	address, err := freeAddress()
	if err != nil {
		return 0, 0, err
	}
	p, err := proc.Start(proc.Spec{Path: filepath.Join(bin, "weft"), Args: []string{"controllers", "--etcd-endpoints", endpoint, "--health-address", address}})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	if err := ready(ctx, "http://"+address+"/readyz"); err != nil {
		return 0, 0, err
	}
	if err := rest(ctx); err != nil {
		return 0, 0, err
	}
	return resident(p.PID)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// ready waits until the controllers follow the datastore.
func ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(50 * time.Millisecond): // between two questions
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// wholeCluster returns nodes with their blocks, and pods with their endpoints.
func wholeCluster() iter.Seq[api.Object] {
	pods := calctest.Scale{Remotes: nodes * podsOnNode, Policies: 2_000}
	return func(yield func(api.Object) bool) {
		i := 0
		for obj := range objectsOf(pods) {
			e, ok := obj.(*v3.WorkloadEndpoint)
			if !ok {
				if !yield(obj) {
					return
				}
				continue
			}
			n := i / podsOnNode
			if i%podsOnNode == 0 && !nodeObjects(n, yield) {
				return
			}
			e.Spec.Node, e.Spec.IPNetworks = nodeName(n), []string{podAddr(n, i%podsOnNode).String() + "/32"}
			e.Name = v3.WorkloadEndpointName(&e.Spec)
			if i++; !yield(e) {
				return
			}
		}
	}
}

func nodeName(n int) string { return fmt.Sprintf("node-%04d", n) }

// block is that of a node, of 64 addresses.
func block(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(128 + n>>10), byte(n >> 2), byte(n & 3 << 6)}), 26)
}

func podAddr(n, i int) netip.Addr {
	a := block(n).Addr().As4()
	a[3] += byte(i)
	return netip.AddrFrom4(a)
}

// nodeObjects yields a node, its claim on a block, and the block with the addresses of its pods.
func nodeObjects(n int, yield func(api.Object) bool) bool {
	node := calctest.Node(nodeName(n), calctest.Labels{"kubernetes.io/hostname": nodeName(n), "topology.kubernetes.io/zone": fmt.Sprint("zone-", n%3)}, fmt.Sprintf("192.168.%d.%d/16", n>>8, n&255), "")
	node.Spec.IPv4VXLANTunnelAddr = podAddr(n, 63).String()
	node.Annotations = map[string]string{v3.AgentInstanceAnnotation: fmt.Sprintf("INSTANCE%022d", n)}
	return yield(node) && yield(calctest.Affinity(nodeName(n), block(n).String())) && yield(ipamBlock(n))
}

func ipamBlock(n int) *v3.IPAMBlock {
	owner := "host:" + nodeName(n)
	b := &v3.IPAMBlock{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "IPAMBlock"}}
	b.Name = ipam.BlockName(block(n))
	b.Spec.CIDR, b.Spec.Affinity = block(n).String(), &owner
	for i := range 64 {
		if i >= podsOnNode {
			b.Spec.Allocations, b.Spec.Unallocated = append(b.Spec.Allocations, nil), append(b.Spec.Unallocated, i)
			continue
		}
		at, handle := i, fmt.Sprintf("weft.%064x", n*podsOnNode+i)
		b.Spec.Allocations = append(b.Spec.Allocations, &at)
		b.Spec.Attributes = append(b.Spec.Attributes, v3.AllocationAttribute{HandleID: &handle, Secondary: map[string]string{
			"node": nodeName(n), "namespace": fmt.Sprintf("namespace-%02d", i), "pod": fmt.Sprintf("app-%02d-6d4cf56db6-%05x", i, n*podsOnNode+i), "timestamp": "2026-01-01 00:00:00 +0000 UTC",
		}})
	}
	return b
}
