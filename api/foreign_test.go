// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"strings"
	"testing"
)

func TestForeign(t *testing.T) {
	for text, want := range map[string]string{
		"{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: b}}":               "v1 Pod b a",
		"{apiVersion: v1, kind: Node, metadata: {name: n1}}":                           "v1 Node  n1",
		"{apiVersion: apps/v1, kind: Deployment}":                                      "apps/v1 Deployment  ",
		"{apiVersion: v1, kind: PodList, items: [{metadata: {name: a}}]}":              "v1 Pod  a",
		"{apiVersion: kubeflow.org/v1, kind: Profile, metadata: {name: 7}}":            "kubeflow.org/v1 Profile  ",
		"{apiVersion: v1, kind: Namespace, metadata: {name: a}}":                       "", // weft's own
		"{apiVersion: v1, kind: Namspace}":                                             "",
		"{apiVersion: projectcalico.org/v3, kind: Surprise}":                           "",
		"{apiVersion: policy.networking.k8s.io/v9, kind: EvenMoreNetworkPolicyPlease}": "",
		"{apiVersion: extensions/v1beta1, kind: NetworkPolicy}":                        "",
		"{kind: Pod}":       "",
		"{apiVersion: v1}":  "",
		"[1]":               "",
		"{apiVersion: [1]}": "",
	} {
		docs, err := ReadDocuments(strings.NewReader(text), "test")
		if err != nil || len(docs) != 1 {
			t.Fatal(text, docs, err)
		}
		got := ""
		if f, ok := docs[0].Foreign(); ok {
			got = strings.Join([]string{f.APIVersion, f.Kind, f.Namespace, f.Name}, " ")
			if !strings.HasPrefix(string(f.JSON), "{") {
				t.Errorf("%s: JSON %s", text, f.JSON)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
