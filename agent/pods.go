// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weftnet/weft/agent/cni"
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/store"
)

// podTimeout bounds the look for a pod that the watch has not told of yet.
const podTimeout = 5 * time.Second

// podBook knows the Pods of this node, where the datastore is Kubernetes.
type podBook struct {
	source store.PodSource // nil: it is not
	node   string
	log    *slog.Logger

	mu         sync.Mutex
	pods       map[api.Key]*corev1.Pod
	namespaces map[string]map[string]string // annotations by name
	err        error                        // why the Pods are not followed
}

func newPodBook(config Config) *podBook {
	source, _ := config.Store.(store.PodSource)
	return &podBook{source: source, node: config.Node, log: config.Log, pods: map[api.Key]*corev1.Pod{}, namespaces: map[string]map[string]string{}}
}

// run follows the Pods until ctx ends. changed is called, from a goroutine of its own, for each that is new or has other labels.
func (b *podBook) run(ctx context.Context, changed func(namespace, name string)) error {
	if b.source == nil {
		return nil
	}
	watcher, err := b.source.WatchPods(ctx, b.node)
	if err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	defer watcher.Close()
	var working sync.WaitGroup
	defer working.Wait()
	for {
		batch, err := watcher.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("watch pods: %w", err)
		}
		b.judge(batch.Err)
		for _, e := range batch.Events {
			if b.take(e) {
				working.Go(func() { changed(e.Key.Namespace, e.Key.Name) })
			}
		}
	}
}

// judge notes whether the Pods are followed.
func (b *podBook) judge(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && b.err == nil {
		b.log.Warn("pods of this node are not followed; their labels stay as they are", "error", err)
	}
	b.err = err
}

// problems says why the Pods are not followed.
func (b *podBook) problems() []calc.Problem {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		return nil
	}
	return []calc.Problem{{Key: api.Key{Resource: store.Pods, Name: b.node}, Reason: "pods of this node are not followed, their labels stay as they are: " + b.err.Error()}}
}

// take notes an event and says whether a pod is new or has other labels.
func (b *podBook) take(e store.Event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	pod, ok := e.Object.(*corev1.Pod)
	if !ok {
		if e.Err == nil {
			delete(b.pods, e.Key)
		}
		return false
	}
	before := b.pods[e.Key]
	b.pods[e.Key] = pod
	return before == nil || before.UID != pod.UID || !maps.Equal(before.Labels, pod.Labels)
}

// note remembers the annotations of namespaces.
func (b *podBook) note(batch store.Batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range batch.Events {
		switch {
		case e.Key.Resource != api.Namespaces || e.Err != nil:
		case e.Object == nil || len(e.Object.GetAnnotations()) == 0:
			delete(b.namespaces, e.Key.Name)
		default:
			b.namespaces[e.Key.Name] = e.Object.GetAnnotations()
		}
	}
}

// known returns a pod as the watch told it, nil if there is none.
func (b *podBook) known(namespace, name string) *corev1.Pod {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pods[store.PodKey(namespace, name)]
}

// get returns a pod of this node, which must have the UID if one is given. The watch is usually ahead of the runtime; else the API is asked, once.
func (b *podBook) get(ctx context.Context, namespace, name string, uid types.UID) (cni.Pod, error) {
	if b.source == nil {
		return cni.Pod{}, nil
	}
	pod := b.known(namespace, name)
	if pod == nil || uid != "" && cni.Identity(pod) != uid {
		ctx, cancel := context.WithTimeout(ctx, podTimeout)
		defer cancel()
		var err error
		if pod, err = b.source.Pod(ctx, namespace, name); err != nil {
			return cni.Pod{}, whyNoPod(namespace, name, err)
		}
	}
	switch {
	case uid != "" && cni.Identity(pod) != uid:
		return cni.Pod{}, fmt.Errorf("pod %s/%s with UID %s is gone: another one has its name (UID %s)", namespace, name, uid, cni.Identity(pod))
	case pod.Spec.NodeName != b.node:
		return cni.Pod{}, fmt.Errorf("pod %s/%s belongs to node %q, and this is %q; the agent's --node must be the kubelet's name", namespace, name, pod.Spec.NodeName, b.node)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return cni.Pod{Pod: pod, Namespace: b.namespaces[namespace]}, nil
}

func whyNoPod(namespace, name string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("pod %s/%s is not in the Kubernetes API (any more)", namespace, name)
	}
	return fmt.Errorf("labels of pod %s/%s: %w", namespace, name, err)
}

// relabel has the newest labels of a pod in force.
func (a *Agent) relabel(namespace, name string) {
	latest := func() *corev1.Pod { return a.pods.known(namespace, name) }
	if err := a.cni.Relabel(namespace, name, latest); err != nil {
		a.log.Error("changed labels are not in force", "error", err)
	}
}
