// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"

	v3 "github.com/weftnet/weft/api/v3"
)

const (
	allUnknown  = 100 // the JSON library names no more unknown fields of one object
	longestPath = 200 // bytes that are kept of the path of an unknown field
)

// remembersUnknown tells whether objects of the kind carry the names of fields that this version does not know: those that people write. What weft's own
// programs and Kubernetes write has fields that are none of this version's business.
//
// What the unknown fields do depends on the kind:
//   - In a policy or profile they make a rule mean something else, mostly less than what is known of it: such a rule allows and passes nothing,
//     see package policy/rule.
//   - In a set, a host endpoint, a tier and all the rest no reading is safe: a set is used to allow and to deny alike. They are ignored and reported.
func (k *Kind) remembersUnknown() bool {
	switch k.Resource {
	case Nodes, WorkloadEndpoints:
		return false
	case KubeNetworkPolicies, ClusterNetworkPolicies, AdminNetworkPolicies, BaselineAdminNetworkPolicies:
		return true
	}
	return !k.Machine && k.APIVersion == v3.APIVersion
}

// unmarshal reads a stored object and marks it with the fields that are dropped because this version does not know them.
func (k *Kind) unmarshal(data []byte, into Object) error {
	if !k.remembersUnknown() {
		return kjson.UnmarshalCaseSensitivePreserveInts(data, into)
	}
	unknown, err := kjson.UnmarshalStrict(data, into, kjson.DisallowUnknownFields)
	if err != nil || len(unknown) == 0 {
		return err
	}
	return markUnknown(into, unknownPaths(data, unknown))
}

// unknownPaths returns where the unknown fields are that matter.
func unknownPaths(data []byte, unknown []error) (paths []string) {
	for _, err := range unknown {
		var at kjson.FieldError
		if !errors.As(err, &at) {
			paths = append(paths, "spec")
			continue
		}
		if path := at.FieldPath(); !strings.HasPrefix(path, "metadata.") && !strings.HasPrefix(path, "status.") && path != "status" {
			paths = append(paths, strings.ToValidUTF8(path[:min(len(path), longestPath)], ""))
		}
	}
	if len(unknown) >= allUnknown || ambiguous(data) {
		paths = append(paths, "spec")
	}
	return paths
}

// ambiguous tells whether the paths of fields may be read in two ways, because a name has the signs that paths are made of.
func ambiguous(data []byte) bool {
	var fields, spec map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil || fields["spec"] != nil && json.Unmarshal(fields["spec"], &spec) != nil {
		return true
	}
	signs := func(name string) bool { return strings.ContainsAny(name, ".[") }
	return slices.ContainsFunc(slices.Collect(maps.Keys(fields)), signs) || slices.ContainsFunc(slices.Collect(maps.Keys(spec)), signs)
}

// markUnknown adds to the unknown fields that an object is known to have.
func markUnknown(obj Object, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	paths = append(v3.UnknownFields(obj), paths...)
	slices.Sort(paths)
	mark, err := json.Marshal(slices.Compact(paths))
	if err != nil {
		return err
	}
	annotations := maps.Clone(obj.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v3.UnknownFieldsAnnotation] = string(mark)
	obj.SetAnnotations(annotations)
	return nil
}
