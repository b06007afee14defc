// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// spoofing joins what the FelixConfigurations say for this node of the addresses that workloads send from. Of what both state, the node's own wins over the
// one named default.
type spoofing struct {
	own    string
	stated map[string]*string // workloadSourceSpoofing by name
	locals *locals
}

func newSpoofing(self string, locals *locals) *spoofing {
	return &spoofing{own: "node." + self, stated: map[string]*string{}, locals: locals}
}

func (s *spoofing) put(key api.Key, obj *v3.FelixConfiguration) {
	s.set(key.Name, obj.Spec.WorkloadSourceSpoofing)
}

func (s *spoofing) remove(key api.Key) { s.set(key.Name, nil) }

func (s *spoofing) set(name string, spoofing *string) {
	s.stated[name] = spoofing
	now := cmp.Or(s.stated[s.own], s.stated["default"])
	s.locals.setSpoofing(now != nil && strings.EqualFold(*now, "Any"))
}
