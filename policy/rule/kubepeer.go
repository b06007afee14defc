// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"errors"
	"fmt"
	"net/netip"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

// kubeSide is one alternative for the other end of a rule. Its zero value is anything.
type kubeSide struct {
	pods, nodes   *selector.Selector // by labels of endpoints, or of nodes
	nets, notNets []netip.Prefix
}

// peerSides converts peers. Address blocks without exceptions become one side, which is one rule instead of many.
func (k kubeRule) peerSides(peers []networkingv1.NetworkPolicyPeer) []kubeSide {
	var out []kubeSide
	var blocks []netip.Prefix
	for i := range peers {
		side, err := k.peer(&peers[i])
		switch {
		case err != nil:
			field := "from"
			if k.dir == Egress {
				field = "to"
			}
			k.leaveOut(fmt.Sprintf("%s[%d]", field, i), err.Error())
		case side.pods == nil && len(side.notNets) == 0:
			blocks = append(blocks, side.nets...)
		default:
			out = append(out, side)
		}
	}
	if len(blocks) > 0 {
		out = append(out, kubeSide{nets: sortedNets(blocks)})
	}
	return out
}

// peer converts one peer: an address block, or pods by labels, namespace labels or both.
func (k kubeRule) peer(p *networkingv1.NetworkPolicyPeer) (kubeSide, error) {
	switch {
	case p.IPBlock != nil && (p.PodSelector != nil || p.NamespaceSelector != nil):
		return kubeSide{}, errors.New("ipBlock stands alone in a peer; put the selectors into a peer of their own")
	case p.IPBlock != nil:
		return ipBlock(p.IPBlock)
	case p.PodSelector == nil && p.NamespaceSelector == nil:
		return kubeSide{}, errors.New("the peer says nothing; state podSelector, namespaceSelector or ipBlock")
	}
	scope := inNamespace(k.namespace)
	if p.NamespaceSelector != nil {
		s, err := labelSelector(p.NamespaceSelector)
		if err != nil {
			return kubeSide{}, fmt.Errorf("namespaceSelector: %w", err)
		}
		scope = namespaced(s)
	}
	pods := selector.And(scope, kubePods())
	if p.PodSelector != nil {
		s, err := labelSelector(p.PodSelector)
		if err != nil {
			return kubeSide{}, fmt.Errorf("podSelector: %w", err)
		}
		pods = selector.And(pods, s)
	}
	return kubeSide{pods: pods}, nil
}

// ipBlock converts an address block and its exceptions, which must be of the same IP version.
func ipBlock(b *networkingv1.IPBlock) (kubeSide, error) {
	block, err := v3.ParseKubeCIDR(b.CIDR)
	if err != nil {
		return kubeSide{}, fmt.Errorf("ipBlock.cidr: %w", err)
	}
	side := kubeSide{nets: []netip.Prefix{block}}
	for i, text := range b.Except {
		except, err := v3.ParseKubeCIDR(text)
		if err != nil {
			return kubeSide{}, fmt.Errorf("ipBlock.except[%d]: %w", i, err)
		}
		if !block.Contains(except.Addr()) || except.Bits() < block.Bits() {
			return kubeSide{}, fmt.Errorf("ipBlock.except[%d]: %s is not within %s", i, except, block)
		}
		side.notNets = append(side.notNets, except)
	}
	side.notNets = sortedNets(side.notNets)
	return side, nil
}
