// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/weftnet/weft/internal/lockfile"
)

// EmbeddedConfig describes an etcd server inside this process.
type EmbeddedConfig struct {
	// Dir keeps the data. It is made if it does not exist, for this user only, and serves one server at a time.
	Dir string
	// Listen are the endpoints to serve: unix:///absolute/path of a socket, made for this user only, or http://host:port on a loopback
	// address, where port 0 picks a free one. Default: a socket "etcd.sock" in Dir.
	Listen []string
}

// The limits of an embedded server.
const (
	embeddedQuota     = 2 << 30 // bytes of data, superseded revisions included
	embeddedRetention = "5m"    // of history, for watches that resume; older ones read everything again
	embeddedStart     = 30 * time.Second
	embeddedLog       = "etcd.log" // in Dir: errors of the server
	embeddedLock      = "weft.lock"
)

// Embedded is a running server. It writes to disk before it answers.
type Embedded struct {
	server    *embed.Etcd
	lock      *lockfile.Lock
	endpoints []string
	close     func() error
}

// StartEmbedded starts a server and returns when it answers.
func StartEmbedded(ctx context.Context, c EmbeddedConfig) (*Embedded, error) {
	e := &Embedded{}
	e.close = sync.OnceValue(e.stop)
	err := e.start(ctx, c)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded etcd in %s: %w", c.Dir, err), e.Close())
	}
	return e, nil
}

func (e *Embedded) start(ctx context.Context, c EmbeddedConfig) (err error) {
	if len(c.Listen) == 0 {
		c.Listen = []string{"unix://" + filepath.Join(c.Dir, "etcd.sock")}
	}
	config, err := c.server()
	if err != nil {
		return err
	}
	if e.lock, err = lockDir(c.Dir); err != nil {
		return err
	}
	if e.server, err = embed.StartEtcd(config); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, embeddedStart)
	defer cancel()
	select {
	case <-e.server.Server.ReadyNotify():
	case err := <-e.server.Err():
		return err
	case <-ctx.Done():
		return fmt.Errorf("it did not get ready: %w; see %s", ctx.Err(), filepath.Join(c.Dir, embeddedLog))
	}
	for _, l := range e.server.Clients {
		e.endpoints = append(e.endpoints, endpointOf(l.Addr()))
	}
	slices.Sort(e.endpoints)
	return nil
}

// server returns the configuration of the library.
func (c EmbeddedConfig) server() (*embed.Config, error) {
	config := embed.NewConfig()
	config.Name, config.Dir = "weft", c.Dir
	config.LogLevel, config.LogOutputs = "error", []string{filepath.Join(c.Dir, embeddedLog)}
	config.AutoCompactionMode, config.AutoCompactionRetention = embed.CompactorModePeriodic, embeddedRetention
	config.QuotaBackendBytes = embeddedQuota
	config.TickMs, config.ElectionMs = 50, 250 // alone it waits for one election at each start
	config.EnableGRPCGateway = false
	config.ListenPeerUrls = nil // a single member has no peers; their URL is its name only
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.ListenClientUrls = nil
	for _, endpoint := range c.Listen {
		u, err := listenURL(endpoint)
		if err != nil {
			return nil, err
		}
		config.ListenClientUrls = append(config.ListenClientUrls, u)
	}
	config.AdvertiseClientUrls = config.ListenClientUrls
	return config, nil
}

// listenURL checks an endpoint to listen on: whoever reaches it may do everything, so it must stay within this machine.
func listenURL(endpoint string) (url.URL, error) {
	if err := checkEndpoint(endpoint); err != nil {
		return url.URL{}, err
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return url.URL{}, fmt.Errorf("etcd endpoint %q: %w", endpoint, err)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "unix" || u.Scheme == "http" && ip != nil && ip.IsLoopback() {
		return *u, nil
	}
	return url.URL{}, fmt.Errorf("etcd endpoint %q: an embedded server has no authentication, so it listens on unix:///absolute/path or a loopback address such as http://127.0.0.1:2379 only", endpoint)
}

// endpointOf returns the endpoint for clients of a listener.
func endpointOf(addr net.Addr) string {
	if addr.Network() == "unix" {
		return "unix://" + addr.String()
	}
	return "http://" + addr.String()
}

// lockDir makes the directory and locks it. etcd would wait for another server to end, without a word.
func lockDir(dir string) (*lockfile.Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockfile.Acquire(filepath.Join(dir, embeddedLock))
	if err != nil {
		return nil, fmt.Errorf("the directory is in use by another server: %w", err)
	}
	return lock, nil
}

// Endpoints returns where clients reach the server, for Config.
func (e *Embedded) Endpoints() []string { return e.endpoints }

// Err delivers the error of a server that ended by itself.
func (e *Embedded) Err() <-chan error { return e.server.Err() }

// Close stops the server. All that it acknowledged is on disk.
func (e *Embedded) Close() error { return e.close() }

func (e *Embedded) stop() error {
	if e.server != nil {
		e.server.Close()
	}
	if e.lock == nil {
		return nil
	}
	return e.lock.Release()
}
