// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

// kubePod is what Kubernetes says of pod shop/name.
func kubePod(name string, labels, annotations map[string]string) Pod {
	return Pod{Pod: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: "uid-1", Labels: labels, Annotations: annotations},
		Spec: corev1.PodSpec{NodeName: "n1", ServiceAccountName: "till", Containers: []corev1.Container{{
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, HostPort: 80}, {ContainerPort: 9}},
		}}},
	}}
}

func (f *fake) says(p Pod, err error) {
	f.set(func() { f.pod = func() (Pod, error) { return p, err } })
}

func (f *fake) labelsOf(name string) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.labels[name])
}

// TestPodDescribes: with Kubernetes as the datastore labels, account and ports are the pod's, whatever else the request says.
func TestPodDescribes(t *testing.T) {
	n := start(t, "")
	n.backend.says(kubePod("web", map[string]string{"app": "web"}, nil), nil)
	rt := container("web", netnstest.New(t), append(pod("web"), [2]string{"K8S_POD_UID", "uid-1"}, [2]string{"WEFT_LABELS", "app:forged"})...)
	n.add(rt)
	known, _, err := n.records.Load()
	must(t, err)
	e := known[0].Endpoint
	want := "map[app:web projectcalico.org/namespace:shop projectcalico.org/orchestrator:k8s projectcalico.org/serviceaccount:till]"
	if got := fmt.Sprint(e.Labels); got != want {
		t.Errorf("labels %s; want %s", got, want)
	}
	if got := fmt.Sprint(e.Spec.Profiles); got != "[kns.shop ksa.shop.till]" || e.Spec.ServiceAccountName != "till" {
		t.Errorf("profiles %s, account %q", got, e.Spec.ServiceAccountName)
	}
	if p := e.Spec.Ports; len(p) != 1 || p[0].Name != "http" || p[0].Port != 8080 || p[0].HostPort != nil {
		t.Errorf("ports %+v", p)
	}
	if known[0].PodUID != "uid-1" {
		t.Errorf("UID %q", known[0].PodUID)
	}
	n.del(rt)
	n.clean("a pod that was described")
}

// TestPodGone: an ADD for a pod that was deleted meanwhile fails and leaves nothing.
func TestPodGone(t *testing.T) {
	n := start(t, "")
	n.backend.says(Pod{}, errors.New("pod shop/web is gone"))
	_, err := n.runtime.AddNetworkList(t.Context(), n.dual(), container("web", netnstest.New(t), pod("web")...))
	expect(t, "a pod that is gone", err, cniapi.CodeTryAgain, "shop/web is gone")
	n.clean("a pod that is gone")
}

// TestRelabel: new labels of a running pod are in force and on disk; those of another pod that has its name are not. A change during the ADD is not lost.
func TestRelabel(t *testing.T) {
	n := start(t, "")
	old := kubePod("web", map[string]string{"app": "old"}, nil)
	next := kubePod("web", map[string]string{"app": "new"}, nil)
	relabelled := make(chan error, 1)
	relabel := func(p Pod) error { return n.server.Relabel("shop", "web", func() *corev1.Pod { return p.Pod }) }
	n.backend.set(func() {
		n.backend.pod = func() (Pod, error) {
			go func() { relabelled <- relabel(next) }()
			return old, nil
		}
	})
	rt := container("web", netnstest.New(t), pod("web")...)
	n.add(rt)
	must(t, <-relabelled)
	if got := n.backend.labelsOf("n1-k8s-web-eth0"); got["app"] != "new" || got["projectcalico.org/serviceaccount"] != "till" {
		t.Errorf("labels %v after a change during the ADD", got)
	}
	known, _, err := n.records.Load()
	must(t, err)
	if known[0].Endpoint.Labels["app"] != "new" {
		t.Errorf("on disk %v", known[0].Endpoint.Labels)
	}
	other := kubePod("web", map[string]string{"app": "other"}, nil)
	other.UID = "uid-2"
	must(t, relabel(other))
	next.Labels = map[string]string{"app": "bad value!"}
	if err := relabel(next); err == nil || !strings.Contains(err.Error(), "older ones stay in force") {
		t.Errorf("bad labels: %v", err)
	}
	must(t, n.server.Relabel("shop", "web", func() *corev1.Pod { return nil }))
	if got := n.backend.labelsOf("n1-k8s-web-eth0"); got["app"] != "new" {
		t.Errorf("labels %v", got)
	}
	n.del(rt)
	must(t, relabel(old))
	n.clean("relabelled")
}

// TestPodAnnotations reads what pods may ask for.
func TestPodAnnotations(t *testing.T) {
	const all = `{"cniVersion":"1.1.0","name":"net","ipam":{"ipv4_pools":["conf"]},"feature_control":{"floating_ips":true,"ip_addrs_no_ipam":true}}`
	const none = `{"cniVersion":"1.1.0","name":"net"}`
	for what, c := range map[string]struct {
		conf        string
		annotations map[string]string
		namespace   map[string]string
		got         func(*attachment) any
		want        string
		words       string // of the error
	}{
		"pools of the pod": {conf: all, annotations: map[string]string{pools4: `["a", "10.0.0.0/24"]`}, namespace: map[string]string{pools4: `["b"]`},
			got: func(a *attachment) any { return a.conf.IPAM.IPv4Pools }, want: "[a 10.0.0.0/24]"},
		"pools of the namespace": {conf: all, namespace: map[string]string{pools4: `["b"]`, pools6: `["c"]`},
			got: func(a *attachment) any { return append(a.conf.IPAM.IPv4Pools, a.conf.IPAM.IPv6Pools...) }, want: "[b c]"},
		"pools of the configuration": {conf: all, got: func(a *attachment) any { return a.conf.IPAM.IPv4Pools }, want: "[conf]"},
		"no list":                    {conf: all, annotations: map[string]string{pools4: "a"}, words: `"a" is no JSON list`},
		"families":                   {conf: all, annotations: map[string]string{families: `["IPv6"]`}, got: func(a *attachment) any { return fmt.Sprint(a.conf.wants4(), a.conf.wants6()) }, want: "false true"},
		"no family":                  {conf: all, annotations: map[string]string{families: `["IPv5"]`}, words: `"IPv5"; write IPv4 or IPv6`},
		"addresses":                  {conf: none, annotations: map[string]string{byValue: `["10.0.0.7", "fd00::7"]`}, got: func(a *attachment) any { return a.requested }, want: "[10.0.0.7 fd00::7]"},
		"two of a family":            {conf: none, annotations: map[string]string{byValue: `["10.0.0.7", "10.0.0.8"]`}, words: "more than one address of a family"},
		"no address":                 {conf: none, annotations: map[string]string{byValue: `["here"]`}, words: "here"},
		"unmanaged":                  {conf: all, annotations: map[string]string{withoutIPAM: `["192.0.2.7"]`}, got: func(a *attachment) any { return a.unmanaged }, want: "[192.0.2.7]"},
		"unmanaged, not allowed":     {conf: none, annotations: map[string]string{withoutIPAM: `["192.0.2.7"]`}, words: "feature_control.ip_addrs_no_ipam"},
		"both":                       {conf: all, annotations: map[string]string{withoutIPAM: `["192.0.2.7"]`, byValue: `["10.0.0.7"]`}, words: "write one of them"},
		"floating": {conf: all, annotations: map[string]string{"cni.projectcalico.org/floatingIPs": `["192.0.2.9"]`},
			got: func(a *attachment) any { return a.floating([]netip.Addr{netip.MustParseAddr("10.0.0.1")}) }, want: "[{10.0.0.1 192.0.2.9}]"},
		"floating, not allowed": {conf: none, annotations: map[string]string{"cni.projectcalico.org/floatingIPs": `["192.0.2.9"]`}, words: "feature_control.floating_ips"},
		"floating, no family":   {conf: all, annotations: map[string]string{"cni.projectcalico.org/floatingIPs": `["2001:db8::9"]`}, words: "no address of that family"},
		"MAC":                   {conf: none, annotations: map[string]string{hardware: "02:00:00:00:00:07"}, got: func(a *attachment) any { return a.mac }, want: "02:00:00:00:00:07"},
		"no MAC":                {conf: none, annotations: map[string]string{hardware: "01:00:00:00:00:07"}, words: "one Ethernet interface"},
	} {
		a, bad := parse(request(config(c.conf), args("K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web")))
		if bad != nil {
			t.Fatal(bad)
		}
		p := kubePod("web", nil, c.annotations)
		p.Namespace = c.namespace
		err := a.takePod(p)
		switch {
		case c.words != "" && (err == nil || !strings.Contains(err.Error(), c.words)):
			t.Errorf("%s: error %v; want %q", what, err, c.words)
		case c.words == "" && err != nil:
			t.Errorf("%s: %v", what, err)
		case c.words == "" && fmt.Sprint(c.got(a)) != c.want:
			t.Errorf("%s: %v; want %s", what, c.got(a), c.want)
		}
	}
}

// TestIdentity: a pod of a file has the kubelet's UID, not that of its shadow in the API, which may be made anew while the pod runs.
func TestIdentity(t *testing.T) {
	p := kubePod("web", nil, map[string]string{corev1.MirrorPodAnnotationKey: "hash"})
	if got := Identity(p.Pod); got != "hash" {
		t.Errorf("identity %q", got)
	}
}
