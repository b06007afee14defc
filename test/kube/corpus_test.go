// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/ctl"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/etcdstore"
	"github.com/weftnet/weft/store/kubestore"
	"github.com/weftnet/weft/test/kube"
)

var update = flag.Bool("update", false, "write testdata/kubectl.want anew")

// document is one of api/testdata as its user wrote it.
type document struct{ file, name, text string }

func documents(t *testing.T, dir string) (out []document) {
	t.Helper()
	files, err := filepath.Glob("../../api/testdata/" + dir + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range strings.Split("\n"+string(data), "\n---") {
			out = append(out, document{filepath.Base(file), fmt.Sprintf("%s, document %d", filepath.Base(file), i+1), text})
		}
	}
	return out
}

// TestCorpus: every document of the corpus, good or bad, is taken or refused by weft in the same words with etcd and with Kubernetes; and written past weft, as with
// kubectl, the API server takes what weft takes, and refuses of what weft refuses as much as testdata/kubectl.want says.
func TestCorpus(t *testing.T) {
	server := kube.Start(t, kube.New)
	server.InstallSchema(t)
	server.InstallPolicyAPI(t)
	good, bad := documents(t, "valid"), documents(t, "invalid")
	t.Run("kubectl", func(t *testing.T) { written(t, server, good, bad) })
	t.Run("weft", func(t *testing.T) { applied(t, server, slices.Concat(bad, good)) })
}

// applied applies each document with both datastores.
func applied(t *testing.T, server *kube.Server, list []document) {
	etcd, err := etcdstore.New(etcdstore.Config{Endpoints: []string{server.Etcd}, Prefix: "/corpus"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = etcd.Close() }()
	kubernetes, err := kubestore.New(kubestore.Config{Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kubernetes.Close() }()
	taken := 0
	for _, d := range list {
		if strings.Contains(d.text, "kind: Service\n") {
			continue // its address has to be one of the cluster
		}
		file := filepath.Join(t.TempDir(), d.file)
		if err := os.WriteFile(file, []byte(d.text), 0o600); err != nil {
			t.Fatal(err)
		}
		one, other := weft(etcd, "apply", "-f", file), weft(kubernetes, "apply", "-f", file)
		if strings.Contains(one, "node/") {
			continue // Kubernetes has its own
		}
		if one != other {
			t.Errorf("%s: with etcd\n%s\nwith Kubernetes\n%s", d.name, one, other)
		}
		if strings.HasSuffix(one, "exit 0") {
			taken++
		}
		for _, s := range []store.Store{etcd, kubernetes} { // one of them locks the datastore
			weft(s, "delete", "clusterinformation", "default", "--skip-not-exists")
		}
	}
	if taken < 20 {
		t.Errorf("only %d documents were taken", taken)
	}
}

// keepOpen lets one store serve several commands.
type keepOpen struct{ store.Store }

func (keepOpen) Close() error { return nil }

// weft returns all that a command says.
func weft(s store.Store, args ...string) string {
	var said strings.Builder
	env := &ctl.Env{In: strings.NewReader(""), Out: &said, Err: &said, Getenv: func(string) string { return "" },
		OpenStore: func(ctl.Datastore) (store.Store, error) { return keepOpen{s}, nil }}
	root := ctl.New(env)
	root.SetArgs(args)
	code := ctl.Execute(context.Background(), root, env)
	return fmt.Sprintf("%sexit %d", said.String(), code)
}

// written posts each document to the API server as it is.
func written(t *testing.T, server *kube.Server, good, bad []document) {
	for _, d := range good {
		path, name, kind := pathOf(d.text)
		if path == "" || kind == "Node" || kind == "Service" || strings.Contains(d.text, "<<:") {
			continue // of Kubernetes' own rules; the last of its reader of YAML
		}
		code, answer := post(t, server, path, d.text)
		if code == http.StatusConflict && strings.Contains(answer, "AlreadyExists") {
			continue
		}
		if code != http.StatusCreated {
			t.Errorf("%s: weft takes it, the API server says %s", d.name, answer)
			continue
		}
		server.Must(t, http.MethodDelete, path+"/"+name, "")
	}
	var got strings.Builder
	for _, d := range bad {
		path, name, _ := pathOf(d.text)
		if path == "" {
			continue
		}
		code, _ := post(t, server, path, d.text)
		said := "refused"
		if code == http.StatusCreated {
			said = "taken"
			_, _, _ = server.Do(t.Context(), http.MethodDelete, path+"/"+name, "")
		}
		fmt.Fprintf(&got, "%s: %s\n", d.name, said)
	}
	if *update {
		if err := os.WriteFile("testdata/kubectl.want", []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/kubectl.want")
	if err != nil || got.String() != string(want) {
		t.Errorf("the API server says\n%s\nwant, %v,\n%s", got.String(), err, want)
	}
	for text, says := range map[string]string{
		"{kind: IPPool, spec: {cidr: 10.0.0.0/16, ipipMode: Always, vxlanMode: Always}}":                                                                   "ipipMode and vxlanMode exclude each other",
		"{kind: IPPool, spec: {cidr: 10.0.0.0/27}}":                                                                                                        "does not hold one block",
		"{kind: IPPool, spec: {cidr: 'fd00::/100', ipipMode: Always}}":                                                                                     "IP-in-IP carries IPv4 only",
		"{kind: IPPool, spec: {cidr: 10.1.2.0/22}}":                                                                                                        "has host bits set",
		"{kind: BGPConfiguration, spec: {communities: [{name: a, value: '1:1'}]}, metadata: {name: default}}":                                              "named but not used",
		"{kind: FelixConfiguration, spec: {wireguardEnabled: true, wireguardListeningPort: 4789}, metadata: {name: default}}":                              "also vxlanPort",
		"{kind: FelixConfiguration, spec: {wireguardEnabled: true, wireguardInterfaceName: tunl0}, metadata: {name: default}}":                             "another tunnel device",
		"{kind: FelixConfiguration, spec: {wireguardEnabled: true, wireguardEnabledV6: true, wireguardListeningPortV6: 51820}, metadata: {name: default}}": "also wireguardListeningPort",
		"{kind: StagedNetworkPolicy, spec: {stagedAction: Delete, egress: [{action: Allow}]}}":                                                             "named and not described",
		"{kind: StagedGlobalNetworkPolicy, spec: {stagedAction: Delete, applyOnForward: true}}":                                                            "named and not described",
		"{kind: StagedKubernetesNetworkPolicy, spec: {stagedAction: Delete, policyTypes: [Ingress]}}":                                                      "named and not described",
		"{kind: HostEndpoint}":                                                                                     "spec.node: required",
		"{kind: WorkloadEndpoint}":                                                                                 "spec.orchestrator: required",
		"{kind: IPPool, spec: {cidr: 10.0.0.0}}":                                                                   "spec.cidr",
		"{kind: Tier, spec: {order: 5}, metadata: {name: default}}":                                                "fixed order",
		"{kind: IPAMConfiguration, spec: {}}":                                                                      "there is only one, named default",
		"{kind: BGPPeer, spec: {peerIP: 192.0.2.1, asNumber: 64512, peerSelector: all()}}":                         "say whom to peer with, by one of",
		"{kind: BGPPeer, spec: {peerIP: 192.0.2.1, asNumber: 4294967296}}":                                         "spec.asNumber",
		"{kind: HostEndpoint, spec: {node: n1}}":                                                                   "interfaceName: required",
		"{kind: GlobalNetworkPolicy, spec: {preDNAT: true}}":                                                       "applyOnForward must be true",
		"{kind: GlobalNetworkPolicy, spec: {ingress: [{action: Allow, source: {nets: [10.0.0.0/33]}}]}}":           "spec.ingress[0].source.nets[0]",
		"{kind: GlobalNetworkPolicy, spec: {ingress: [{action: Allow, protocol: TPC}]}}":                           "spec.ingress[0].protocol",
		"{kind: GlobalNetworkPolicy, spec: {ingress: [{action: Allow, protocol: TCP, source: {ports: [65536]}}]}}": "spec.ingress[0].source.ports[0]",
		"{kind: GlobalNetworkPolicy, spec: {ingress: [{action: Allow, protocol: TCP, source: {ports: ['a b']}}]}}": "spec.ingress[0].source.ports[0]",
		"{kind: FelixConfiguration, spec: {bpfConntrackTimeouts: {tcpSynSent: soon}}, metadata: {name: default}}":  "tcpSynSent",
		"{kind: FelixConfiguration, spec: {iptablesRefreshInterval: soon}, metadata: {name: default}}":             "iptablesRefreshInterval",
	} {
		text = whole(text)
		path, _, _ := pathOf(text)
		if code, answer := post(t, server, path, text); code != http.StatusUnprocessableEntity || !strings.Contains(answer, says) {
			t.Errorf("%s: %d %s; want words with %q", text, code, answer, says)
		}
	}
	rulesAllow(t, server)
	poolUpdates(t, server)
}

// edges are right, each near what a rule about several fields refuses.
var edges = []string{
	"{kind: IPPool, spec: {cidr: 10.1.4.0/22}}", "{kind: IPPool, spec: {cidr: 10.0.0.0/7}}", "{kind: IPPool, spec: {cidr: 10.1.2.3/32, blockSize: 32}}",
	"{kind: FelixConfiguration, spec: {wireguardEnabled: true, wireguardListeningPort: 4789, vxlanEnabled: false}, metadata: {name: default}}",
	"{kind: FelixConfiguration, spec: {wireguardEnabled: false, wireguardListeningPort: 4789, wireguardInterfaceName: tunl0}, metadata: {name: default}}",
	"{kind: FelixConfiguration, spec: {wireguardEnabled: true, wireguardEnabledV6: true, wireguardListeningPort: 0, wireguardListeningPortV6: 0}, metadata: {name: default}}",
	"{kind: StagedNetworkPolicy, spec: {stagedAction: Delete, tier: default, selector: all(), ingress: []}}", "{kind: StagedKubernetesNetworkPolicy, spec: {stagedAction: Delete, podSelector: {}}}",
	"{kind: BGPConfiguration, spec: {communities: []}, metadata: {name: default}}",
}

// rulesAllow posts edges, which weft takes as well.
func rulesAllow(t *testing.T, server *kube.Server) {
	for _, text := range edges {
		text = whole(text)
		docs, err := api.ReadDocuments(strings.NewReader(text), "edge")
		if err != nil || len(docs) != 1 || len(docs[0].Check(api.Checks{})) > 0 {
			t.Errorf("weft refuses %s: %v, %v", text, docs, err)
		}
		path, name, _ := pathOf(text)
		if code, answer := post(t, server, path, text); code != http.StatusCreated {
			t.Errorf("%s: %d %s", text, code, answer)
			continue
		}
		server.Must(t, http.MethodDelete, path+"/"+name, "")
	}
}

// whole adds what such a text leaves out.
func whole(text string) string {
	text = "{apiVersion: projectcalico.org/v3, " + strings.TrimPrefix(text, "{")
	if !strings.Contains(text, "metadata") {
		text = strings.TrimSuffix(text, "}") + ", metadata: {name: a}}"
	}
	return text
}

// poolUpdates changes what may not change, and states the default of what was absent.
func poolUpdates(t *testing.T, server *kube.Server) {
	const path = "/apis/projectcalico.org/v3/ippools"
	server.Must(t, http.MethodPost, path, "{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: a}, spec: {cidr: 10.0.0.0/16}}")
	for patch, says := range map[string]string{
		`{"spec": {"blockSize": 27}}`: "blockSize cannot be changed", `{"spec": {"blockSize": 26}}`: "", `{"spec": {"cidr": "10.1.0.0/16"}}`: "cidr cannot be changed",
	} {
		code, answer, err := server.Do(t.Context(), http.MethodPatch, path+"/a", patch)
		if err != nil || (code == http.StatusOK) != (says == "") || !strings.Contains(answer, says) {
			t.Errorf("%s: %d %v %s", patch, code, err, answer)
		}
	}
	server.Must(t, http.MethodDelete, path+"/a", "")
}

func post(t *testing.T, server *kube.Server, path, text string) (int, string) {
	t.Helper()
	code, answer, err := server.Do(t.Context(), http.MethodPost, path+"?fieldValidation=Strict", text)
	if err != nil {
		t.Fatal(err)
	}
	return code, answer
}

// pathOf returns where a document is posted to, nothing for one that no API server knows.
func pathOf(text string) (path, name, kind string) {
	var head struct {
		APIVersion, Kind string
		Metadata         struct{ Name, Namespace string }
	}
	if yaml.Unmarshal([]byte(text), &head) != nil {
		return "", "", ""
	}
	for k := range api.Kinds() {
		if k.APIVersion != head.APIVersion || k.Kind != head.Kind {
			continue
		}
		path = "/apis/" + k.APIVersion
		if !strings.Contains(k.APIVersion, "/") {
			path = "/api/" + k.APIVersion
		}
		if k.Namespaced {
			path += "/namespaces/" + cmp.Or(head.Metadata.Namespace, "default")
		}
		return path + "/" + k.Plural(), head.Metadata.Name, k.Kind
	}
	return "", "", ""
}
