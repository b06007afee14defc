// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weftnet/weft/api/schema"
	"github.com/weftnet/weft/test/kube"
)

// TestInstallSchema installs the definitions on a real API server, again, over older ones, and not over newer ones.
func TestInstallSchema(t *testing.T) {
	server := kube.Start(t, kube.New)
	s := client(t, Config{Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken)})
	definitions, err := schema.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	install := func(force, dryRun bool) (string, error) {
		changes, err := s.InstallSchema(t.Context(), definitions, force, dryRun)
		kinds := map[string]int{}
		for _, c := range changes {
			kinds[c.Done]++
		}
		return fmt.Sprint(kinds), err
	}
	expect := func(when string, force, dryRun bool, want string) {
		t.Helper()
		got, err := install(force, dryRun)
		if err != nil || got != fmt.Sprintf("map[%s:%d]", want, len(definitions)) {
			t.Errorf("%s: %s, %v", when, got, err)
		}
	}
	expect("dry run", false, true, "created")
	expect("first", false, false, "created")
	expect("again", false, false, "unchanged")
	const pools = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ippools.projectcalico.org"
	server.WaitServed(t, "/apis/projectcalico.org/v3/ippools")

	server.Must(t, http.MethodPatch, pools, `{"metadata":{"annotations":{"weft.net/schema":"99"}}}`)
	if _, err := install(true, false); err == nil || !strings.Contains(err.Error(), "ippools.projectcalico.org has schema 99") {
		t.Errorf("over a newer schema: %v", err)
	}
	server.Must(t, http.MethodPatch, pools, `{"metadata":{"annotations":{"weft.net/schema":null}}}`)

	grown := make([][]byte, len(definitions))
	for i, d := range definitions {
		grown[i] = []byte(strings.Replace(string(d), "\n              natOutgoing:\n", "\n              colour:\n                type: string\n              natOutgoing:\n", 1))
	}
	definitions, grown = grown, definitions
	if _, err := install(false, false); err != nil {
		t.Fatal(err)
	}
	definitions = grown
	if _, err := install(false, false); err == nil || !strings.Contains(err.Error(), "v3.spec.colour") {
		t.Errorf("over one with a field more: %v", err)
	}
	if _, err := install(true, false); err != nil {
		t.Errorf("forced: %v", err)
	}
	expect("after that", false, false, "unchanged")
}

// TestInstallSchemaBesideCalico: an API server of Calico's would hide the custom resources.
func TestInstallSchemaBesideCalico(t *testing.T) {
	server := kube.Start(t, kube.New)
	s := client(t, Config{Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken)})
	server.Must(t, http.MethodPost, "/apis/apiregistration.k8s.io/v1/apiservices", `{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v3.projectcalico.org},
spec: {group: projectcalico.org, version: v3, groupPriorityMinimum: 1500, versionPriority: 200, service: {namespace: calico-apiserver, name: calico-api}}}`)
	if _, err := s.InstallSchema(t.Context(), nil, true, false); err == nil || !strings.Contains(err.Error(), "served by calico-apiserver/calico-api") {
		t.Errorf("%v", err)
	}
}
