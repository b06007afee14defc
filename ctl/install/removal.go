// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// removal is the order in which kinds are removed: what acts first, then what it may do, and last what everything is in.
var removal = []string{
	"Deployment", "PodDisruptionBudget", "DaemonSet", "RoleBinding", "ClusterRoleBinding", "Role", "ClusterRole", "ServiceAccount",
	"CustomResourceDefinition", "Namespace",
}

// named is as much of an object as deletes it.
type named struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace,omitempty"`
	} `json:"metadata"`
}

// Removal renders the names of what Manifest has, in the order in which `kubectl delete -f` is to delete them. With the definitions all objects of theirs go;
// without, pools and policies stay.
func Removal(namespace string, definitions bool) ([]byte, error) {
	manifest, err := Manifest(Options{Namespace: namespace, Definitions: definitions})
	if err != nil {
		return nil, err
	}
	var list []named
	for text := range strings.SplitSeq(string(manifest), "\n---\n") {
		var n named
		if err := yaml.Unmarshal([]byte(text), &n); err != nil {
			return nil, fmt.Errorf("install: %w", err)
		}
		if n.Kind != "" {
			list = append(list, n)
		}
	}
	slices.SortStableFunc(list, func(a, b named) int { return cmp.Compare(slices.Index(removal, a.Kind), slices.Index(removal, b.Kind)) })
	var out strings.Builder
	for _, n := range list {
		text, err := yaml.Marshal(n)
		if err != nil {
			return nil, fmt.Errorf("install: %w", err)
		}
		out.WriteString(document(text))
	}
	return []byte(out.String()), nil
}
