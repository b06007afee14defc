// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"sync"

	"github.com/weftnet/weft/store/etcdstore"
)

// StoreConfig describes the datastore process of a lab.
type StoreConfig struct {
	// Socket is the path of the unix socket to listen on.
	Socket string
	// Dir is the data directory of an embedded etcd.
	Dir string
	// Remote is the URL of an etcd server to forward connections to, in place of an embedded one.
	Remote string
}

// RunStore serves a lab's datastore until ctx ends. A lab runs it as a process of its own, outside all its network namespaces.
func RunStore(ctx context.Context, c StoreConfig) error {
	if c.Remote != "" {
		return forward(ctx, c)
	}
	server, err := etcdstore.StartEmbedded(ctx, etcdstore.EmbeddedConfig{Dir: c.Dir, Listen: []string{"unix://" + c.Socket}})
	if err != nil {
		return err
	}
	select {
	case err = <-server.Err():
	case <-ctx.Done():
	}
	return errors.Join(err, server.Close())
}

// forward copies bytes between connections to the socket and the remote server. TLS, where there is any, is between the two ends.
func forward(ctx context.Context, c StoreConfig) error {
	target, err := url.Parse(c.Remote)
	if err != nil {
		return fmt.Errorf("remote etcd: %w", err)
	}
	if err := os.Remove(c.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("socket: %w", err)
	}
	ln, err := net.Listen("unix", c.Socket)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		conns.Go(func() { relay(ctx, conn, target.Host) })
	}
}

// relay serves one connection. A server that cannot be reached closes the client's connection: etcd clients try again by themselves.
func relay(ctx context.Context, client net.Conn, target string) {
	defer func() { _ = client.Close() }()
	var d net.Dialer
	server, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		fmt.Fprintln(os.Stderr, "remote etcd:", err)
		return
	}
	defer func() { _ = server.Close() }()
	end := func() { _, _ = client.Close(), server.Close() }
	defer context.AfterFunc(ctx, end)()
	var wg sync.WaitGroup
	for _, way := range []struct{ to, from net.Conn }{{server, client}, {client, server}} {
		wg.Go(func() {
			_, _ = io.Copy(way.to, way.from) // however it ended, the other direction is of no use any more
			end()
		})
	}
	wg.Wait()
}
