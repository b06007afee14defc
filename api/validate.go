// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	v3 "github.com/weftnet/weft/api/v3"
)

// The results of validation; package v3 has their docs.
type (
	// FieldError is one thing wrong with an object.
	FieldError = v3.FieldError
	// FieldErrors is everything wrong with an object.
	FieldErrors = v3.FieldErrors
	// FieldNote is something worth knowing about a field.
	FieldNote = v3.FieldNote
	// PoolError is a pool that overlaps an older one.
	PoolError = v3.PoolError
	// Checks are the checks that need packages above this one.
	Checks = v3.Checks
)

// Validate returns everything wrong with obj, nil if it is valid. It judges the object alone; defaults need not be filled in.
func Validate(obj Object, c Checks) FieldErrors {
	k := KindOf(obj)
	if k == nil {
		return FieldErrors{{Reason: "is of no kind that weft knows"}}
	}
	found := validateNamespace(k, obj)
	switch o := obj.(type) {
	case *networkingv1.NetworkPolicy:
		v3.ValidateMetadata(o, &found)
		if !c.Stored {
			found = append(found, validateKubePolicy(o)...)
		}
		return found
	case clusterPolicy:
		v3.ValidateMetadata(o, &found)
		if !c.Stored {
			found = append(found, validateClusterPolicy(o, c)...)
		}
		return found
	case *v3.StagedKubernetesNetworkPolicy:
		found = append(found, v3.Validate(o, c)...)
		if !c.Stored {
			found = append(found, validateKubePolicy(o.Policy())...)
		}
		return found
	case *discoveryv1.EndpointSlice:
		v3.ValidateMetadata(o, &found)
		return append(found, validateEndpointSlice(o)...)
	case *corev1.Namespace, *corev1.ServiceAccount, *corev1.Service:
		v3.ValidateMetadata(obj, &found)
		return found
	default:
		return append(found, v3.Validate(obj, c)...)
	}
}

func validateNamespace(k *Kind, obj Object) FieldErrors {
	switch ns := obj.GetNamespace(); {
	case k.Namespaced && ns == "":
		return FieldErrors{{Path: "metadata.namespace", Reason: "required: " + k.Kind + " belongs to a namespace"}}
	case !k.Namespaced && ns != "":
		return FieldErrors{{Path: "metadata.namespace", Reason: k.Kind + " belongs to no namespace; remove it"}}
	default:
		return nil
	}
}

// ValidateUpdate returns what an update from old to updated must not change. Both are of one kind.
func ValidateUpdate(old, updated Object) FieldErrors { return v3.ValidateUpdate(old, updated) }

// NotYetEffective returns the fields of obj that the user has set and that weft does not act upon yet.
func NotYetEffective(obj Object) []FieldNote { return v3.NotYetEffective(obj) }

// SetDefaults fills the documented defaults into obj, which it changes: hand in a [Clone].
func SetDefaults(obj Object) { v3.SetDefaults(obj) }
