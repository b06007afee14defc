// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// policyAPI are the versions of sigs.k8s.io/network-policy-api that define the policy.networking.k8s.io kinds: ClusterNetworkPolicy, and the older ones.
var policyAPI = []string{"v0.2.0", "v0.1.7"}

// PolicyAPI returns the published definitions of the policy.networking.k8s.io kinds, with all fields that any channel has.
func PolicyAPI(t testing.TB) []byte {
	t.Helper()
	var all [][]byte
	for _, version := range policyAPI {
		out, err := exec.Command("go", "mod", "download", "-json", "sigs.k8s.io/network-policy-api@"+version).Output()
		if err != nil {
			t.Fatalf("definitions of the policy.networking.k8s.io kinds, %s: %v %s", version, err, out)
		}
		var module struct{ Dir string }
		if err := json.Unmarshal(out, &module); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(module.Dir, "config", "crd", "experimental", "policy.networking.k8s.io_*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no definitions in %s (%v)", module.Dir, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text)
		}
	}
	return bytes.Join(all, []byte("\n---\n"))
}

// InstallPolicyAPI installs the definitions of PolicyAPI.
func (s *Server) InstallPolicyAPI(t testing.TB) {
	t.Helper()
	s.Apply(t, PolicyAPI(t))
}
