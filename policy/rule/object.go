// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api/clusterpolicy"
	"github.com/weftnet/weft/api/v3"
)

// CompilePolicy compiles a policy of whatever kind, staged ones included. Results are those of the function for its kind, such as [CompileNetworkPolicy];
// of what is no policy they are all nil.
func CompilePolicy(obj metav1.Object) (policy *Policy, notes v3.FieldErrors, err error) {
	switch p := obj.(type) {
	case *v3.NetworkPolicy:
		return CompileNetworkPolicy(p)
	case *v3.GlobalNetworkPolicy:
		return CompileGlobalNetworkPolicy(p)
	case *networkingv1.NetworkPolicy:
		return CompileKubeNetworkPolicy(p)
	case *clusterpolicy.ClusterNetworkPolicy:
		return CompileClusterNetworkPolicy(p)
	case *clusterpolicy.AdminNetworkPolicy:
		return CompileAdminNetworkPolicy(p)
	case *clusterpolicy.BaselineAdminNetworkPolicy:
		return CompileBaselineAdminNetworkPolicy(p)
	case *v3.StagedNetworkPolicy:
		return CompileStagedNetworkPolicy(p)
	case *v3.StagedGlobalNetworkPolicy:
		return CompileStagedGlobalNetworkPolicy(p)
	case *v3.StagedKubernetesNetworkPolicy:
		return CompileStagedKubernetesNetworkPolicy(p)
	}
	return nil, nil, nil
}
