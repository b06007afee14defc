// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api/v3"
)

// Prefixes of the names of profiles made from Kubernetes objects.
const (
	NamespaceProfilePrefix      = "kns."
	ServiceAccountProfilePrefix = "ksa."
)

// NamespaceProfileName is the name of the profile that [NamespaceProfile] makes.
func NamespaceProfileName(namespace string) string { return NamespaceProfilePrefix + namespace }

// ServiceAccountProfileName is the name of the profile that [ServiceAccountProfile] makes.
func ServiceAccountProfileName(namespace, name string) string {
	return ServiceAccountProfilePrefix + namespace + "." + name
}

// NamespaceProfile returns the profile of a Kubernetes namespace: it allows everything, so that pods without policies are
// open, and hands on the namespace's labels and name with [NamespaceLabelPrefix].
func NamespaceProfile(ns *corev1.Namespace) *v3.Profile {
	return &v3.Profile{
		TypeMeta:   v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "Profile"},
		ObjectMeta: v3.ObjectMeta{Name: NamespaceProfileName(ns.Name)},
		Spec: v3.ProfileSpec{
			Ingress:       []v3.Rule{{Action: v3.Allow}},
			Egress:        []v3.Rule{{Action: v3.Allow}},
			LabelsToApply: namespaceLabels(ns),
		},
	}
}

// namespaceLabels returns the labels that endpoints inherit from their namespace. Kubernetes labels each namespace with its name, and policies
// choose namespaces by that; a datastore of our own has namespaces as users wrote them.
func namespaceLabels(ns *corev1.Namespace) map[string]string {
	labels := inherited(ns.Labels, NamespaceLabelPrefix, ns.Name)
	labels[NamespaceLabelPrefix+corev1.LabelMetadataName] = ns.Name
	return labels
}

// ServiceAccountProfile returns the profile of a Kubernetes service account: no rules, and the account's labels and name
// with [ServiceAccountLabelPrefix].
func ServiceAccountProfile(sa *corev1.ServiceAccount) *v3.Profile {
	return &v3.Profile{
		TypeMeta:   v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "Profile"},
		ObjectMeta: v3.ObjectMeta{Name: ServiceAccountProfileName(sa.Namespace, sa.Name)},
		Spec:       v3.ProfileSpec{LabelsToApply: inherited(sa.Labels, ServiceAccountLabelPrefix, sa.Name)},
	}
}

// inherited returns labels as endpoints inherit them. The name cannot be taken by a label of the user.
func inherited(labels map[string]string, prefix, name string) map[string]string {
	out := make(map[string]string, len(labels)+1)
	for k, v := range labels {
		out[prefix+k] = v
	}
	out[prefix+nameLabel] = name
	return out
}
