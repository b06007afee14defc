// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/etcdstore"
)

// etcdWorld is a world on an embedded etcd behind a unix socket.
func etcdWorld(t testing.TB) (w *world, endpoint string) {
	w = newWorld(t)
	dir := t.TempDir()
	endpoint = "unix://" + filepath.Join(dir, "etcd.sock")
	server, err := etcdstore.StartEmbedded(t.Context(), etcdstore.EmbeddedConfig{Dir: filepath.Join(dir, "data"), Listen: []string{endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	w.store, err = etcdstore.New(etcdstore.Config{Endpoints: []string{endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	return w, endpoint
}

// BenchmarkAssignRelease is dual-stack workloads that come and go together, on a node that runs 55 others. In turns with it runs the
// least that this takes of the store: the same writes by each worker alone, to blocks that nobody else writes. The ratio of the medians
// (x-bare) tells what address management itself costs, or gains, since it merges writes (writes/op).
func BenchmarkAssignRelease(b *testing.B) {
	for _, workers := range []int{1, 8} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			w, a := busyNode(b)
			bare := bareWorkers(b, w, workers)
			var ours, theirs []time.Duration
			writes := int64(0)
			for n := range b.N {
				before := w.writes.Load()
				ours = append(ours, together(b, workers, func(i int) error {
					handle := fmt.Sprintf("k8s-pod-network.8a3b1c%d-%d", n, i)
					if _, err := a.Assign(b.Context(), Request{Handle: handle, IPv4: true, IPv6: true, Attrs: benchAttrs}); err != nil {
						return err
					}
					return a.ReleaseHandle(b.Context(), handle)
				}))
				writes += w.writes.Load() - before
				theirs = append(theirs, together(b, workers, func(i int) error { return bare[i].write(b.Context(), w) }))
			}
			b.ReportMetric(float64(writes)/float64(b.N*workers), "writes/op")
			b.ReportMetric(median(ours).Seconds()*1000/float64(workers), "ms/op")
			b.ReportMetric(median(ours).Seconds()/median(theirs).Seconds(), "x-bare")
		})
	}
}

// together does one piece of work with each of several workers and returns the time of all.
func together(b *testing.B, workers int, work func(i int) error) time.Duration {
	b.Helper()
	start := time.Now()
	numbers := make([]int, workers)
	for i := range numbers {
		numbers[i] = i
	}
	if err := parallel(numbers, work); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

var benchAttrs = map[string]string{"namespace": "prod", "pod": "web-6d4cf56db6-x2x9v", "node": "n1", "timestamp": "2026-01-02T03:04:05Z"}

// counting counts writes.
type counting struct {
	store.Store
	writes atomic.Int64
}

func (c *counting) Create(ctx context.Context, obj api.Object) (api.Object, error) {
	c.writes.Add(1)
	return c.Store.Create(ctx, obj)
}

func (c *counting) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	c.writes.Add(1)
	return c.Store.Update(ctx, obj)
}

func (c *counting) Delete(ctx context.Context, key api.Key, revision int64) error {
	c.writes.Add(1)
	return c.Store.Delete(ctx, key, revision)
}

// busyNode returns a node with 55 workloads, one block a family.
func busyNode(b *testing.B) (*counting, *Allocator) {
	w, _ := etcdWorld(b)
	w.create(pool("four", "10.0.0.0/16"), pool("six", "fd00::/48"))
	c := &counting{Store: w.store}
	a := w.nodeOn(c, "n1")
	for i := range 55 {
		w.assign(a, Request{Handle: fmt.Sprintf("k8s-pod-network.other%d", i), IPv4: true, IPv6: true, Attrs: benchAttrs})
	}
	c.writes.Store(0)
	return c, a
}

// bare is a worker with blocks of its own.
type bare struct {
	handle string
	blocks []api.Object
}

func bareWorkers(b *testing.B, s store.Store, workers int) []*bare {
	var out []*bare
	list, err := s.List(b.Context(), api.IPAMBlocks, "")
	if err != nil {
		b.Fatal(err)
	}
	for i := range workers {
		w := &bare{handle: fmt.Sprintf("k8s-pod-network.bare%d", i)}
		for _, obj := range list.Items {
			obj = api.Clone(obj)
			obj.SetName(fmt.Sprintf("bare-%d-%s", i, obj.GetName()))
			obj.SetResourceVersion("")
			created, err := s.Create(b.Context(), obj)
			if err != nil {
				b.Fatal(err)
			}
			w.blocks = append(w.blocks, created)
		}
		out = append(out, w)
	}
	return out
}

// write creates a handle, writes both blocks, reads the handle, writes both blocks again and deletes the handle.
func (w *bare) write(ctx context.Context, s store.Store) error {
	h := &v3.IPAMHandle{ObjectMeta: v3.ObjectMeta{Name: w.handle}, Spec: v3.IPAMHandleSpec{HandleID: w.handle, Block: map[string]int{"10.0.0.0/26": 1, "fd00::/122": 1}}}
	if _, err := s.Create(ctx, h); err != nil {
		return err
	}
	if err := w.writeBlocks(ctx, s); err != nil {
		return err
	}
	if _, err := s.Get(ctx, handleKey(w.handle)); err != nil {
		return err
	}
	if err := w.writeBlocks(ctx, s); err != nil {
		return err
	}
	return s.Delete(ctx, handleKey(w.handle), 0)
}

func (w *bare) writeBlocks(ctx context.Context, s store.Store) error {
	return parallel([]int{0, 1}, func(i int) error {
		written, err := s.Update(ctx, w.blocks[i])
		if err == nil {
			w.blocks[i] = written
		}
		return err
	})
}
