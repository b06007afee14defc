// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package cni answers the CNI plugin on a unix socket: New with a Backend, then Serve.
//
// ADD answers only when the workload's routes and policy are in the kernel and read back; a failed ADD leaves nothing behind; DEL of the
// unknown succeeds. What an attachment has got is written down before it is done (package record), so that a killed agent can undo it.
package cni

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/weftnet/weft/agent/record"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/veth"
)

// Allocation asks for addresses.
type Allocation struct {
	Handle         string
	Namespace      string
	IPv4, IPv6     bool
	Pools4, Pools6 []string
	Addrs          []netip.Addr // asked for by name; may be empty
	Attributes     map[string]string
}

// Backend is what the server needs of the agent.
type Backend interface {
	// Ready returns nil when workloads can be started, else why not.
	Ready() error
	// Assign returns one address per family asked for.
	Assign(ctx context.Context, a Allocation) ([]netip.Addr, error)
	// Release frees all addresses of a handle; an unknown handle is no error.
	Release(ctx context.Context, handle string) error
	// Pod returns what Kubernetes says of a pod of this node, whose UID the runtime may have named.
	Pod(ctx context.Context, namespace, name string, uid types.UID) (Pod, error)
	// Register puts an endpoint in force and returns when its routes and policy are programmed and read back.
	Register(ctx context.Context, endpoint *v3.WorkloadEndpoint) error
	// Update replaces an endpoint that is in force, where it may; an error leaves it as it was.
	Update(endpoint *v3.WorkloadEndpoint) error
	// Unregister takes an endpoint out of force at once and calls done when the datastore has forgotten it.
	Unregister(endpoint *v3.WorkloadEndpoint, done func())
	// MTU returns the size of workloads' interfaces in bytes, once it is known.
	MTU(ctx context.Context) (int, error)
	// Programmed returns nil when the endpoint is in force now.
	Programmed(endpoint *v3.WorkloadEndpoint) error
}

// addTimeout bounds one ADD. It is shorter than the plugin's patience, so that the runtime gets the reason.
const addTimeout = 60 * time.Second

// readTimeout bounds the wait for a request: the plugin sends it at once.
const readTimeout = 5 * time.Second

// Server serves one node.
type Server struct {
	node    string
	log     *slog.Logger
	backend Backend
	records *record.Dir
	links   *veth.Links
	locks   keyLock    // by host side name
	pods    keyLock    // held by an ADD, by namespace/name; taken after locks
	claims  sync.Mutex // of host ports

	addTimeout time.Duration

	mu    sync.Mutex
	known map[string]*record.Record // by record ID
	debts map[string]*debt          // what removals still owe, by record ID
	owing chan struct{}             // signalled when a debt needs another attempt
}

// New returns a server for the network namespace of the process. It takes over the records found at start; see Restore.
func New(node string, backend Backend, records *record.Dir, log *slog.Logger) (*Server, error) {
	links, err := veth.Open()
	if err != nil {
		return nil, err
	}
	return &Server{
		node: node, log: log, backend: backend, records: records, links: links, addTimeout: addTimeout,
		known: map[string]*record.Record{}, debts: map[string]*debt{}, owing: make(chan struct{}, 1),
	}, nil
}

// Serve answers requests until ctx ends. It returns when the last one is answered and the background work has stopped.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	defer s.links.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { s.payDebts(ctx) })
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		running.Go(func() { s.answer(ctx, conn) })
	}
}

func (s *Server) answer(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(readTimeout))
	req, err := cniapi.ReadRequest(conn)
	if err != nil {
		s.log.Warn("CNI request not understood", "error", err)
		_ = (&cniapi.Response{Error: cniapi.Errorf(cniapi.CodeDecode, "request: %v", err)}).Write(conn, "")
		return
	}
	start := time.Now()
	ctx, cancel := whileConnected(ctx, conn)
	resp := s.handle(ctx, req)
	cancel()
	s.note(req, resp, time.Since(start))
	if err := resp.Write(conn, req.CNIVersion); err != nil {
		s.log.Warn("CNI answer not delivered", "command", req.Command, "container", req.ContainerID, "error", err)
	}
}

// whileConnected returns a context that ends when the plugin hangs up: a runtime that lost patience has killed it and counts the
// request as failed, so an ADD must not succeed behind its back.
func whileConnected(ctx context.Context, conn net.Conn) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	_ = conn.SetReadDeadline(time.Time{})
	go func() {
		_, _ = io.Copy(io.Discard, conn) // until it is closed, by either side
		cancel(errHungUp)
	}()
	return ctx, func() { cancel(nil) }
}

var errHungUp = errors.New("the runtime has given up waiting")

func (s *Server) note(req *cniapi.Request, resp *cniapi.Response, took time.Duration) {
	if resp.Error != nil {
		s.log.Warn("CNI request refused", "command", req.Command, "container", req.ContainerID, "error", resp.Error, "took", took)
		return
	}
	s.log.Debug("CNI request done", "command", req.Command, "container", req.ContainerID, "took", took)
}

func (s *Server) handle(ctx context.Context, req *cniapi.Request) *cniapi.Response {
	var result json.RawMessage
	var err error
	switch req.Command {
	case "STATUS":
		err = s.status(req)
	case "GC":
		err = s.collect(ctx, req)
	case "ADD", "DEL", "CHECK":
		result, err = s.attachment(ctx, req)
	default:
		err = cniapi.Errorf(cniapi.CodeEnvironment, "command %q is none of ADD, DEL, CHECK, GC, STATUS", req.Command)
	}
	if err == nil {
		return &cniapi.Response{Result: result}
	}
	var known *cniapi.Error
	if !errors.As(err, &known) {
		known = cniapi.Errorf(cniapi.CodeIO, "%v", err)
	}
	return &cniapi.Response{Error: known}
}

// attachment handles the commands about one container interface, one at a time per host side name.
func (s *Server) attachment(ctx context.Context, req *cniapi.Request) (json.RawMessage, error) {
	a, bad := parse(req)
	if bad != nil {
		return nil, bad
	}
	defer s.lock(a)()
	switch req.Command {
	case "ADD":
		ctx, cancel := context.WithTimeout(ctx, s.addTimeout)
		defer cancel()
		return s.add(ctx, a)
	case "DEL":
		return nil, s.del(ctx, a)
	}
	return nil, s.check(a)
}

// lock waits for other work on the attachment's host side. A recorded name counts more than the present one: a DEL may come without the
// arguments of the ADD.
func (s *Server) lock(a *attachment) (unlock func()) {
	nameNow := func() string {
		if r := s.lookup(a.id()); r != nil {
			return r.HostIf
		}
		return a.hostName()
	}
	for name := nameNow(); ; name = nameNow() {
		unlock := s.locks.lock(name)
		if nameNow() == name {
			return unlock
		}
		unlock() // the record came or went while we waited
	}
}

// status answers STATUS.
func (s *Server) status(req *cniapi.Request) error {
	if _, bad := parseConf(req.Config); bad != nil {
		return bad
	}
	if err := s.backend.Ready(); err != nil {
		return &cniapi.Error{Code: cniapi.CodeNotReady, Message: notReady, Details: err.Error()}
	}
	return nil
}

const notReady = "weft cannot start workloads yet"
