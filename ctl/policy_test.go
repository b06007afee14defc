// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"strings"
	"testing"
)

const morePolicies = `
---
{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: security}, spec: {order: 100, defaultAction: Pass}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: security.log}, spec: {tier: security, order: 5, ingress: [{action: Log}]}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: lost.one}, spec: {tier: lost}}
`

func TestPolicyList(t *testing.T) {
	u := newUser(t)
	file := u.file("shop.yaml", shopPods+shopPolicies+morePolicies)
	expect(t, "all", u.must("", "policy", "list", "--offline", "-f", file), `TIER       TIER ORDER   ORDER   KIND                              NAME                    RULES   TIER END   TYPES     NOTE                                  SELECTOR
security   100          5       GlobalNetworkPolicy               security.log            1       Pass       ingress   -                                     all()
default    1000000      1000    NetworkPolicy.networking.k8s.io   shop/api                1       Deny       ingress   -                                     projectcalico.org/namespace == "shop" && projectcalico.org/orchestrator == "k8s" && app == "backend"
default    1000000      -       NetworkPolicy                     shop/protect-database   2       Deny       ingress   -                                     projectcalico.org/namespace == "shop" && app == "database"
lost       -            -       GlobalNetworkPolicy               lost.one                0       -          ingress   not enforced: there is no tier lost   all()
`)
	out := u.must("", "policy", "list", "--offline", "-f", file, "--effective", "shop/db")
	var got []string
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		got = append(got, fields[0]+" "+fields[1]+" "+fields[4]+" "+fields[5])
	}
	expect(t, "effective", strings.Join(got[1:], "\n"), `ingress security GlobalNetworkPolicy security.log
ingress default NetworkPolicy shop/protect-database
ingress - Profile kns.shop
ingress - Profile ksa.shop.default
egress - Profile kns.shop
egress - Profile ksa.shop.default`)
	for _, wrong := range []struct{ workload, text string }{{"n1", "node n1 is no workload"}, {"shop/dbb", "did you mean db?"}} {
		if _, errOut, code := u.run("", "policy", "list", "--offline", "-f", file, "--effective", wrong.workload); code != ExitError || !strings.Contains(errOut, wrong.text) {
			t.Errorf("%s: exit %d, %s", wrong.workload, code, errOut)
		}
	}
}

func TestPolicyDiff(t *testing.T) {
	u := newUser(t)
	base := u.file("base.yaml", shopPods+shopPolicies)
	same := u.file("same.yaml", shopPolicies)
	if out := u.must("", "policy", "diff", "--base", base, "-f", same); out != "no verdict changes between 4 endpoints\n" {
		t.Errorf("the same policies: %s", out)
	}
	wider := u.file("wider.yaml", strings.ReplaceAll(shopPolicies, "[5432]", "[5432, 5433]"))
	out, errOut, code := u.run("", "policy", "diff", "--base", base, "-f", wider)
	if code != ExitVerdict {
		t.Errorf("exit %d: %s", code, errOut)
	}
	expect(t, "one more port", out, `NOW    THEN    FROM       TO        SERVICE    DECIDED NOW                                                   DECIDED THEN
deny   allow   shop/api   shop/db   TCP 5433   isolated for ingress by NetworkPolicy shop/protect-database   ingress rule 0 of NetworkPolicy shop/protect-database: Allow TCP from {projectcalico.org/namespace == "shop" && app == "backend"} to port 5432-5433
`)
	// The same with what is stored.
	u.must(`
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: n1-k8s-db-eth0, namespace: shop, labels: {app: database}}
spec: {node: n1, orchestrator: k8s, pod: db, endpoint: eth0, interfaceName: cali1, ipNetworks: [10.65.0.9/32], profiles: [kns.shop]}
---
`+shopPolicies, "apply", "-f", "-")
	open := strings.ReplaceAll(shopPolicies, "selector: app == 'backend'", "nets: [192.0.2.0/24]")
	out, _, code = u.run(open, "policy", "diff", "-f", "-", "-o", "json", "--all")
	if code != ExitVerdict || !strings.Contains(out, `"text": "outside 192.0.2.0/24"`) || !strings.Contains(out, `"service": "TCP 5432"`) {
		t.Errorf("exit %d: %s", code, out)
	}
	if stored := u.must("", "get", "cnp", "-n", "shop", "protect-database", "-o", "yaml"); strings.Contains(stored, "192.0.2.0") {
		t.Error("a diff writes")
	}
}

const stagedPolicy = `
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: web, namespace: shop}
spec: {selector: app == 'web', types: [Egress]}
`

// TestStaged shows a staged policy where it would be, what it would deny, and that it denies nothing yet.
func TestStaged(t *testing.T) {
	u := newUser(t)
	file := u.file("shop.yaml", shopPods+shopPolicies+stagedPolicy)
	if out := u.must("", "policy", "list", "--offline", "-f", file, "--effective", "shop/web"); !strings.Contains(out, "StagedNetworkPolicy   shop/web") || !strings.Contains(out, "staged: ") {
		t.Errorf("effective:\n%s", out)
	}
	if out := u.must("", "policy", "list", "--offline", "-f", file); !strings.Contains(out, "staged: evaluated") {
		t.Errorf("all:\n%s", out)
	}
	out := u.must("", "why", "--offline", "-f", file, "shop/web", "shop/api:http")
	if !strings.Contains(out, "staged   would be denied: shop/web is isolated for egress by StagedNetworkPolicy shop/web") {
		t.Errorf("why:\n%s", out)
	}
	if out := u.must("", "policy", "diff", "--base", file, "-f", file); !strings.Contains(out, "no verdict changes") {
		t.Errorf("diff:\n%s", out)
	}
	out, _, code := u.run("", "policy", "diff", "--staged", "--base", file)
	if code != ExitVerdict || !strings.Contains(out, "isolated for egress by StagedNetworkPolicy shop/web") {
		t.Errorf("diff --staged: exit %d\n%s", code, out)
	}
}
