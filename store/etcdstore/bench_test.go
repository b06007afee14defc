// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// BenchmarkSwap measures compare-and-swap updates of 2 kB objects, each writer on a key of its own, beside bare etcd transactions that
// carry values of the same size over the same connection. The two take turns, so that both meet the same machine.
func BenchmarkSwap(b *testing.B) {
	e := embedded(b, EmbeddedConfig{Dir: b.TempDir()})
	s, err := New(Config{Endpoints: e.Endpoints()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	value := []byte(strings.Repeat("x", 2000))
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			objects, revisions := make([]api.Object, writers), make([]int64, writers)
			for i := range objects {
				pool := counter(fmt.Sprint("b-", prefixes.Add(1)))
				pool.Annotations["filler"] = strings.Repeat("x", 1800)
				if objects[i], err = s.Create(b.Context(), pool); err != nil {
					b.Fatal(err)
				}
			}
			run := prefixes.Add(1)
			var store, bare time.Duration
			const turns = 10
			b.ResetTimer()
			for range turns {
				store += share(b, writers, b.N/turns+1, func(i int) (err error) {
					objects[i], err = s.Update(b.Context(), objects[i])
					return err
				})
				bare += share(b, writers, b.N/turns+1, func(i int) (err error) {
					revisions[i], err = s.bareSwap(b.Context(), fmt.Sprintf("/bare/%d-%d", run, i), revisions[i], value)
					return err
				})
			}
			n := float64((b.N/turns + 1) * turns)
			b.ReportMetric(0, "ns/op") // the two together say nothing
			b.ReportMetric(n/store.Seconds(), "swaps/s")
			b.ReportMetric(n/bare.Seconds(), "bare-swaps/s")
			b.ReportMetric(bare.Seconds()/store.Seconds(), "of-bare")
		})
	}
}

// share spreads n operations over writers and returns the time they take.
func share(b *testing.B, writers, n int, op func(writer int) error) time.Duration {
	begin := time.Now()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := op(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

// BenchmarkSnapshot measures how long a new watch takes to have 10,000 objects.
func BenchmarkSnapshot(b *testing.B) {
	const objects = 10_000
	e := embedded(b, EmbeddedConfig{Dir: b.TempDir()})
	s, err := New(Config{Endpoints: e.Endpoints()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	var wg sync.WaitGroup
	for worker := range 32 {
		wg.Go(func() {
			for i := worker; i < objects; i += 32 {
				wep := &v3.WorkloadEndpoint{ObjectMeta: v3.ObjectMeta{Namespace: "prod", Name: fmt.Sprint("w-", i), Labels: map[string]string{"app": "web"}}}
				if _, err := s.Create(b.Context(), wep); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for b.Loop() {
		w, err := s.Watch(b.Context(), api.WorkloadEndpoints)
		if err != nil {
			b.Fatal(err)
		}
		for total := 0; total < objects; {
			batch, err := w.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			total += len(batch.Events)
		}
		w.Close()
	}
}

// bareSwap is what etcd is asked for at least.
func (s *Store) bareSwap(ctx context.Context, path string, base int64, value []byte) (int64, error) {
	resp, err := s.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(path), "=", base)).Then(clientv3.OpPut(path, string(value))).Commit()
	if err != nil {
		return 0, err
	}
	if !resp.Succeeded {
		return 0, errMoved
	}
	return resp.Header.Revision, nil
}
