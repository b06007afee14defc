// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package pods_test

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/pods"
	v3 "github.com/weftnet/weft/api/v3"
)

func TestEndpoint(t *testing.T) {
	host := uint16(80)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-0", Labels: map[string]string{"app": "web"},
			Annotations: map[string]string{pods.FloatingIPs: `["192.0.2.10", "none", "2001:db8::10"]`}},
		Spec: corev1.PodSpec{NodeName: "n1", ServiceAccountName: "front",
			InitContainers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "probe", ContainerPort: 9, Protocol: corev1.ProtocolUDP}}}},
			Containers:     []corev1.Container{{Ports: []corev1.ContainerPort{{ContainerPort: 7}, {ContainerPort: 8080, HostPort: 80}, {Name: "bad", ContainerPort: 70000}}}},
		},
		Status: corev1.PodStatus{PodIP: "10.65.0.1", PodIPs: []corev1.PodIP{{IP: "10.65.0.1"}, {IP: "fd00:65::1"}}},
	}
	got, ok := pods.Endpoint(pod)
	want := v3.WorkloadEndpointSpec{
		Orchestrator: "k8s", Node: "n1", Pod: "web-0", Endpoint: "eth0", ServiceAccountName: "front", InterfaceName: "calia4fc3c48bd8",
		IPNetworks: []string{"10.65.0.1/32", "fd00:65::1/128"}, Profiles: []string{"kns.shop", "ksa.shop.front"},
		Ports: []v3.WorkloadEndpointPort{
			{Name: "probe", Protocol: intstr.FromString("UDP"), Port: 9},
			{Protocol: intstr.FromString("TCP"), Port: 8080, HostPort: &host},
		},
		IPNATs: []v3.IPNAT{{InternalIP: "10.65.0.1", ExternalIP: "192.0.2.10"}, {InternalIP: "fd00:65::1", ExternalIP: "2001:db8::10"}},
	}
	if !ok || got.Name != "n1-k8s-web--0-eth0" || got.Namespace != "shop" || got.Labels["app"] != "web" || !reflect.DeepEqual(got.Spec, want) {
		t.Errorf("%+v", got)
	}
	if wrong := api.Validate(got, api.Checks{}); len(wrong) > 0 {
		t.Error(wrong)
	}
	pod.Status.Phase = corev1.PodFailed
	if over, _ := pods.Endpoint(pod); len(over.Spec.IPNetworks) > 0 {
		t.Errorf("a failed pod has %v", over.Spec.IPNetworks)
	}
	pod.Spec.HostNetwork = true
	if _, ok := pods.Endpoint(pod); ok {
		t.Error("a pod of the host's network has an endpoint")
	}
	if bare, _ := pods.Endpoint(&corev1.Pod{Status: corev1.PodStatus{PodIP: "10.65.0.2"}}); bare.Spec.ServiceAccountName != "default" || len(bare.Spec.IPNetworks) != 1 {
		t.Errorf("%+v", bare.Spec)
	}
}

// TestSourcePrefixes: an annotation that is no list of prefixes makes an endpoint that is refused by its name, not one without them.
func TestSourcePrefixes(t *testing.T) {
	for annotation, good := range map[string]bool{`["203.0.113.0/24", "2001:db8::/32"]`: true, "203.0.113.0/24, all": false, `["nowhere"]`: false} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "router", Annotations: map[string]string{pods.SourcePrefixes: annotation}}}
		pod.Spec.NodeName = "n1"
		e, _ := pods.Endpoint(pod)
		wrong := api.Validate(e, api.Checks{})
		if (len(wrong) == 0) != good || len(e.Spec.AllowSpoofedSourcePrefixes) == 0 {
			t.Errorf("%s: %q, %v", annotation, e.Spec.AllowSpoofedSourcePrefixes, wrong)
		}
	}
}
