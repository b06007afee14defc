// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

var _ store.PodSource = (*Store)(nil)

// podForm is how Pods are read. They are never written.
var podForm = form{kind: &api.Kind{Resource: store.Pods, APIVersion: "v1", Kind: "Pod", Namespaced: true}, version: "v1", plural: "pods"}

// WatchPods implements store.PodSource. The API server sends the Pods of the node alone.
func (s *Store) WatchPods(ctx context.Context, node string) (store.Watcher, error) {
	if node == "" {
		return nil, errors.New("watch pods: no node is named")
	}
	fields := url.Values{"fieldSelector": {"spec.nodeName=" + node}}
	return s.follow(ctx, []*stream{{form: podForm, fields: fields}})
}

// Pod implements store.PodSource.
func (s *Store) Pod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	key := store.PodKey(namespace, name)
	data, err := s.call(ctx, request{verb: "get", form: podForm, path: podForm.path(namespace, name)})
	if err != nil {
		return nil, &store.KeyError{Op: "get", Key: key, Err: err}
	}
	pod, err := podOf(data)
	if err != nil {
		return nil, &store.KeyError{Op: "get", Key: key, Err: err}
	}
	return pod, nil
}

// podOf reads a Pod and leaves out what is not needed, which is nearly all of it.
func podOf(data []byte) (*corev1.Pod, error) {
	var p corev1.Pod
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, err
	}
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion, DeletionTimestamp: p.DeletionTimestamp,
			Labels: p.Labels, Annotations: podAnnotations(p.Annotations),
		},
		Spec: corev1.PodSpec{
			NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork, ServiceAccountName: p.Spec.ServiceAccountName,
			InitContainers: portsOf(p.Spec.InitContainers), Containers: portsOf(p.Spec.Containers),
		},
		Status: corev1.PodStatus{Phase: p.Status.Phase, PodIPs: p.Status.PodIPs},
	}, nil
}

// podAnnotations keeps those of networking, and the name under which the kubelet knows a pod that it read from a file.
func podAnnotations(all map[string]string) map[string]string {
	var out map[string]string
	for key, value := range all {
		if domain, _, _ := strings.Cut(key, "/"); !strings.HasSuffix(domain, "projectcalico.org") && key != corev1.MirrorPodAnnotationKey {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[key] = value
	}
	return out
}

// portsOf keeps the containers that have ports, and of them only these.
func portsOf(containers []corev1.Container) []corev1.Container {
	var out []corev1.Container
	for i := range containers {
		if c := &containers[i]; len(c.Ports) > 0 {
			out = append(out, corev1.Container{Name: c.Name, Ports: c.Ports})
		}
	}
	return out
}
