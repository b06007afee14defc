// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"strings"
	"testing"

	"github.com/weftnet/weft/internal/cniapi"
)

// request is a sound ADD; changes make it a bad one.
func request(changes ...func(*cniapi.Request)) *cniapi.Request {
	r := &cniapi.Request{Command: "ADD", ContainerID: "c1", IfName: "eth0", Netns: "/run/netns/x", Config: []byte(`{"cniVersion":"1.1.0","name":"net"}`)}
	for _, c := range changes {
		c(r)
	}
	return r
}

func config(text string) func(*cniapi.Request) {
	return func(r *cniapi.Request) { r.Config = []byte(text) }
}
func args(text string) func(*cniapi.Request)   { return func(r *cniapi.Request) { r.Args = text } }
func id(text string) func(*cniapi.Request)     { return func(r *cniapi.Request) { r.ContainerID = text } }
func ifName(text string) func(*cniapi.Request) { return func(r *cniapi.Request) { r.IfName = text } }

func TestBadInput(t *testing.T) {
	for what, c := range map[string]struct {
		request *cniapi.Request
		code    uint
		words   string
	}{
		"no JSON":             {request(config(`{`)), cniapi.CodeDecode, "unexpected end"},
		"no object":           {request(config(`[]`)), cniapi.CodeDecode, "array"},
		"no name":             {request(config(`{"cniVersion":"1.0.0"}`)), cniapi.CodeConfig, "name is missing"},
		"bad name":            {request(config(`{"name":"../x"}`)), cniapi.CodeConfig, "../x"},
		"version":             {request(config(`{"cniVersion":"9.9.9","name":"n"}`)), cniapi.CodeVersion, "9.9.9"},
		"mtu too small":       {request(config(`{"name":"n","mtu":1279}`)), cniapi.CodeConfig, "mtu 1279"},
		"mtu too large":       {request(config(`{"name":"n","mtu":65536}`)), cniapi.CodeConfig, "mtu 65536"},
		"mtu negative":        {request(config(`{"name":"n","mtu":-1}`)), cniapi.CodeConfig, "mtu -1"},
		"no family":           {request(config(`{"name":"n","ipam":{"assign_ipv4":"false"}}`)), cniapi.CodeConfig, "both false"},
		"no boolean":          {request(config(`{"name":"n","ipam":{"assign_ipv4":"yes"}}`)), cniapi.CodeDecode, "neither true nor false"},
		"another IPAM":        {request(config(`{"name":"n","ipam":{"type":"host-local"}}`)), cniapi.CodeField, "host-local"},
		"container ID":        {request(id("a/b")), cniapi.CodeEnvironment, "a/b"},
		"no container ID":     {request(id("")), cniapi.CodeEnvironment, "CNI_CONTAINERID"},
		"container ID dashed": {request(id("-x")), cniapi.CodeEnvironment, "CNI_CONTAINERID"},
		"long container ID":   {request(id(strings.Repeat("x", 201))), cniapi.CodeEnvironment, "201 bytes"},
		"16 bytes":            {request(ifName("abcdefghijklmnop")), cniapi.CodeEnvironment, "16 bytes; the kernel allows 15"},
		"no interface":        {request(ifName("")), cniapi.CodeEnvironment, "CNI_IFNAME"},
		"interface slash":     {request(ifName("a/b")), cniapi.CodeEnvironment, "a/b"},
		"interface dots":      {request(ifName("..")), cniapi.CodeEnvironment, ".."},
		"args":                {request(args("K8S_POD_NAME")), cniapi.CodeEnvironment, "KEY=value"},
		"args IP":             {request(args("IP=10.0.0.300")), cniapi.CodeEnvironment, "10.0.0.300"},
		"args IP zone":        {request(args("IP=fe80::1%eth0")), cniapi.CodeEnvironment, "%eth0"},
		"args labels":         {request(args("WEFT_LABELS=app")), cniapi.CodeEnvironment, "label:value"},
	} {
		_, bad := parse(c.request)
		if bad == nil || bad.Code != c.code || !strings.Contains(bad.Error(), c.words) {
			t.Errorf("%s: %+v, want code %d and %q", what, bad, c.code, c.words)
		}
	}
}

func TestGoodInput(t *testing.T) {
	a, bad := parse(request(args("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;OTHER=x;IP=10.0.0.9, ::ffff:10.0.0.10,fd00::9;WEFT_LABELS=app:a,tier:b"),
		config(`{"name":"net","args":{"weft":{"labels":{"app":"old","keep":"1"}}}}`)))
	if bad != nil {
		t.Fatal(bad)
	}
	if a.workload.Namespace != "shop" || a.workload.Name != "web" || !a.kubernetes || len(a.requested) != 3 || !a.requested[1].Is4() {
		t.Errorf("parsed %+v", a)
	}
	if l := a.workload.Labels; l["app"] != "a" || l["tier"] != "b" || l["keep"] != "1" {
		t.Errorf("labels %v", l)
	}
	plain, bad := parse(request())
	if bad != nil || plain.workload.Namespace != "default" || plain.workload.Name != "c1" || plain.kubernetes {
		t.Errorf("plain: %+v, %v", plain, bad)
	}
	if old, _ := parse(request(config(`{"name":"net"}`))); old.conf.CNIVersion != "0.1.0" {
		t.Errorf("no version means %q, want 0.1.0", old.conf.CNIVersion)
	}
}

func TestHostNames(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 4)
	seen := map[string]string{}
	for _, c := range []struct {
		a    attachment
		want string // empty: any, but unique
	}{
		{attachment{containerID: long, ifName: "eth0"}, "cali0123456789a"},
		{attachment{containerID: "web", ifName: "eth0"}, "caliweb"},
		{attachment{containerID: "a-long-name-of-a-container-1", ifName: "eth0"}, ""},
		{attachment{containerID: "a-long-name-of-a-container-2", ifName: "eth0"}, ""},
		{attachment{containerID: long, ifName: "net1"}, ""},
		{attachment{containerID: long, ifName: "net2"}, ""},
		// The rule of Calico: SHA-1 of "<namespace>.<pod>".
		{attachment{containerID: long, ifName: "eth0", kubernetes: true, workload: workloadArgs{Namespace: "default", Name: "nginx"}}, "cali" + hashOf("default.nginx")[:11]},
		{attachment{containerID: long, ifName: "net1", kubernetes: true, workload: workloadArgs{Namespace: "default", Name: "nginx"}}, ""},
	} {
		got := c.a.hostName()
		if c.want != "" && got != c.want || len(got) > 15 || seen[got] != "" {
			t.Errorf("%s %s: %q, want %q and not the name of %q", c.a.containerID, c.a.ifName, got, c.want, seen[got])
		}
		seen[got] = c.a.containerID
	}
}

func TestHandlesOfTwoInterfacesDiffer(t *testing.T) {
	first, second := attachment{conf: netConf{Name: "n"}, containerID: "c", ifName: "eth0"}, attachment{conf: netConf{Name: "n"}, containerID: "c", ifName: "net1"}
	if first.handle() != "n.c" || second.handle() == first.handle() {
		t.Errorf("handles %q and %q", first.handle(), second.handle())
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"cniVersion":"1.0.0","name":"net","ipam":{"assign_ipv6":"true"}}`), "c1", "eth0", "K8S_POD_NAME=x;IP=10.0.0.1;WEFT_LABELS=a:b")
	f.Add([]byte(`{`), "", "", "=;;=")
	f.Fuzz(func(t *testing.T, config []byte, id, ifName, args string) {
		a, bad := parse(&cniapi.Request{Command: "ADD", ContainerID: id, IfName: ifName, Args: args, Config: config})
		if bad != nil {
			if bad.Code == 0 || bad.Message == "" {
				t.Errorf("refusal without code or reason: %+v", bad)
			}
			return
		}
		if name := a.hostName(); len(name) > 15 || strings.ContainsAny(name, "/: ") {
			t.Errorf("host side name %q", name)
		}
		if a.id() == "" || strings.Contains(a.id(), "/") {
			t.Errorf("record ID %q leaves the directory", a.id())
		}
	})
}
