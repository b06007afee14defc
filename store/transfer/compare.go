// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// Difference is an object that two sides do not have alike.
type Difference struct {
	Key    api.Key
	Reason string
}

// String names the object and the difference.
func (d Difference) String() string { return d.Key.String() + ": " + d.Reason }

// Hash is over what an object says: defaults filled in, and without what each datastore gives it (uid, revision, times, owner) or computes (status, but
// that of a Node, which holds its keys).
type Hash [sha256.Size]byte

// HashOf returns the hash of an object.
func HashOf(obj api.Object) (Hash, error) {
	filled := api.Clone(obj)
	api.SetDefaults(filled)
	fillKubePolicy(filled)
	data, err := api.Encode(filled)
	if err != nil {
		return Hash{}, err
	}
	var tree map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // sequence numbers do not fit a float
	if err := decoder.Decode(&tree); err != nil {
		return Hash{}, fmt.Errorf("%s: %w", api.KeyOf(obj), err)
	}
	if api.KeyOf(obj).Resource != api.Nodes {
		delete(tree, "status")
	}
	if metadata, ok := tree["metadata"].(map[string]any); ok {
		for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences", "finalizers", "selfLink"} {
			delete(metadata, field)
		}
	}
	canonical, err := json.Marshal(tree) // keys are sorted
	if err != nil {
		return Hash{}, fmt.Errorf("%s: %w", api.KeyOf(obj), err)
	}
	return sha256.Sum256(canonical), nil
}

// fillKubePolicy fills in what a Kubernetes API server does.
func fillKubePolicy(obj api.Object) {
	p, ok := obj.(*networkingv1.NetworkPolicy)
	if !ok {
		return
	}
	if len(p.Spec.PolicyTypes) == 0 {
		p.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(p.Spec.Egress) > 0 {
			p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
	}
	for i := range p.Spec.Ingress {
		fillPorts(p.Spec.Ingress[i].Ports)
	}
	for i := range p.Spec.Egress {
		fillPorts(p.Spec.Egress[i].Ports)
	}
}

func fillPorts(ports []networkingv1.NetworkPolicyPort) {
	for i := range ports {
		if ports[i].Protocol == nil {
			tcp := corev1.ProtocolTCP
			ports[i].Protocol = &tcp
		}
	}
}

// Compare returns what want and have do not have alike, by name, sorted. The ClusterInformation, in which each side keeps its own marks, is left out.
func Compare(want, have []api.Object) ([]Difference, error) {
	is, err := hashes(have)
	if err != nil {
		return nil, err
	}
	must, err := hashes(want)
	if err != nil {
		return nil, err
	}
	var out []Difference
	for key, hash := range must {
		switch got, there := is[key]; {
		case !there:
			out = append(out, Difference{key, "is missing"})
		case got != hash:
			out = append(out, Difference{key, "differs"})
		}
	}
	for key := range is {
		if _, wanted := must[key]; !wanted {
			out = append(out, Difference{key, "is there besides"})
		}
	}
	slices.SortFunc(out, func(a, b Difference) int { return cmp.Compare(a.Key.String(), b.Key.String()) })
	return out, nil
}

func hashes(objects []api.Object) (map[api.Key]Hash, error) {
	out := make(map[api.Key]Hash, len(objects))
	for _, obj := range objects {
		if _, information := obj.(*v3.ClusterInformation); information {
			continue
		}
		hash, err := HashOf(obj)
		if err != nil {
			return nil, err
		}
		out[api.KeyOf(obj)] = hash
	}
	return out, nil
}

// byKey indexes objects.
func byKey(objects []api.Object) map[api.Key]api.Object {
	out := make(map[api.Key]api.Object, len(objects))
	for _, obj := range objects {
		out[api.KeyOf(obj)] = obj
	}
	return out
}
