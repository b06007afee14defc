// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"

	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/types/create"

	"github.com/weftnet/weft/agent/record"
	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/netns"
)

// check compares an attachment with what ADD made and answered.
func (s *Server) check(a *attachment) error {
	r := s.lookup(a.id())
	if r == nil || r.State != record.Ready {
		return cniapi.Errorf(cniapi.CodeUnknown, "container %s has no interface %s made by weft", a.containerID, a.ifName)
	}
	if bad := a.checkPrevious(r); bad != nil {
		return bad
	}
	ns, err := netns.OpenPath(a.netns)
	if errors.Is(err, fs.ErrNotExist) {
		return s.broken(a, errors.New("its network namespace "+a.netns+" is gone"))
	}
	if err != nil {
		return s.broken(a, err)
	}
	defer func() { _ = ns.Close() }()
	if err := s.links.Check(a.spec(ns, nil), addrsOf(r.Endpoint)); err != nil {
		return s.broken(a, err)
	}
	if err := s.backend.Programmed(r.Endpoint); err != nil {
		return s.broken(a, err)
	}
	return nil
}

func (s *Server) broken(a *attachment, err error) error {
	return cniapi.Errorf(cniapi.CodeCheck, "container %s: %v", a.containerID, err)
}

// checkPrevious compares the result that the runtime remembers with the record: the addresses of our interface must be the same.
func (a *attachment) checkPrevious(r *record.Record) *cniapi.Error {
	if len(a.conf.PrevResult) == 0 {
		return cniapi.Errorf(cniapi.CodeConfig, "network configuration: prevResult is missing; CHECK needs the result of the ADD")
	}
	generic, err := create.Create(a.conf.CNIVersion, a.conf.PrevResult)
	if err != nil {
		return cniapi.Errorf(cniapi.CodeDecode, "network configuration: prevResult: %v", err)
	}
	previous, err := types100.NewResultFromResult(generic)
	if err != nil {
		return cniapi.Errorf(cniapi.CodeDecode, "network configuration: prevResult: %v", err)
	}
	for _, want := range addrsOf(r.Endpoint) {
		if !slices.ContainsFunc(previous.IPs, func(ip *types100.IPConfig) bool { return same(ip, want) }) {
			return cniapi.Errorf(cniapi.CodeCheck, "container %s: it has address %s, which prevResult does not", a.containerID, want)
		}
	}
	return nil
}

func same(ip *types100.IPConfig, want netip.Addr) bool {
	addr, ok := netip.AddrFromSlice(ip.Address.IP)
	return ok && addr.Unmap() == want
}
