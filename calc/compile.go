// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// sourceOfPolicies takes policies of one type.
func sourceOfPolicies[T api.Object](s *policies) source {
	return sourceOf(func(key api.Key, obj T) api.FieldErrors { return s.putObject(key, obj) }, s.removeObject)
}

func (s *policies) putObject(key api.Key, obj api.Object) api.FieldErrors {
	p, notes, err := rule.CompilePolicy(obj)
	if err != nil {
		return fieldErrors(err)
	}
	s.notes.set(key, notes)
	s.put(p)
	return nil
}

func (s *policies) removeObject(key api.Key) {
	delete(s.notes, key)
	s.remove(policyID(key))
}

// policyResources are the resources that policies come from, by kind.
var policyResources = [...]api.Resource{
	rule.KindNetworkPolicy:       api.NetworkPolicies,
	rule.KindGlobalNetworkPolicy: api.GlobalNetworkPolicies,
	rule.KindKubeNetworkPolicy:   api.KubeNetworkPolicies,

	rule.KindClusterNetworkPolicy:       api.ClusterNetworkPolicies,
	rule.KindAdminNetworkPolicy:         api.AdminNetworkPolicies,
	rule.KindBaselineAdminNetworkPolicy: api.BaselineAdminNetworkPolicies,

	rule.KindStagedNetworkPolicy:           api.StagedNetworkPolicies,
	rule.KindStagedGlobalNetworkPolicy:     api.StagedGlobalNetworkPolicies,
	rule.KindStagedKubernetesNetworkPolicy: api.StagedKubernetesNetworkPolicies,
}

// compiled tells whether the compiler of policies reads objects of a resource.
func compiled(r api.Resource) bool {
	return r == api.Profiles || slices.Contains(policyResources[:], r)
}

// policyKey returns the key of the object that a policy was compiled from.
func policyKey(id rule.PolicyID) api.Key {
	return api.Key{Resource: policyResources[id.Kind], Namespace: id.Namespace, Name: id.Name}
}

// policyID is the reverse of policyKey.
func policyID(key api.Key) rule.PolicyID {
	id := rule.PolicyID{Namespace: key.Namespace, Name: key.Name}
	for kind, resource := range policyResources {
		if resource == key.Resource {
			id.Kind = rule.PolicyKind(kind)
		}
	}
	return id
}

// output is the part of a policy that is handed out.
func output(p *rule.Policy) *desired.Policy { return &desired.Policy{ID: p.ID, Rules: p.Rules} }

func (s *profiles) putProfile(key api.Key, obj *v3.Profile) api.FieldErrors {
	p, notes, err := rule.CompileProfile(obj)
	if err != nil {
		return fieldErrors(err)
	}
	s.notes.set(key, notes)
	rules := output(p)
	def := &definition{labels: inherited(obj), compile: func() *desired.Policy { return rules }}
	s.change(key.Name, func(p *profile) { p.made = def })
	return nil
}

func (s *profiles) removeProfile(key api.Key) {
	delete(s.notes, key)
	s.change(key.Name, func(p *profile) { p.made = nil })
}

func (s *profiles) putNamespace(_ api.Key, obj *corev1.Namespace) api.FieldErrors {
	s.derive(rule.NamespaceProfile(obj))
	return nil
}

func (s *profiles) removeNamespace(key api.Key) {
	s.change(rule.NamespaceProfileName(key.Name), func(p *profile) { p.derived = nil })
}

func (s *profiles) putServiceAccount(_ api.Key, obj *corev1.ServiceAccount) api.FieldErrors {
	s.derive(rule.ServiceAccountProfile(obj))
	return nil
}

func (s *profiles) removeServiceAccount(key api.Key) {
	s.change(rule.ServiceAccountProfileName(key.Namespace, key.Name), func(p *profile) { p.derived = nil })
}

// derive defines a profile that is not an object of its own. Its rules allow everything or are none.
func (s *profiles) derive(obj *v3.Profile) {
	id, open := profileID(intern(obj.Name)), len(obj.Spec.Ingress) > 0
	def := &definition{labels: inherited(obj), compile: func() *desired.Policy { return derivedRules(id, open) }}
	s.change(obj.Name, func(p *profile) { p.derived = def })
}

// derivedRules compiles what a derived profile consists of.
func derivedRules(id rule.PolicyID, open bool) *desired.Policy {
	obj := &v3.Profile{ObjectMeta: v3.ObjectMeta{Name: id.Name}}
	if open {
		obj.Spec.Ingress, obj.Spec.Egress = []v3.Rule{{Action: v3.Allow}}, []v3.Rule{{Action: v3.Allow}}
	}
	p, _, err := rule.CompileProfile(obj)
	if err != nil {
		return &desired.Policy{ID: id} // lets nothing pass; plain Allow rules are never refused
	}
	return output(p)
}

// inherited returns the labels that a profile hands on.
func inherited(obj *v3.Profile) []label {
	out := make([]label, 0, len(obj.Spec.LabelsToApply))
	for name, value := range sorted(obj.Spec.LabelsToApply, strings.Compare) {
		out = append(out, label{intern(name), intern(value)})
	}
	return out
}

// defaultAllow is the profile that exists without an object, for endpoints that are to be open.
func defaultAllow() *v3.Profile {
	allow := []v3.Rule{{Action: v3.Allow}}
	return &v3.Profile{ObjectMeta: v3.ObjectMeta{Name: "projectcalico-default-allow"}, Spec: v3.ProfileSpec{Ingress: allow, Egress: allow}}
}

// fieldErrors returns the fields that a compiler found wrong.
func fieldErrors(err error) api.FieldErrors {
	var list api.FieldErrors
	if errors.As(err, &list) {
		return list
	}
	return api.FieldErrors{{Reason: err.Error()}}
}
