// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

// Orchestrators whose endpoint names have a rule of their own.
const (
	OrchestratorKubernetes = "k8s"
	OrchestratorCNI        = "cni"
)

// WorkloadEndpointName builds the name that the endpoint of s must have: node, orchestrator, workload and endpoint joined by
// "-", with each "-" inside a part doubled so that the parts can be told apart. For Kubernetes the workload part is the
// pod, for plain CNI it is the container ID.
func WorkloadEndpointName(s *WorkloadEndpointSpec) string {
	return string(appendWorkloadEndpointName(nil, s))
}

func appendWorkloadEndpointName(name []byte, s *WorkloadEndpointSpec) []byte {
	workload := s.Workload
	switch s.Orchestrator {
	case OrchestratorKubernetes:
		workload = s.Pod
	case OrchestratorCNI:
		workload = s.ContainerID
	}
	for i, part := range [...]string{s.Node, s.Orchestrator, workload, s.Endpoint} {
		if i > 0 {
			name = append(name, '-')
		}
		for _, c := range []byte(part) {
			if c == '-' {
				name = append(name, '-')
			}
			name = append(name, c)
		}
	}
	return name
}
