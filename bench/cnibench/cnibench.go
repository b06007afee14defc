// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package cnibench measures how long a container runtime waits for its network: Run compares weft with the reference plugins.
//
// Both sides are driven alike: libcni runs the plugin inside the network namespace of a node, for the same workload namespaces, in turn.
// weft's side is a real agent with a real datastore and policies that select every workload; the other side is ptp with host-local, which
// enforces nothing.
package cnibench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containernetworking/cni/libcni"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/sys/netns"
)

// Config says what to compare.
type Config struct {
	Bin    string // directory of weft and weft-cni
	Ref    string // directory of ptp and host-local
	Rounds int    // of one workload at a time; a fifth as many of 8 at once
}

// workers is how many workloads start at once, and perWorker how many each worker starts in a row.
const workers, perWorker = 8, 5

// side is one network that workloads are attached to.
type side struct {
	node   *netns.NS // where the plugin runs
	cni    *libcni.CNIConfig
	list   *libcni.NetworkConfigList
	add    measure.Samples
	del    measure.Samples
	atOnce measure.Samples // ADDs a second
}

// Run measures and returns the rows.
func Run(ctx context.Context, c Config) (_ []measure.Row, err error) {
	scratch, err := os.MkdirTemp("", "weft-bench-cni")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	ours, cleanOurs, err := startWeft(ctx, c, scratch)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cleanOurs()) }()
	theirs, cleanTheirs, err := startReference(c, scratch)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cleanTheirs()) }()
	spaces, cleanSpaces, err := workloads(workers * perWorker)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cleanSpaces()) }()
	if err := run(ctx, c.Rounds, spaces, ours, theirs); err != nil {
		return nil, err
	}
	const peer = "ptp + host-local"
	return []measure.Row{
		measure.Compare("CNI ADD, dual stack, policy in place", ours.add, peer, theirs.add, measure.Duration, measure.AtMost(0.6)),
		measure.Compare("CNI ADD, 8 at once", ours.atOnce, peer, theirs.atOnce, measure.Rate("ADD"), measure.AtLeast(2)),
		measure.Compare("CNI DEL", ours.del, peer, theirs.del, measure.Duration, measure.AtMost(0.3)),
	}, nil
}

// warmup is how many rounds are not counted.
const warmup = 3

func run(ctx context.Context, rounds int, spaces []*netns.NS, sides ...*side) error {
	for i := range warmup + rounds {
		for _, s := range sides {
			if err := s.one(ctx, spaces[0]); err != nil {
				return err
			}
			if i < warmup {
				s.add, s.del = nil, nil
			}
		}
	}
	for range max(rounds/5, 1) {
		for _, s := range sides {
			if err := s.many(ctx, spaces); err != nil {
				return err
			}
		}
	}
	return nil
}

// one attaches and detaches one workload.
func (s *side) one(ctx context.Context, ns *netns.NS) error {
	rt := runtimeConf(ns)
	return s.node.Do(func() error {
		start := time.Now()
		if _, err := s.cni.AddNetworkList(ctx, s.list, rt); err != nil {
			return err
		}
		s.add.Add(time.Since(start))
		start = time.Now()
		if err := s.cni.DelNetworkList(ctx, s.list, rt); err != nil {
			return err
		}
		s.del.Add(time.Since(start))
		return nil
	})
}

// many attaches all workloads, 8 at a time, and detaches them again.
func (s *side) many(ctx context.Context, spaces []*netns.NS) error {
	confs := make([]*libcni.RuntimeConf, len(spaces))
	for i, ns := range spaces {
		confs[i] = runtimeConf(ns)
	}
	start := time.Now()
	err := s.each(confs, func(rt *libcni.RuntimeConf) error { _, err := s.cni.AddNetworkList(ctx, s.list, rt); return err })
	s.atOnce = append(s.atOnce, float64(len(confs))/time.Since(start).Seconds())
	return errors.Join(err, s.each(confs, func(rt *libcni.RuntimeConf) error { return s.cni.DelNetworkList(ctx, s.list, rt) }))
}

// each lets every worker do its share, all at once.
func (s *side) each(confs []*libcni.RuntimeConf, f func(*libcni.RuntimeConf) error) error {
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			errs[w] = s.node.Do(func() (err error) {
				for i := w; i < len(confs); i += workers {
					err = errors.Join(err, f(confs[i]))
				}
				return err
			})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// runtimeConf describes a workload as Kubernetes would, under a name of its own.
func runtimeConf(ns *netns.NS) *libcni.RuntimeConf {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails (package crypto/rand)
	id := hex.EncodeToString(raw[:])
	return &libcni.RuntimeConf{
		ContainerID: id, NetNS: ns.Path(), IfName: "eth0",
		Args: [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", namespace}, {"K8S_POD_NAME", "pod-" + id[:12]}},
	}
}

// workloads makes the namespaces of the workloads.
func workloads(n int) (_ []*netns.NS, clean func() error, err error) {
	var made []*netns.NS
	clean = func() error {
		var err error
		for _, ns := range made {
			err = errors.Join(err, ns.Close(), netns.Delete(ns.Name()))
		}
		return err
	}
	for i := range n {
		ns, err := netns.Create(fmt.Sprintf("weft-bench%d-w%d", os.Getpid(), i))
		if err != nil {
			return nil, nil, errors.Join(err, clean())
		}
		made = append(made, ns)
		if err := ns.Do(noDAD); err != nil {
			return nil, nil, errors.Join(err, clean())
		}
	}
	return made, clean, nil
}

func newCNI(bin, scratch, name string) *libcni.CNIConfig {
	return libcni.NewCNIConfigWithCacheDir([]string{bin}, filepath.Join(scratch, name+"-cache"), nil)
}
