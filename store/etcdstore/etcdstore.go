// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package etcdstore keeps objects in etcd: New connects to servers, StartEmbedded runs one in this process.
//
// Keys are /weft/<group>/<plural>/[<namespace>/]<name>, those of IPAM blocks and handles /weft/~<group>/<plural>/<name>. Values are the
// object's JSON as its user wrote it, with metadata.uid and metadata.creationTimestamp; white space behind it tells apart writes that are
// otherwise alike (see swap). The resourceVersion is etcd's revision of the key's last change. Only this package imports etcd.
//
// Reads are linearizable. Writes are transactions, mostly on one key, without locks: as many run at once as there are callers.
package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/internal/lifetime"
)

// Store implements store.Transactor.
type Store struct {
	config Config
	keys   keyspace
	pace   pace

	life   *lifetime.Lifetime
	client *clientv3.Client // for its connection, balanced over the endpoints
	conn   *grpc.ClientConn
	login  *login
}

var _ store.Transactor = (*Store)(nil)

// pace is the timing of a store; tests hurry it.
type pace struct {
	attempt   time.Duration // time for one try of a call; each further one gets twice as much
	heartbeat time.Duration // how often a watch asks the server for a sign of life
	silence   time.Duration // a watch that heard nothing for so long looks for another server
	retry     time.Duration // pause before a second try; doubles up to retryMost
	retryMost time.Duration
}

var usualPace = pace{attempt: 3 * time.Second, heartbeat: 3 * time.Second, silence: 10 * time.Second, retry: 20 * time.Millisecond, retryMost: 2 * time.Second}

// Timing of connections. gRPC asks no more often than every 10 s, and etcd closes connections that ask more often than every 5 s.
const (
	keepAlive        = 10 * time.Second
	keepAliveTimeout = 5 * time.Second
)

// New checks the configuration and returns a store. It does not wait for a server: one that is down shows as ErrUnavailable of
// the calls, and in the watches, until it is back.
func New(config Config) (*Store, error) { return newStore(config, usualPace) }

func newStore(config Config, p pace) (*Store, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	s := &Store{config: config, keys: keyspace(config.Prefix), pace: p, life: lifetime.New(), login: newLogin(config.Username, config.Password)}
	if s.client, err = s.dial(); err != nil {
		return nil, fmt.Errorf("etcd client for %s: %w", config.where(), err)
	}
	s.conn = s.client.ActiveConnection()
	return s, nil
}

// Close ends the watches and closes the connections. Calls that are under way return ErrClosed.
func (s *Store) Close() error {
	s.life.Close()
	if err := s.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close etcd client: %w", err)
	}
	return nil
}

// dial sets up a connection, without waiting for it.
func (s *Store) dial() (*clientv3.Client, error) {
	config := clientv3.Config{
		Endpoints:            s.config.Endpoints,
		DialKeepAliveTime:    keepAlive,
		DialKeepAliveTimeout: keepAliveTimeout,
		DialOptions: []grpc.DialOption{grpc.WithPerRPCCredentials(s.login), grpc.WithConnectParams(grpc.ConnectParams{
			// By default gRPC lets up to two minutes pass before it looks for a server again.
			Backoff:           backoff.Config{BaseDelay: s.pace.retry, Multiplier: 1.6, Jitter: 0.2, MaxDelay: s.pace.retryMost},
			MinConnectTimeout: s.pace.attempt,
		})},
		MaxUnaryRetries: 1, // calls are tried again here, where it is known which ones may be
		Logger:          zap.NewNop(),
	}
	if s.config.secure() {
		config.DialOptions = append(config.DialOptions, grpc.WithTransportCredentials(freshTLS{s.config.files()}))
	}
	return clientv3.New(config)
}
