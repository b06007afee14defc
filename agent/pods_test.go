// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// podAPI answers with pod or err, and counts how often it is asked.
type podAPI struct {
	store.PodSource
	pod   *corev1.Pod
	err   error
	asked int
}

func (p *podAPI) Pod(context.Context, string, string) (*corev1.Pod, error) {
	p.asked++
	return p.pod, p.err
}

func podWith(uid types.UID, node string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: uid}, Spec: corev1.PodSpec{NodeName: node}}
}

// TestPodBook: a pod that the watch has told of costs no call; another, or one that only has its name, costs one, and must be the one that was asked for.
func TestPodBook(t *testing.T) {
	away := errors.New("the API is away")
	for what, c := range map[string]struct {
		known, there *corev1.Pod
		err          error
		uid          types.UID
		asked        int
		words        string // of the error; "" for none
	}{
		"known":                    {known: podWith("1", "n1"), uid: "1"},
		"known, no UID named":      {known: podWith("1", "n1")},
		"known while API away":     {known: podWith("1", "n1"), uid: "1", err: away},
		"not told yet":             {there: podWith("1", "n1"), uid: "1", asked: 1},
		"another of the name came": {known: podWith("1", "n1"), there: podWith("2", "n1"), uid: "2", asked: 1},
		"replaced meanwhile":       {known: podWith("2", "n1"), there: podWith("2", "n1"), uid: "1", asked: 1, words: "another one has its name (UID 2)"},
		"gone":                     {err: store.ErrNotFound, uid: "1", asked: 1, words: "pod shop/web is not in the Kubernetes API"},
		"of another node":          {there: podWith("1", "n2"), uid: "1", asked: 1, words: `belongs to node "n2", and this is "n1"`},
		"unknown while API away":   {err: away, uid: "1", asked: 1, words: "the API is away"},
	} {
		p := &podAPI{pod: c.there, err: c.err}
		b := &podBook{source: p, node: "n1", log: slog.New(slog.DiscardHandler), pods: map[api.Key]*corev1.Pod{}, namespaces: map[string]map[string]string{}}
		if c.known != nil {
			b.take(store.Event{Key: store.PodKey("shop", "web"), Object: c.known})
		}
		got, err := b.get(t.Context(), "shop", "web", c.uid)
		switch {
		case p.asked != c.asked:
			t.Errorf("%s: asked %d times, want %d", what, p.asked, c.asked)
		case c.words == "" && (err != nil || got.Pod == nil):
			t.Errorf("%s: %v", what, err)
		case c.words != "" && (err == nil || !strings.Contains(err.Error(), c.words)):
			t.Errorf("%s: error %v; want %q", what, err, c.words)
		}
	}
}

// TestPodEvents: only a new pod and changed labels are news; pool annotations come from the namespace.
func TestPodEvents(t *testing.T) {
	b := &podBook{source: &podAPI{}, node: "n1", pods: map[api.Key]*corev1.Pod{}, namespaces: map[string]map[string]string{}}
	key := store.PodKey("shop", "web")
	labelled := podWith("1", "n1")
	labelled.Labels = map[string]string{"a": "b"}
	for i, c := range []struct {
		event store.Event
		news  bool
	}{
		{store.Event{Key: key, Object: podWith("1", "n1")}, true},
		{store.Event{Key: key, Object: podWith("1", "n1")}, false},
		{store.Event{Key: key, Object: labelled}, true},
		{store.Event{Key: key, Err: errors.New("unreadable")}, false},
		{store.Event{Key: key, Object: labelled}, false},
		{store.Event{Key: key}, false},
		{store.Event{Key: key, Object: labelled}, true},
	} {
		if got := b.take(c.event); got != c.news {
			t.Errorf("event %d: news %v", i, got)
		}
	}
	b.log = slog.New(slog.DiscardHandler)
	b.judge(errors.New("RBAC"))
	if p := b.problems(); len(p) != 1 || !strings.Contains(p[0].Reason, "RBAC") {
		t.Errorf("problems %v", p)
	}
	if b.judge(nil); len(b.problems()) > 0 {
		t.Errorf("problems %v of a watch that goes on", b.problems())
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Annotations: map[string]string{"x": "y"}}}
	nsKey := api.Key{Resource: api.Namespaces, Name: "shop"}
	b.note(store.Batch{Events: []store.Event{{Key: nsKey, Object: ns}}})
	if got, err := b.get(t.Context(), "shop", "web", ""); err != nil || got.Namespace["x"] != "y" {
		t.Errorf("annotations of the namespace: %v, %v", got.Namespace, err)
	}
	b.note(store.Batch{Events: []store.Event{{Key: nsKey}}})
	if got, err := b.get(t.Context(), "shop", "web", ""); err != nil || got.Namespace != nil {
		t.Errorf("of a namespace that is gone: %v, %v", got.Namespace, err)
	}
}
