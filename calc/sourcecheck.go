// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// SourceCheck is what is wanted of the cloud's check of this node's source and destination addresses (awsSrcDstCheck).
type SourceCheck struct {
	Wanted string  // "Enable", "Disable", or "DoNothing"
	By     api.Key // the FelixConfiguration that says so; the zero value: none does
}

// sourceChecks joins what FelixConfigurations say of it. The node's own wins over the one named default.
type sourceChecks struct {
	own    api.Key
	stated map[api.Key]string
}

func newSourceChecks(self string) sourceChecks {
	return sourceChecks{own: api.Key{Resource: api.FelixConfigurations, Name: "node." + self}, stated: map[api.Key]string{}}
}

func (s *sourceChecks) put(key api.Key, obj *v3.FelixConfiguration) {
	delete(s.stated, key)
	if p := obj.Spec.AWSSrcDstCheck; p != nil {
		s.stated[key] = *p
	}
}

func (s *sourceChecks) remove(key api.Key) { delete(s.stated, key) }

// now is what they come to.
func (s *sourceChecks) now() SourceCheck {
	for _, key := range []api.Key{s.own, {Resource: api.FelixConfigurations, Name: "default"}} {
		if wanted, ok := s.stated[key]; ok {
			return SourceCheck{wanted, key}
		}
	}
	return SourceCheck{Wanted: "DoNothing"}
}
