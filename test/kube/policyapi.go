// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"net/http"
	"testing"
)

// InstallPolicyAPI installs definitions of the policy.networking.k8s.io kinds that take any content.
func (s *Server) InstallPolicyAPI(t testing.TB) {
	t.Helper()
	for _, k := range []struct{ plural, kind, version string }{
		{"clusternetworkpolicies", "ClusterNetworkPolicy", "v1alpha2"},
		{"adminnetworkpolicies", "AdminNetworkPolicy", "v1alpha1"},
		{"baselineadminnetworkpolicies", "BaselineAdminNetworkPolicy", "v1alpha1"},
	} {
		s.Must(t, http.MethodPost, crds, fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: %s.policy.networking.k8s.io
  annotations: {api-approved.kubernetes.io: unapproved}
spec:
  group: policy.networking.k8s.io
  names: {kind: %s, plural: %[1]s}
  scope: Cluster
  versions:
  - {name: %[3]s, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`, k.plural, k.kind, k.version))
		s.WaitServed(t, "/apis/policy.networking.k8s.io/"+k.version+"/"+k.plural)
	}
}
