// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The patterns of policy names.
var (
	policyName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	converted  = regexp.MustCompile(`^(knp|ossg)\.default\.`)
)

const (
	maxName        = 253       // characters of an object name
	maxAnnotations = 256 << 10 // bytes of all annotations together

	// NamespaceLabel is the label through which rules see an object's namespace. Users may not set it.
	NamespaceLabel = "projectcalico.org/namespace"
)

// ValidateMetadata checks name, labels and annotations, whatever the kind, and adds what is wrong to found.
func ValidateMetadata(obj metav1.Object, found *FieldErrors) {
	r := report{path: "metadata", all: found}
	validateSubdomain(obj.GetName(), r.at("name"))
	labels := obj.GetLabels()
	if !allLabels(labels) {
		for _, key := range slices.Sorted(maps.Keys(labels)) {
			ValidateLabel(key, labels[key], "metadata.labels", found)
		}
	}
	size := 0
	for key, value := range obj.GetAnnotations() {
		size += len(key) + len(value)
		if !qualified(strings.ToLower(key)) {
			r.at("annotations").add("%q is no annotation name; write it like a label name", key)
		}
	}
	if size > maxAnnotations {
		r.at("annotations").add("are %d bytes together; at most %d are allowed", size, maxAnnotations)
	}
}

// allLabels says whether there is nothing to report, which needs no order.
func allLabels(labels map[string]string) bool {
	for key, value := range labels {
		if !isLabel(key, value) {
			return false
		}
	}
	return true
}

func isLabel(key, value string) bool { return qualified(key) && (value == "" || isLabelName(value)) }

// ValidateLabel checks a label, or what a selector compares with one, at a path, and adds what is wrong to found.
func ValidateLabel(key, value, path string, found *FieldErrors) {
	at := report{path: path, all: found}
	if !qualified(key) {
		at.add("%q is no label; write a name of up to 63 letters, digits, '-', '_' and '.', optionally after a domain and '/'", key)
	}
	if value != "" && !isLabelName(value) {
		at.at(key).add("%q is no label value; write up to 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit", value)
	}
}

func validateSubdomain(name string, r report) {
	switch {
	case name == "":
		r.add("required")
	case len(name) > maxName:
		r.add("is %d characters long; at most %d are allowed", len(name), maxName)
	case !isSubdomain(name):
		r.add("%q is no name; write lower-case letters, digits, '-' and '.', starting and ending with a letter or digit", name)
	}
}

// qualified accepts "name" and "domain/name".
func qualified(key string) bool {
	domain, name, found := strings.Cut(key, "/")
	if !found {
		return isLabelName(key)
	}
	return len(domain) <= maxName && isSubdomain(domain) && isLabelName(name)
}

// validateName applies the rules that single kinds have for names and labels.
func validateName(obj metav1.Object, r report) {
	name := obj.GetName()
	switch o := obj.(type) {
	case *NetworkPolicy, *GlobalNetworkPolicy, *StagedNetworkPolicy, *StagedGlobalNetworkPolicy:
		if isSubdomain(name) && !policyName.MatchString(name) && !converted.MatchString(name) {
			r.add("%q is no policy name; write lower-case letters, digits and '-', optionally after the tier and a '.'", name)
		}
	case *IPAMConfiguration, *ClusterInformation, *KubeControllersConfiguration:
		if name != "default" {
			r.add("is %q; there is only one, named default", name)
		}
	case *BGPConfiguration:
		if name != "default" && !strings.HasPrefix(name, "node.") {
			r.add("is %q; write default for all nodes or node.<name> for one", name)
		}
	case *NetworkSet, *GlobalNetworkSet:
		if _, set := o.GetLabels()[NamespaceLabel]; set {
			report{path: "metadata.labels", all: r.all}.add("%s is set by weft; remove it", NamespaceLabel)
		}
	}
}
