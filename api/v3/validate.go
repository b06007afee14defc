// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Validate returns everything wrong with an object of this package, nil if it is valid. It judges the object alone:
// whether what it names exists is for others to say. Defaults need not be filled in.
func Validate(obj metav1.Object, c Checks) FieldErrors {
	var found FieldErrors
	root := report{path: "", all: &found}
	ValidateMetadata(obj, &found)
	if e, ok := obj.(*WorkloadEndpoint); !ok || !e.Spec.usual() {
		ValidateTags(obj, c, &found)
	}
	validateName(obj, root.at("metadata").at("name"))
	validateSpec(obj, root.at("spec"))
	return found
}

// ValidateTags applies the rules of the struct tags of an object of weft's, whatever the kind, and adds what is wrong to found.
func ValidateTags(obj metav1.Object, c Checks, found *FieldErrors) {
	v := reflect.ValueOf(obj).Elem()
	checker{c}.object(v, rulesOf(v.Type()), report{path: "", all: found})
}

// validateSpec applies the rules that concern more than one field.
func validateSpec(obj metav1.Object, r report) {
	switch o := obj.(type) {
	case *IPPool:
		validateIPPool(&o.Spec, r)
	case *IPAMConfiguration:
		validateIPAMConfiguration(&o.Spec, r)
	case *Node:
		validateNode(&o.Spec, r)
	case *BGPConfiguration:
		validateBGPConfiguration(o, r)
	case *BGPPeer:
		validateBGPPeer(&o.Spec, r)
	case *WorkloadEndpoint:
		validateWorkloadEndpoint(o, r)
	case *HostEndpoint:
		validateHostEndpoint(&o.Spec, r)
	case *Tier:
		validateTier(o, r)
	case *NetworkPolicy:
		validateNetworkPolicy(&o.Spec, r)
	case *GlobalNetworkPolicy:
		validateGlobalNetworkPolicy(&o.Spec, r)
	case *StagedNetworkPolicy:
		validateStagedNetworkPolicy(&o.Spec, r)
	case *StagedGlobalNetworkPolicy:
		validateStagedGlobalNetworkPolicy(&o.Spec, r)
	case *StagedKubernetesNetworkPolicy:
		validateStagedKubernetesNetworkPolicy(&o.Spec, r)
	case *Profile:
		validateProfile(&o.Spec, r)
	case *FelixConfiguration:
		validateFelixConfiguration(o, r)
	}
}
