// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/etcdstore"
	"github.com/weftnet/weft/store/kubestore"
)

const storeName = "store"

// storeSocket is where all members reach the datastore: a unix socket is reachable from every network namespace.
func (l *Lab) storeSocket() string { return filepath.Join(l.Dir(), storeName, "etcd.sock") }

// StoreEndpoint is the etcd endpoint of the lab's datastore, for --etcd-endpoints of any weft command.
func (l *Lab) StoreEndpoint() string { return "unix://" + l.storeSocket() }

// storeFlags lead a weft command to the lab's datastore.
func (l *Lab) storeFlags() []string {
	if l.spec.Kubeconfig != "" {
		return []string{"--kubeconfig", l.spec.Kubeconfig}
	}
	return []string{"--etcd-endpoints", l.StoreEndpoint()}
}

// agentStoreFlags lead an agent there.
func (l *Lab) agentStoreFlags() []string {
	if l.spec.AgentKubeconfig != "" {
		return []string{"--kubeconfig", l.spec.AgentKubeconfig}
	}
	return l.storeFlags()
}

// openStore makes a client of the lab's datastore.
func (l *Lab) openStore() (store.Store, error) {
	if l.spec.Kubeconfig != "" {
		return kubestore.New(kubestore.Config{Kubeconfig: l.spec.Kubeconfig})
	}
	return etcdstore.New(etcdstore.Config{Endpoints: []string{l.StoreEndpoint()}})
}

// weft is the path of the weft program that the lab runs.
func (l *Lab) weft() string { return filepath.Join(l.spec.Bin, "weft") }

// StartStore starts the lab's etcd, or the forwarder to the remote one, and waits until it answers. It is how StopStore is undone.
func (l *Lab) StartStore(ctx context.Context) error {
	if l.spec.Kubeconfig != "" {
		return nil
	}
	dir, err := l.dir(storeName)
	if err != nil {
		return err
	}
	d := daemon{name: storeName, path: l.weft(), args: []string{"lab", "store", "--socket", l.storeSocket()}}
	if l.spec.RemoteEtcd == "" {
		l.say("starting an embedded etcd")
		d.args = append(d.args, "--dir", filepath.Join(dir, "data"))
	} else {
		l.say("connecting the nodes to etcd at %s", l.spec.RemoteEtcd)
		d.args = append(d.args, "--remote", l.spec.RemoteEtcd)
	}
	p, err := l.start(ctx, d)
	if err != nil {
		return err
	}
	return waitReady(ctx, "datastore", p, func() error { return l.storeAnswers(ctx) })
}

// storeAnswers asks the datastore something. That it listens says little: an etcd listens before it has read its log. The client is a new one,
// for one that has lost its server waits before it tries again.
func (l *Lab) storeAnswers(ctx context.Context) error {
	if err := dialUnix(ctx, l.storeSocket()); err != nil {
		return err
	}
	s, err := l.openStore()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	_, err = s.Get(ctx, api.Key{Resource: api.Namespaces, Name: DefaultNamespace})
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return errors.Join(err, s.Close())
}

// StopStore takes the datastore away with SIGKILL, as a crash would; its data stays.
func (l *Lab) StopStore(context.Context) error {
	if l.spec.Kubeconfig != "" {
		return nil
	}
	return l.kill(storeName)
}

// kill ends a recorded daemon with SIGKILL.
func (l *Lab) kill(name string) error {
	p, err := l.process(name)
	if err != nil {
		return err
	}
	if err := p.Kill(); err != nil {
		return fmt.Errorf("lab %s: kill %s: %w", l.spec.Name, name, err)
	}
	return nil
}

// Store returns a client of the lab's datastore. It belongs to the handle: do not close it.
func (l *Lab) Store() (store.Store, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.store == nil {
		s, err := l.openStore()
		if err != nil {
			return nil, fmt.Errorf("lab %s: %w", l.spec.Name, err)
		}
		l.store = s
	}
	return l.store, nil
}

// Apply creates the objects, or replaces those that exist.
func (l *Lab) Apply(ctx context.Context, objs ...api.Object) error {
	s, err := l.Store()
	if err != nil {
		return err
	}
	for _, obj := range objs {
		if err := upsert(ctx, s, obj); err != nil {
			return fmt.Errorf("lab %s: apply %s: %w", l.spec.Name, api.KeyOf(obj), err)
		}
	}
	return nil
}

// upsert updates first: it is the common case for a namespace, and once an object exists it stays.
func upsert(ctx context.Context, s store.Store, obj api.Object) error {
	_, err := s.Update(ctx, obj)
	if errors.Is(err, store.ErrNotFound) {
		_, err = s.Create(ctx, obj)
	}
	return err
}

// SetMesh switches the full mesh of BGP sessions between the nodes.
func (l *Lab) SetMesh(ctx context.Context, on bool) error { return l.Apply(ctx, meshObject(on)) }

// ensure creates an object that does not exist.
func (l *Lab) ensure(ctx context.Context, obj api.Object) error {
	s, err := l.Store()
	if err != nil {
		return err
	}
	if _, err := s.Create(ctx, obj); err != nil && !errors.Is(err, store.ErrExists) {
		return fmt.Errorf("lab %s: %w", l.spec.Name, err)
	}
	return nil
}

// seed fills a new datastore. In a remote one that is in use already what is there stays.
func (l *Lab) seed(ctx context.Context) error {
	for _, obj := range seedObjects(l.spec, l.plan) {
		if err := l.ensure(ctx, obj); err != nil {
			return err
		}
	}
	return nil
}
