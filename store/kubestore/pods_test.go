// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"errors"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/test/kube"
)

// podsOfNode follows the Pods of one node of two.
func podsOfNode(t *testing.T, server *kube.Server, s *Store) {
	uid := server.AddPod(t, "prod", "mine", "n1", map[string]string{"app": "a"})
	server.AddPod(t, "prod", "theirs", "n2", nil)
	server.Must(t, http.MethodPatch, "/api/v1/namespaces/prod/pods/mine", `{"metadata":{"annotations":{"cni.projectcalico.org/ipAddrs":"[]","long":"story"}}}`)
	w, err := s.WatchPods(t.Context(), "n1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	f := &follower{t: t, w: w, objects: map[api.Key]api.Object{}, patience: time.Minute}
	f.until("the snapshot", f.inSync)
	mine, ok := f.objects[store.PodKey("prod", "mine")].(*corev1.Pod)
	if len(f.objects) != 1 || !ok {
		t.Fatalf("pods of n1: %v", f.objects)
	}
	if string(mine.UID) != uid || mine.Labels["app"] != "a" || mine.Spec.NodeName != "n1" || mine.Spec.ServiceAccountName != "till" ||
		len(mine.Spec.Containers) != 1 || mine.Spec.Containers[0].Ports[0].Name != "http" || len(mine.Annotations) != 1 {
		t.Errorf("read %+v", mine)
	}
	if mine.Spec.Containers[0].Image != "" || mine.Spec.Tolerations != nil || len(mine.Status.Conditions) > 0 {
		t.Errorf("more than needed: %+v", mine)
	}
	server.Must(t, http.MethodPatch, "/api/v1/namespaces/prod/pods/mine", `{"metadata":{"labels":{"app":"b"}}}`)
	f.until("the label", func() bool { return f.objects[store.PodKey("prod", "mine")].GetLabels()["app"] == "b" })
	got, err := s.Pod(t.Context(), "prod", "theirs")
	if err != nil || got.Spec.NodeName != "n2" {
		t.Errorf("pod of another node: %+v, %v", got, err)
	}
	server.DeletePod(t, "prod", "mine")
	f.until("the deletion", func() bool { return len(f.objects) == 0 })
	if _, err := s.Pod(t.Context(), "prod", "mine"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted pod: %v", err)
	}
}
