// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/weftnet/weft/agent/record"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/veth"
)

// undoTimeout bounds the undoing of a failed ADD.
const undoTimeout = 10 * time.Second

// add attaches a container. What it is about to make is written down first, so that a killed agent undoes it at its next start.
func (s *Server) add(ctx context.Context, a *attachment) (json.RawMessage, error) {
	if err := s.backend.Ready(); err != nil {
		return nil, &cniapi.Error{Code: cniapi.CodeTryAgain, Message: notReady, Details: err.Error()}
	}
	size, err := s.mtu(ctx, a)
	if err != nil {
		return nil, &cniapi.Error{Code: cniapi.CodeTryAgain, Message: notReady, Details: err.Error()}
	}
	if a.kubernetes {
		defer s.pods.lock(a.workload.Namespace + "/" + a.workload.Name)()
	}
	if err := s.describe(ctx, a); err != nil {
		return nil, err
	}
	mac := a.mac
	if mac == nil {
		mac = veth.RandomMAC()
	}
	r := s.newRecord(a, mac.String())
	if bad := api.Validate(r.Endpoint, api.Checks{}); len(bad) > 0 {
		return nil, cniapi.Errorf(cniapi.CodeEnvironment, "workload %s/%s: %v", a.workload.Namespace, a.workload.Name, bad)
	}
	ns, err := openWorkload(a.netns)
	if err != nil {
		return nil, err
	}
	defer func() { _ = ns.Close() }()
	if result, err := s.again(ctx, a, ns); result != nil || err != nil {
		return result, err
	}
	if err := s.evict(ctx, a); err != nil {
		return nil, err
	}
	if err := s.claim(r); err != nil {
		return nil, err
	}
	spec := a.spec(ns, mac)
	spec.MTU = size
	result, err := s.build(ctx, a, r, spec)
	if err != nil {
		s.undo(ctx, r)
		return nil, explain(ctx, err)
	}
	return result, s.catchUp(ctx, a, spec)
}

// newRecord describes an attachment before anything is made of it.
func (s *Server) newRecord(a *attachment, mac string) *record.Record {
	return &record.Record{
		State: record.Adding, Network: a.conf.Name, ContainerID: a.containerID, IfName: a.ifName, Handle: a.handle(), HostIf: a.hostName(),
		Netns: a.netns, PodUID: types.UID(a.podUID), MTU: a.conf.MTU, Endpoint: a.endpoint(s.node, nil, mac),
	}
}

// openWorkload opens the namespace that the runtime named. One that is the agent's own would put the host behind its own policy.
func openWorkload(path string) (*netns.NS, error) {
	ns, err := netns.OpenPath(path)
	if err != nil {
		return nil, cniapi.Errorf(cniapi.CodeEnvironment, "CNI_NETNS %q: %v", path, err)
	}
	own, err := netns.Current()
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	defer func() { _ = own.Close() }()
	theirs, err1 := ns.ID()
	ours, err2 := own.ID()
	if err := errors.Join(err1, err2); err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	if theirs == ours {
		_ = ns.Close()
		return nil, cniapi.Errorf(cniapi.CodeEnvironment, "CNI_NETNS %q is the network namespace of the host itself", path)
	}
	return ns, nil
}

// again answers a repeated ADD with what the container has, after putting it in force once more. It returns nothing when there is nothing
// sound to go on from.
func (s *Server) again(ctx context.Context, a *attachment, ns *netns.NS) (json.RawMessage, error) {
	r := s.lookup(a.id())
	if r == nil || r.State != record.Ready || r.HostIf != a.hostName() || s.links.Check(a.spec(ns, nil), addrsOf(r.Endpoint)) != nil {
		return nil, nil
	}
	endpoint := a.endpoint(s.node, addrsOf(r.Endpoint), r.Endpoint.Spec.MAC)
	if err := s.portsFree(s.newRecord(a, "")); err != nil {
		return nil, err
	}
	if err := s.backend.Register(ctx, endpoint); err != nil {
		return nil, explain(ctx, programError(err))
	}
	return s.finish(a, s.newRecord(a, ""), endpoint)
}

// evict makes room: for an attachment whose remains are in the way, its own or those of an earlier sandbox of the same pod, which the
// runtime has not deleted yet.
func (s *Server) evict(ctx context.Context, a *attachment) error {
	for _, r := range []*record.Record{s.lookup(a.id()), s.holder(a.hostName(), a.id())} {
		switch {
		case r == nil:
			continue
		case r.HostIf != a.hostName(), r.ID() != a.id() && !a.succeeds(r):
			return cniapi.Errorf(cniapi.CodeInterface, "interface %s belongs to workload %s/%s in container %s; delete that first",
				r.HostIf, r.Endpoint.Namespace, r.Endpoint.Name, r.ContainerID)
		}
		if err := s.remove(ctx, r); err != nil {
			return &cniapi.Error{Code: cniapi.CodeTryAgain, Message: "an earlier interface of the workload is not removed yet", Details: err.Error()}
		}
	}
	return nil
}

// succeeds says whether the attachment is a newer sandbox of the pod that r is about.
func (a *attachment) succeeds(r *record.Record) bool {
	return a.kubernetes && r.Endpoint.Namespace == a.workload.Namespace && r.Endpoint.Spec.Pod == a.workload.Name && r.IfName == a.ifName
}

// build makes everything. The interface is made while addresses are assigned; then the workload is given them while routes and policy are
// programmed.
func (s *Server) build(ctx context.Context, a *attachment, r *record.Record, spec veth.Spec) (json.RawMessage, error) {
	var link *veth.Interface
	made := inBackground(func() (err error) { link, err = s.links.Create(spec); return err })
	addrs, err := s.addresses(ctx, a)
	if linkErr := <-made; linkErr != nil {
		return nil, cniapi.Errorf(cniapi.CodeInterface, "%v", linkErr)
	}
	defer func() { _ = link.Close() }()
	if err == nil && len(addrs) == 0 {
		err = errors.New("none was assigned")
	}
	if err != nil {
		return nil, &cniapi.Error{Code: cniapi.CodeAddresses, Message: "no address for the workload", Details: err.Error()}
	}
	addressed := inBackground(func() error { return link.Address(addrs) })
	endpoint := a.endpoint(s.node, addrs, r.Endpoint.Spec.MAC)
	err = s.backend.Register(ctx, endpoint)
	if linkErr := <-addressed; linkErr != nil {
		return nil, cniapi.Errorf(cniapi.CodeInterface, "%v", linkErr)
	}
	if err != nil {
		return nil, programError(err)
	}
	return s.finish(a, r, endpoint)
}

// addresses returns those of the workload.
func (s *Server) addresses(ctx context.Context, a *attachment) ([]netip.Addr, error) {
	if len(a.unmanaged) > 0 {
		return a.unmanaged, nil
	}
	return s.backend.Assign(ctx, a.allocation(s.node))
}

func inBackground(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func programError(err error) error {
	return &cniapi.Error{Code: cniapi.CodeProgram, Message: "routes and policy of the workload are not in force", Details: err.Error()}
}

// finish makes a built attachment last and renders the answer.
func (s *Server) finish(a *attachment, r *record.Record, endpoint *v3.WorkloadEndpoint) (json.RawMessage, error) {
	result, bad := a.result(endpoint)
	if bad != nil {
		return nil, bad
	}
	ready := *r
	ready.State, ready.Endpoint = record.Ready, endpoint
	return result, s.remember(&ready)
}

// undo takes back whatever a failed ADD has done. What cannot be undone now stays recorded and is tried again.
func (s *Server) undo(ctx context.Context, r *record.Record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := s.remove(ctx, r); err != nil {
		s.log.Error("failed ADD not undone yet, retrying", "container", r.ContainerID, "error", err)
	}
}

// explain says why an ADD was broken off when it was not the ADD's own fault.
func explain(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	return &cniapi.Error{Code: cniapi.CodeTryAgain, Message: "ADD was broken off", Details: fmt.Sprintf("%v: %v", context.Cause(ctx), err)}
}

func (a *attachment) spec(ns *netns.NS, mac net.HardwareAddr) veth.Spec {
	return veth.Spec{
		HostName: a.hostName(), Owner: a.containerID, NS: ns, IfName: a.ifName, MAC: mac,
		IPv4:    a.has(netip.Addr.Is4, a.conf.wants4()),
		IPv6:    a.has(netip.Addr.Is6, a.conf.wants6()),
		Forward: a.conf.ContainerSettings.AllowIPForwarding,
	}
}

func (a *attachment) allocation(node string) Allocation {
	attributes := map[string]string{"node": node, "namespace": a.workload.Namespace, "timestamp": time.Now().UTC().Format(time.RFC3339)}
	if a.kubernetes {
		attributes["pod"] = a.workload.Name
	}
	return Allocation{
		Handle: a.handle(), Namespace: a.workload.Namespace, Addrs: a.requested, Attributes: attributes,
		IPv4: a.conf.wants4(), IPv6: a.conf.wants6(), Pools4: a.conf.IPAM.IPv4Pools, Pools6: a.conf.IPAM.IPv6Pools,
	}
}
