// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import "testing"

// HelmHome is the environment of a Helm that keeps nothing, and knows nothing of the user's.
func HelmHome(t testing.TB) (env []string) {
	dir := t.TempDir()
	for _, of := range []string{"CACHE", "CONFIG", "DATA"} {
		env = append(env, "HELM_"+of+"_HOME="+dir)
	}
	return env
}
