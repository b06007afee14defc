// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package loadbalancer gives Services of type LoadBalancer addresses from pools with allowedUses: [LoadBalancer]: [For] says which a service is to
// have, [New] and Reconcile assign them, write them to the services' status and free them when a service is gone.
//
// Of two that run at a time both may give a service an address, and the next look frees one of them: run it under an election.
package loadbalancer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ipam"
	"github.com/weftnet/weft/store"
)

// addressType is the attribute "type" of our addresses in IPAM, as Calico's.
const addressType = "loadBalancer"

// Controller assigns addresses.
type Controller struct {
	store store.Store
	ipam  *ipam.Allocator
}

// New returns a controller. Close ends it.
func New(s store.Store) *Controller {
	return &Controller{s, ipam.New(s, ipam.Options{Node: ipam.LoadBalancerNode, Virtual: true})}
}

// Close ends the watch of the settings of address management.
func (c *Controller) Close() { c.ipam.Close() }

// Reconcile brings addresses and services up to date. Without a pool for LoadBalancers only services that ask for an address are told that there is none.
// The error joins what could not be done; the rest is done, and doing it again is safe. A service that cannot be read keeps what it has.
func (c *Controller) Reconcile(ctx context.Context, requestedOnly bool) error {
	p := pass{Controller: c, ctx: ctx, requestedOnly: requestedOnly, held: map[string][]ipam.Holding{}}
	services, err := p.read()
	if err != nil {
		return fmt.Errorf("addresses of services: %w", err)
	}
	for _, obj := range services.Items {
		if s, ok := obj.(*corev1.Service); ok {
			p.settle(s)
		}
	}
	if len(services.Invalid) == 0 {
		for _, holdings := range p.held { // what no service has
			p.release(holdings)
		}
	}
	return errors.Join(p.errs...)
}

// pass is one Reconcile.
type pass struct {
	*Controller
	ctx           context.Context
	requestedOnly bool
	pools         bool                      // there is one for LoadBalancers
	held          map[string][]ipam.Holding // ours, by handle; those of services that were seen are taken out
	errs          []error
}

// read reads the blocks before the services: an address whose service came meanwhile has its service then.
func (p *pass) read() (store.List, error) {
	blocks, err := p.store.List(p.ctx, api.IPAMBlocks, "")
	if err != nil {
		return store.List{}, err
	}
	for _, h := range ipam.Holdings(blocks.Items) {
		if h.Attrs["type"] == addressType {
			p.held[h.Handle] = append(p.held[h.Handle], h)
		}
	}
	pools, err := p.store.List(p.ctx, api.IPPools, "")
	if err != nil {
		return store.List{}, err
	}
	for _, obj := range pools.Items {
		pool, ok := obj.(*v3.IPPool)
		p.pools = p.pools || ok && slices.Contains(pool.Spec.AllowedUses, v3.UseLoadBalancer)
	}
	return p.store.List(p.ctx, api.Services, "")
}

// settle gives a service what it lacks and takes from it what it is not to have.
func (p *pass) settle(s *corev1.Service) {
	handle := handleOf(s)
	have := p.held[handle]
	delete(p.held, handle)
	want, err := For(s, p.requestedOnly)
	switch {
	case err != nil: // keeps what it has
		p.note(s, err)
		return
	case want == nil:
		p.release(have)
		p.publish(s, nil, have)
		return
	case !p.pools && !want.Asked:
		p.release(have)
		p.publish(s, nil, have)
		return
	}
	var keep []netip.Addr
	var drop []ipam.Holding
	for _, h := range have {
		if want.fits(h.Addr) {
			keep = append(keep, h.Addr)
		} else {
			drop = append(drop, h)
		}
	}
	if want.IPv4 || want.IPv6 {
		got, err := p.assign(s, handle, want)
		if err != nil {
			p.note(s, err)
			return // what it has stays until there is what it is to have
		}
		keep = append(keep, got...)
	}
	p.publish(s, keep, drop)
	p.release(drop)
}

func (p *pass) assign(s *corev1.Service, handle string, w *Wanted) ([]netip.Addr, error) {
	r, err := p.ipam.Assign(p.ctx, ipam.Request{
		Handle: handle, IPv4: w.IPv4, IPv6: w.IPv6, Pools4: w.Pools4, Pools6: w.Pools6, Addrs: w.Addrs, Namespace: s.Namespace, Use: v3.UseLoadBalancer,
		Attrs: map[string]string{"service": s.Name, "namespace": s.Namespace, "type": addressType},
	})
	return r.Addrs, err
}

// publish writes the addresses of a service to its status. Without any it takes away those in dropped, and leaves what others wrote.
func (p *pass) publish(s *corev1.Service, addrs []netip.Addr, dropped []ipam.Holding) {
	slices.SortFunc(addrs, netip.Addr.Compare)
	var ingress []corev1.LoadBalancerIngress
	for _, addr := range addrs {
		ingress = append(ingress, corev1.LoadBalancerIngress{IP: addr.String()})
	}
	if len(addrs) == 0 {
		ingress = slices.DeleteFunc(slices.Clone(s.Status.LoadBalancer.Ingress), func(i corev1.LoadBalancerIngress) bool {
			return slices.ContainsFunc(dropped, func(h ipam.Holding) bool { return h.Addr.String() == i.IP })
		})
	}
	if sameAddresses(s.Status.LoadBalancer.Ingress, ingress) {
		return
	}
	next := api.Clone(s)
	next.Status.LoadBalancer.Ingress = ingress
	_, err := store.UpdateStatus(p.ctx, p.store, next)
	if !errors.Is(err, store.ErrNotFound) {
		p.note(s, err)
	}
}

// sameAddresses compares but for what Kubernetes fills in.
func sameAddresses(a, b []corev1.LoadBalancerIngress) bool {
	ips := func(list []corev1.LoadBalancerIngress) (out []string) {
		for _, i := range list {
			out = append(out, i.IP+i.Hostname)
		}
		return out
	}
	return reflect.DeepEqual(ips(a), ips(b))
}

// release frees holdings, each as it was seen.
func (p *pass) release(holdings []ipam.Holding) {
	var list []ipam.Release
	for _, h := range holdings {
		list = append(list, h.Release())
	}
	if len(list) > 0 {
		if err := p.ipam.ReleaseAddrs(p.ctx, list...); err != nil {
			p.errs = append(p.errs, fmt.Errorf("addresses of a service that is gone: %w", err))
		}
	}
}

func (p *pass) note(s *corev1.Service, err error) {
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("service %s/%s: %w", s.Namespace, s.Name, err))
	}
}
