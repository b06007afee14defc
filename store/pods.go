// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
)

// Pods is the resource of the events of [PodSource.WatchPods]. No store has Pods otherwise.
const Pods api.Resource = "pods.core"

// PodKey is the key of a Pod in such events.
func PodKey(namespace, name string) api.Key {
	return api.Key{Resource: Pods, Namespace: namespace, Name: name}
}

// PodSource is a Store of a cluster whose workloads are Pods of Kubernetes. Its Pods hold what becomes part of an endpoint, and no more: identity,
// labels, annotations of networking, service account and ports; and their phase and addresses.
type PodSource interface {
	Store
	// WatchPods streams the Pods that are bound to a node, as *corev1.Pod.
	WatchPods(ctx context.Context, node string) (Watcher, error)
	// Pod returns one Pod as the API has it now, or an error that Is ErrNotFound.
	Pod(ctx context.Context, namespace, name string) (*corev1.Pod, error)
}
