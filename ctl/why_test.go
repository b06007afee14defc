// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const shopPods = `
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: api, namespace: shop, labels: {app: backend}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: database}}, spec: {nodeName: n1}, status: {podIP: 10.65.0.9}}
---
{apiVersion: v1, kind: Pod, metadata: {name: api, namespace: ops, labels: {app: backend}}, spec: {}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}
---
`

const shopPolicies = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: protect-database, namespace: shop}
spec:
  selector: app == 'database'
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: app == 'backend'}, destination: {ports: [5432]}}
  - {action: Deny, source: {nets: [203.0.113.0/24]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: backend}}
  ingress:
  - {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: http}]}
`

func TestWhyOffline(t *testing.T) {
	u := newUser(t)
	file := u.file("shop.yaml", shopPods+shopPolicies)
	const protect, kube = "NetworkPolicy shop/protect-database", "NetworkPolicy.networking.k8s.io shop/api"
	for _, tc := range []struct {
		src, dst                string
		verdict, policy, reason string // of ingress
	}{
		{"shop/api", "shop/db:5432", "allow", protect, "ingress rule 0 of " + protect + " allows it"},
		{"ops/api", "shop/db:5432", "deny", protect, "shop/db is isolated for ingress by " + protect},
		{"shop/api", "shop/db:5433", "deny", protect, "no rule there allows this flow"},
		{"shop/api", "shop/db:5432/UDP", "deny", protect, "no rule there allows this flow"},
		{"203.0.113.5", "shop/db:5432", "deny", protect, "ingress rule 1 of " + protect + " denies it"},
		{"n1", "shop/db:22", "allow", "", "the node may always talk to its workloads"},
		{"shop/web", "shop/api:http", "allow", kube, "ingress rule 0 of " + kube + " allows it"},
		{"shop/web", "shop/api:8080", "allow", kube, "ingress rule 0 of " + kube + " allows it"},
		{"shop/web", "shop/api:icmp", "deny", kube, "isolated for ingress by " + kube},
		{"shop/db", "ops/api:80", "allow", "Profile kns.ops", "no policy selects it for ingress, and ingress rule 0 of Profile kns.ops allows it"},
		{"shop/db", "198.51.100.1:443", "allow", "", "198.51.100.1 is no endpoint"},
		{"shop/db", "192.0.2.1:443", "deny", "", "a workload may not talk to its own host (defaultEndpointToHostAction Drop)"},
		{"shop/db", "shop/db:443", "allow", "", "packets to itself"},
	} {
		out, errOut, code := u.run("", "why", "--offline", "-f", file, tc.src, tc.dst, "-o", "json")
		var got struct {
			Verdict         string
			Egress, Ingress struct{ Verdict, Tier, Policy, Rule, Reason *string }
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%s %s: exit %d: %v\n%s%s", tc.src, tc.dst, code, err, out, errOut)
		}
		for _, p := range []*string{got.Egress.Verdict, got.Egress.Tier, got.Egress.Policy, got.Egress.Rule, got.Egress.Reason, got.Ingress.Tier, got.Ingress.Rule} {
			if p == nil {
				t.Fatalf("%s %s: a field is missing:\n%s", tc.src, tc.dst, out)
			}
		}
		if wantCode := map[string]int{"allow": 0, "deny": ExitVerdict}[tc.verdict]; got.Verdict != tc.verdict || code != wantCode ||
			*got.Ingress.Verdict != tc.verdict || *got.Ingress.Policy != tc.policy || !strings.Contains(*got.Ingress.Reason, tc.reason) {
			t.Errorf("%s %s: exit %d:\n%s", tc.src, tc.dst, code, out)
		}
	}
}

// TestWhyNodes: nodes as peers, out of Node manifests.
func TestWhyNodes(t *testing.T) {
	u := newUser(t)
	file := u.file("shop.yaml", shopPods+`
{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {role: infra}}, status: {addresses: [{type: InternalIP, address: 192.0.2.2}, {type: ExternalIP, address: "2001:db8::2"}]}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: keep-off}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  egress:
  - {action: Deny, to: [{nodes: {matchLabels: {role: infra}}}]}
`)
	for dst, want := range map[string]int{"n2:22": ExitVerdict, "[2001:db8::2]:22": ExitVerdict, "n1:22": 0, "192.0.2.3:22": 0} {
		if out, errOut, got := u.run("", "why", "--offline", "-f", file, "shop/web", dst); got != want {
			t.Errorf("%s: exit %d\n%s%s", dst, got, out, errOut)
		}
	}
	out, _, _ := u.run("", "why", "--offline", "-f", file, "shop/web", "n2:22")
	for _, want := range []string{`Deny to nodes {role == "infra"}`, "role=infra"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestWhyStored(t *testing.T) {
	u := newUser(t)
	u.must(`
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: n1-k8s-db-eth0, namespace: shop, labels: {app: database}}
spec: {node: n1, orchestrator: k8s, pod: db, endpoint: eth0, interfaceName: cali1, ipNetworks: [10.65.0.9/32], profiles: [kns.shop]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
`+shopPolicies, "apply", "-f", "-")
	if out, _, code := u.run("", "why", "198.51.100.1", "shop/db:5432"); code != ExitVerdict || !strings.Contains(out, "isolated for ingress by") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if out := u.must("", "why", "shop/db", "198.51.100.1:80"); !strings.HasPrefix(out, "allowed: shop/db (10.65.0.9) -> 198.51.100.1 TCP 80\n") {
		t.Errorf("%s", out)
	}
}

func TestWhyText(t *testing.T) {
	u := newUser(t)
	out, errOut, code := u.run("", "why", "--offline", "-f", u.file("shop.yaml", shopPods+shopPolicies), "shop/web", "shop/api")
	expect(t, "answer", out+errOut, `denied: shop/web (address not known) -> shop/api (address not known) TCP, a port that no rule means; by port:
  1-8079        deny
  8080          allow
  8081-65535    deny

Egress at shop/web: allowed
  because  no policy selects it for egress, and egress rule 0 of Profile kns.shop allows it
  policy   Profile kns.shop
  rule     Allow anything

Ingress at shop/api: denied
  because  shop/api is isolated for ingress by NetworkPolicy.networking.k8s.io shop/api, and no rule there allows this flow
  tier     default
  policy   NetworkPolicy.networking.k8s.io shop/api
  nearest  rule 0 of NetworkPolicy.networking.k8s.io shop/api: Allow TCP from {projectcalico.org/namespace == "shop" && projectcalico.org/orchestrator == "k8s" && app == "web"} to port http
           not all ports
  way
    tier default: NetworkPolicy.networking.k8s.io shop/api: no rule decides
    tier default: nothing decides; the tier's default is Deny, because it applies NetworkPolicy.networking.k8s.io shop/api

Note: not in the files, assumed without labels but kubernetes.io/metadata.name: namespace ops, shop
`)
	if code != ExitVerdict {
		t.Errorf("exit %d", code)
	}
}

// TestWhyChange pastes what is proposed.
func TestWhyChange(t *testing.T) {
	u := newUser(t)
	file := u.file("shop.yaml", shopPods+shopPolicies)
	out, _, _ := u.run("", "why", "--offline", "-f", file, "ops/api", "shop/db:5432")
	if want := `
To allow it at ingress, insert as rule 2 of ingress in NetworkPolicy shop/protect-database:
  - action: Allow
    destination:
      ports:
      - 5432
    protocol: TCP
    source:
      namespaceSelector: projectcalico.org/name == 'ops'
      selector: app == 'backend'
`; !strings.Contains(out, want) {
		t.Errorf("no%sin\n%s", want, out)
	}
	out, _, _ = u.run("", "why", "--offline", "-f", file, "ops/api", "shop/db:5432", "-o", "json")
	var answer struct {
		Changes []struct{ Object json.RawMessage }
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Changes) != 1 {
		t.Fatal(err, out)
	}
	changed := u.file("changed.json", string(answer.Changes[0].Object))
	pods := u.file("pods.yaml", shopPods)
	u.must("", "why", "--offline", "-f", changed, "-f", pods, "ops/api", "shop/db:5432")
}

func TestWhyMistakes(t *testing.T) {
	u := newUser(t)
	file := u.file("shop.yaml", shopPods+shopPolicies)
	for _, tc := range []struct {
		args string
		code int
		text string
	}{
		{"shop/web", ExitUsage, "accepts 2 arg(s), received 1"},
		{"shop/web shop/db:99999", ExitUsage, "ports are 1-65535"},
		{"shop/web shop/db:80/foo", ExitUsage, `"foo" is no protocol`},
		{"--offline shop/web shop/db", ExitUsage, "say what to read with -f"},
		{"-f " + file + " shop/web shop/db", ExitUsage, "-f goes with --offline"},
		{"--offline -f " + file + " shop/wbe shop/db", ExitError, `source: there is no pod "wbe" in namespace shop; did you mean web?`},
		{"--offline -f " + file + " shop/web shpo/db", ExitError, `destination: there is no namespace "shpo"; did you mean shop?`},
		{"--offline -f " + file + " shop/web shop/api:htp", ExitError, `declares no port "htp"; it has http (TCP 8080)`},
		{"--offline -f " + file + " shop/web shop/web:http", ExitError, "declares no port with a name"},
		{"--offline -f " + file + " fd00::1 shop/db:80", ExitError, "no IP version in common"},
		{"--offline -f " + u.file("typo.yaml", strings.ReplaceAll(shopPolicies, "selector:", "selectr:")) + " shop/web shop/db", ExitError, "did you mean selector?"},
		{"--offline -f " + u.file("kind.yaml", "{apiVersion: v1, kind: Namspace, metadata: {name: a}}") + " a/b c/d", ExitError, "did you mean Namespace?"},
	} {
		out, errOut, code := u.run("", append([]string{"why"}, strings.Fields(tc.args)...)...)
		if code != tc.code || out != "" || !strings.Contains(errOut, tc.text) {
			t.Errorf("why %s: exit %d, want %d with %q:\n%s%s", tc.args, code, tc.code, tc.text, out, errOut)
		}
	}
}

// TestWhyAServiceAddress: the packets go elsewhere, which the answer says.
func TestWhyAServiceAddress(t *testing.T) {
	u := newUser(t)
	file := u.file("shop.yaml", shopPods+`
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {clusterIP: 10.96.0.9, clusterIPs: [10.96.0.9], externalIPs: [198.51.100.9], ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.9}]}}
`)
	for dst, of := range map[string]bool{"10.96.0.9": true, "198.51.100.9": true, "203.0.113.9": true, "10.96.0.10": false} {
		out := u.must("", "why", "--offline", "-f", file, "shop/web", dst+":80")
		if strings.Contains(out, dst+" is an address of Service shop/api: ") != of {
			t.Errorf("%s:\n%s", dst, out)
		}
	}
}

// TestWhyWrongPods names file, document, object and field.
func TestWhyWrongPods(t *testing.T) {
	u := newUser(t)
	const pod = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop%s}, spec: {}, status: {podIP: %s}}\n---\n"
	for text, want := range map[string]string{
		fmt.Sprintf(pod, ", labels: {app: 7}", "10.0.0.1"):                                  "pods.yaml, document 1: Pod shop/web: metadata.labels: is a number where",
		fmt.Sprintf(pod, "", "10.0.0.999"):                                                  "pods.yaml, document 1: Pod shop/web: status.podIP: \"10.0.0.999\" is no IP address",
		fmt.Sprintf(pod, "", "10.0.0.1") + fmt.Sprintf(pod, ", labels: {a: b}", "10.0.0.2"): "pods.yaml, document 2: Pod shop/web: metadata.name: the same object is defined before, in ",
	} {
		_, errOut, code := u.run("", "why", "--offline", "-f", u.file("pods.yaml", text), "shop/web", "1.1.1.1:80")
		if code != ExitError || !strings.Contains(errOut, want) {
			t.Errorf("exit %d, no %q in\n%s", code, want, errOut)
		}
	}
}
