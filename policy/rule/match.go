// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api/v3"
)

// IP protocol numbers (IANA) that have a meaning of their own here.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

func (c *compiler) protocol(p *intstr.IntOrString, path string) uint8 {
	if p == nil {
		return 0
	}
	n, err := v3.ProtocolNumber(*p)
	if err != nil {
		c.fail(path, err.Error())
	}
	return n
}

// icmp compiles an ICMP match; nil when f states nothing.
func (c *compiler) icmp(f *v3.ICMPFields, protocol uint8, path string) *ICMP {
	if f == nil {
		return nil
	}
	if protocol != protoICMP && protocol != protoICMPv6 {
		c.fail(path, "needs protocol ICMP or ICMPv6 in the rule")
	}
	if f.Type == nil {
		if f.Code != nil {
			c.fail(path+".code", "needs a type beside it")
		}
		return nil
	}
	m := &ICMP{Type: uint8(*f.Type)}
	if *f.Type < 0 || *f.Type > 254 {
		c.fail(path+".type", fmt.Sprintf("%d is no ICMP type; write 0-254", *f.Type))
	}
	if f.Code != nil {
		m.HasCode, m.Code = true, uint8(*f.Code)
		if *f.Code < 0 || *f.Code > 255 {
			c.fail(path+".code", fmt.Sprintf("%d is no ICMP code; write 0-255", *f.Code))
		}
	}
	return m
}

const bothFamilies = 3

// families returns the IP versions among prefixes, IPv4 as bit 0 and IPv6 as bit 1.
func families(prefixes []netip.Prefix) (bits int) {
	for _, p := range prefixes {
		if p.Addr().Is4() {
			bits |= 1
		} else {
			bits |= 2
		}
	}
	return bits
}

// settleFamily finds out the IP version that the match is limited to and removes prefixes of the other. A list that has
// prefixes of one version only, also one of exceptions, limits the rule to that version (in Calico the rule is absent
// from the other version's chains). It returns false if nothing can match.
func (m *Match) settleFamily() bool {
	bits := bothFamilies
	switch m.IPVersion {
	case 4:
		bits = 1
	case 6:
		bits = 2
	}
	if m.ICMP != nil || m.NotICMP != nil {
		if m.Protocol == protoICMP {
			bits &= 1
		} else {
			bits &= 2
		}
	}
	lists := []*[]netip.Prefix{&m.Src.Nets, &m.Src.NotNets, &m.Dst.Nets, &m.Dst.NotNets}
	for _, list := range lists {
		if len(*list) > 0 {
			bits &= families(*list)
		}
	}
	if bits == 0 {
		return false
	}
	if bits != bothFamilies {
		m.IPVersion = uint8(2 + 2*bits)
		for _, list := range lists {
			*list = slices.DeleteFunc(*list, func(p netip.Prefix) bool { return p.Addr().Is4() != (bits == 1) })
		}
	}
	return true
}

// nets reads a list of CIDRs: sorted, each once, host bits cleared.
func (c *compiler) nets(list []string, path string) []netip.Prefix {
	var out []netip.Prefix
	for i, text := range list {
		p, err := v3.ParseCIDR(text)
		if err != nil {
			c.fail(fmt.Sprintf("%s[%d]", path, i), err.Error())
			continue
		}
		out = append(out, p)
	}
	return sortedNets(out)
}

func sortedNets(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list)
}
