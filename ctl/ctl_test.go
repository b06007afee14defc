// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

// user runs commands against one store, as a person would.
type user struct {
	t      *testing.T
	store  *memstore.Store
	dir    string
	listed map[api.Resource]bool
}

func newUser(t *testing.T) *user {
	return &user{t, memstore.New(), t.TempDir(), map[api.Resource]bool{}}
}

// keepOpen lets one store serve several commands, and notes what they list.
type keepOpen struct {
	store.Store
	listed map[api.Resource]bool
}

func (keepOpen) Close() error { return nil }

// List implements store.Store.
func (k keepOpen) List(ctx context.Context, resource api.Resource, namespace string) (store.List, error) {
	k.listed[resource] = true
	return k.Store.List(ctx, resource, namespace)
}

// run executes a command line with standard input and returns what it printed and its exit code.
func (u *user) run(stdin string, args ...string) (out, errOut string, code int) {
	u.t.Helper()
	var stdout, stderr strings.Builder
	env := &Env{In: strings.NewReader(stdin), Out: &stdout, Err: &stderr, Getenv: func(string) string { return "" },
		OpenStore: func(Datastore) (store.Store, error) { return keepOpen{u.store, u.listed}, nil }}
	root := New(env)
	root.SetArgs(args)
	code = Execute(context.Background(), root, env)
	return stdout.String(), stderr.String(), code
}

// must runs a command that has to succeed and returns its output.
func (u *user) must(stdin string, args ...string) string {
	u.t.Helper()
	out, errOut, code := u.run(stdin, args...)
	if code != 0 {
		u.t.Fatalf("weft %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errOut)
	}
	return out
}

func (u *user) file(name, text string) string {
	u.t.Helper()
	path := filepath.Join(u.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		u.t.Fatal(err)
	}
	return path
}

const pool = `apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: blue
spec:
  cidr: 10.10.0.0/16
  blockSize: 26
  natOutgoing: false
  ipipMode: Never
  vxlanMode: Never
  nodeSelector: all()
`

const policy = `apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata:
  name: protect-database
  namespace: prod
spec:
  selector: app == 'database'
  ingress:
  - action: Allow
    protocol: TCP
    source:
      selector: app == 'backend'
    destination:
      ports: [5432]
`

const kubePolicy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: deny-all
  namespace: prod
spec:
  podSelector: {}
`

func TestLifeOfObjects(t *testing.T) {
	u := newUser(t)
	all := strings.Join([]string{pool, policy, kubePolicy}, "---\n")
	expect(t, "first apply", u.must(all, "apply", "-f", "-"),
		"ippool blue created\nnetworkpolicy prod/protect-database created\nnetworkpolicy.networking.k8s.io prod/deny-all created\n")
	expect(t, "second apply", u.must(pool, "apply", "-f", "-"), "ippool blue unchanged\n")
	changed := strings.Replace(pool, "nodeSelector: all()", "nodeSelector: has(rack)", 1)
	expect(t, "dry run", u.must(changed, "apply", "--dry-run", "-f", "-"), "ippool blue configured (dry run)\n")
	expect(t, "changed", u.must(changed, "apply", "-f", "-"), "ippool blue configured\n")
	expect(t, "names", u.must("", "get", "networkpolicies", "-A", "-o", "name"), "networkpolicy prod/protect-database\n")
	expect(t, "kubernetes names", u.must("", "get", "knp", "-n", "prod", "-o", "name"), "networkpolicy.networking.k8s.io prod/deny-all\n")
	if out := u.must("", "get", "ippools"); !strings.Contains(out, "10.10.0.0/16") || !strings.Contains(out, "blue") {
		t.Errorf("get ippools:\n%s", out)
	}
	if out := u.must("", "get", "ippool", "blue", "-o", "yaml"); !strings.Contains(out, "natOutgoing: false") || strings.Contains(out, "assignmentMode") {
		t.Errorf("yaml must show what was written, explicit false included, and no defaults:\n%s", out)
	}
	if out := u.must("", "describe", "ippool", "blue"); !strings.Contains(out, "Defaults in force") || !strings.Contains(out, "assignmentMode: Automatic") {
		t.Errorf("describe must show defaults in force:\n%s", out)
	}
	expect(t, "delete", u.must("", "delete", "networkpolicy", "protect-database", "-n", "prod"), "networkpolicy prod/protect-database deleted\n")
	expect(t, "delete -f", u.must(kubePolicy, "delete", "-f", "-"), "networkpolicy.networking.k8s.io prod/deny-all deleted\n")
	expect(t, "skip", u.must("", "delete", "ippool", "green", "--skip-not-exists"), "ippool green is not there, skipped\n")
}

func TestCreateAndReplace(t *testing.T) {
	u := newUser(t)
	if _, errOut, code := u.run(pool, "replace", "-f", "-"); code != ExitError || !strings.Contains(errOut, "not found") {
		t.Errorf("replace of the missing: exit %d, %s", code, errOut)
	}
	u.must(pool, "create", "-f", "-")
	if _, errOut, code := u.run(pool, "create", "-f", "-"); code != ExitError || !strings.Contains(errOut, "already exists") {
		t.Errorf("second create: exit %d, %s", code, errOut)
	}
	expect(t, "skip", u.must(pool, "create", "--skip-exists", "-f", "-"), "ippool blue exists, skipped\n")
	stale := strings.Replace(pool, "name: blue", "name: blue\n  resourceVersion: \"9999\"", 1)
	if _, errOut, code := u.run(stale, "replace", "-f", "-"); code != ExitError || !strings.Contains(errOut, "read it again") {
		t.Errorf("stale replace: exit %d, %s", code, errOut)
	}
}

// TestBadInput is the list: each is refused with a clear reason, and nothing is written.
func TestBadInput(t *testing.T) {
	edit := func(text, from, to string) string {
		if !strings.Contains(text, from) {
			t.Fatalf("%q is not in the manifest", from)
		}
		return strings.Replace(text, from, to, 1)
	}
	for _, tc := range []struct{ name, manifest, want string }{
		{"malformed YAML", "apiVersion: [\n", "line"},
		{"wrong kind", edit(pool, "kind: IPPool", "kind: IPPol"), "IPPool"},
		{"unknown field", edit(pool, "natOutgoing", "natOutgoin"), "did you mean natOutgoing"},
		{"overlapping pools in the files", pool + "---\n" + edit(edit(pool, "blue", "green"), "10.10.0.0/16", "10.10.128.0/17"), "overlap"},
		{"pool smaller than a block", edit(pool, "10.10.0.0/16", "10.10.0.0/28"), "blockSize"},
		{"block size out of range", edit(pool, "blockSize: 26", "blockSize: 8"), "20"},
		{"AS number 0", "apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata: {name: default}\nspec: {asNumber: 0}\n", "asNumber"},
		{"selector with a typo", edit(policy, "app == 'database'", "app = 'database'"), "spec.selector"},
		{"missing tier", edit(policy, "spec:\n", "spec:\n  tier: securty\n"), "securty"},
		{"name too long", edit(pool, "blue", strings.Repeat("b", 254)), "metadata.name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := newUser(t)
			good := strings.Replace(pool, "blue", "innocent", 1)
			good = strings.Replace(good, "10.10.0.0/16", "10.20.0.0/16", 1)
			_, errOut, code := u.run(good+"---\n"+tc.manifest, "apply", "-f", "-")
			if code != ExitError || !strings.Contains(errOut, tc.want) {
				t.Errorf("exit %d, want 1 and %q in:\n%s", code, tc.want, errOut)
			}
			if out := u.must("", "get", "ippools", "-o", "name"); out != "" {
				t.Errorf("something was written: %s", out)
			}
		})
	}
}

func TestOverlapWithStoredPool(t *testing.T) {
	u := newUser(t)
	u.must(pool, "apply", "-f", "-")
	other := strings.Replace(strings.Replace(pool, "blue", "green", 1), "10.10.0.0/16", "10.10.4.0/22", 1)
	if _, errOut, code := u.run(other, "apply", "-f", "-"); code != ExitError || !strings.Contains(errOut, "blue") {
		t.Errorf("exit %d: %s", code, errOut)
	}
	moved := strings.Replace(pool, "10.10.0.0/16", "10.30.0.0/16", 1)
	if _, errOut, code := u.run(moved, "apply", "-f", "-"); code != ExitError || !strings.Contains(errOut, "spec.cidr") {
		t.Errorf("changing an immutable field: exit %d: %s", code, errOut)
	}
}

func TestValidate(t *testing.T) {
	u := newUser(t)
	u.file("m/pool.yaml", pool)
	u.file("m/deep/policy.yml", policy)
	u.file("m/notes.txt", "not a manifest")
	expect(t, "valid", u.must("", "validate", "-f", filepath.Join(u.dir, "m")), "2 valid\n")

	bad := u.file("bad.yaml", pool+"---\n"+strings.Replace(pool, "natOutgoing", "natOutgoin", 1))
	out, _, code := u.run("", "validate", "-f", bad)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); code != 1 || len(lines) != 1 ||
		!strings.HasPrefix(out, bad+": document 2") || !strings.Contains(out, "natOutgoin") {
		t.Errorf("exit %d, want 1 and one line with file, document, field and reason:\n%s", code, out)
	}
	_, errOut, code := u.run("", "validate", "-f", filepath.Join(u.dir, "missing.yaml"))
	if code != 1 || !strings.Contains(errOut, "missing.yaml") {
		t.Errorf("missing file: exit %d, %s", code, errOut)
	}
	if _, _, code := u.run("", "validate"); code != ExitUsage {
		t.Errorf("no -f: exit %d, want %d", code, ExitUsage)
	}
}

func TestFieldsWithoutEffectAreReported(t *testing.T) {
	u := newUser(t)
	_, errOut, code := u.run("{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {ignoredInterfaces: [docker0]}}", "apply", "-f", "-")
	if code != 0 || !strings.Contains(errOut, "warning") || !strings.Contains(errOut, "spec.ignoredInterfaces") {
		t.Errorf("exit %d, want a warning about spec.ignoredInterfaces:\n%s", code, errOut)
	}
}

func TestUsageErrors(t *testing.T) {
	u := newUser(t)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"get"}, "weft get ippools"},
		{[]string{"get", "ippools,nodes", "n1"}, "KIND/NAME"},
		{[]string{"get", "ippool/"}, "KIND/NAME"},
		{[]string{"get", "all", "blue"}, "blue"},
		{[]string{"get", "ippools", "--timeout", "0s"}, "--timeout"},
		{[]string{"delete", "ippools"}, "which ippools"},
		{[]string{"apply", "pool.yaml"}, "-f pool.yaml"},
		{[]string{"node", "statu"}, "did you mean status?"},
		{[]string{"get", "ippol"}, "ippools"},
		{[]string{"get", "ippools", "-o", "xml"}, "table, wide, yaml, json, name"},
		{[]string{"node", "status", "--socket", "/lab/{node}/agent.sock"}, "--node"},
		{[]string{"state", "policies", "--node", "n1"}, "{node}"},
		{[]string{"gett"}, "did you mean get?"},
		{[]string{"apply"}, "-f"},
		{[]string{"delete", "ippool"}, "NAME"},
		{[]string{"get", "ippools", "--colour"}, "--help"},
		{[]string{"explain", "ippool.spec.blocksiz"}, "blockSize"},
	} {
		_, errOut, code := u.run("", tc.args...)
		if code != ExitUsage || !strings.Contains(errOut, tc.want) {
			t.Errorf("weft %v: exit %d, want %d and %q in %q", tc.args, code, ExitUsage, tc.want, errOut)
		}
	}
}

func TestTierInUseIsNotDeleted(t *testing.T) {
	u := newUser(t)
	u.must("apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: security}\nspec: {order: 10}\n", "apply", "-f", "-")
	u.must(strings.Replace(strings.Replace(policy, "spec:\n", "spec:\n  tier: security\n", 1), "protect-database", "security.protect", 1), "apply", "-f", "-")
	if _, errOut, code := u.run("", "delete", "tier", "security"); code != ExitError || !strings.Contains(errOut, "still holds") {
		t.Errorf("exit %d: %s", code, errOut)
	}
	if _, errOut, code := u.run("", "delete", "tier", "default"); code != ExitError || !strings.Contains(errOut, "built in") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}

func TestExplain(t *testing.T) {
	u := newUser(t)
	if out := u.must("", "explain", "ippool.spec.blockSize"); !strings.Contains(out, "26") {
		t.Errorf("explain does not tell the default:\n%s", out)
	}
	if out := u.must("", "explain"); !strings.Contains(out, "globalnetworkpolicies") {
		t.Errorf("explain does not list the kinds:\n%s", out)
	}
}

func TestCompletion(t *testing.T) {
	u := newUser(t)
	if out := u.must("", "__complete", "get", ""); !strings.Contains(out, "ippools") {
		t.Errorf("kinds are not completed:\n%s", out)
	}
	if out := u.must("", "__complete", "get", "ippools", "-o", ""); !strings.Contains(out, "wide") {
		t.Errorf("formats are not completed:\n%s", out)
	}
	if out := u.must("", "completion", "bash"); !strings.Contains(out, "weft") {
		t.Error("no completion script for bash")
	}
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

const adminPolicies = `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: isolate-tenants}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {matchLabels: {tenant: a}}}
  ingress:
  - {name: strangers, action: Deny, from: [{namespaces: {matchExpressions: [{key: tenant, operator: NotIn, values: [a]}]}}]}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: old}
spec:
  priority: 5
  subject: {pods: {podSelector: {matchLabels: {app: web}}}}
  egress:
  - {action: Allow, to: [{domainNames: [example.org]}]}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: default}
spec:
  subject: {namespaces: {}}
  ingress:
  - {action: Deny, from: [{namespaces: {}}]}
`

func TestAdministratorsPolicies(t *testing.T) {
	u := newUser(t)
	out, errOut, code := u.run(adminPolicies, "apply", "-f", "-")
	if code != 0 || !strings.Contains(errOut, "adminnetworkpolicy old: spec.egress[0].to[0].domainNames: accepted, without effect yet: names are not looked up, the rule matches nothing") {
		t.Errorf("apply: exit %d, %q; want a warning of the names", code, errOut)
	}
	for _, want := range []string{"clusternetworkpolicy isolate-tenants created", "adminnetworkpolicy old created", "baselineadminnetworkpolicy default created"} {
		if !strings.Contains(out, want) {
			t.Errorf("apply prints %q, which lacks %q", out, want)
		}
	}
	for command, cells := range map[string][]string{
		"get clusternetworkpolicies": {"isolate-tenants", "Admin", "10", "Ingress", "namespaces tenant=a"},
		"get anp":                    {"old", "5", "Egress", "namespaces (all) pods app=web"},
		"get banp":                   {"default", "Ingress", "namespaces (all)"},
		"describe clusternetworkpolicy isolate-tenants":     {"name: strangers", "action: Deny"},
		"describe adminnetworkpolicy old":                   {"No effect", "domainNames"},
		"explain clusternetworkpolicy.spec.ingress.from":    {"namespaces", "pods", "exactly one field"},
		"explain banp.spec.egress.ports.portRange.protocol": {"one of TCP, UDP, SCTP", "TCP"},
	} {
		got := u.must("", strings.Fields(command)...)
		for _, cell := range cells {
			if !strings.Contains(got, cell) {
				t.Errorf("%s prints\n%s\nwhich lacks %q", command, got, cell)
			}
		}
	}
	misspelt := strings.Replace(adminPolicies, "podSelector", "podSelektor", 1)
	if out, errOut, code := u.run(misspelt, "validate", "-f", "-"); code == 0 || !strings.Contains(out+errOut, "did you mean podSelector?") {
		t.Errorf("validate of a misspelt field: exit %d\n%s%s", code, out, errOut)
	}
}

func TestExitAsSaysNothing(t *testing.T) {
	var out bytes.Buffer
	root := &cobra.Command{SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error { return ExitAs(7) }}
	root.SetArgs(nil)
	if code := Execute(t.Context(), root, &Env{Err: &out}); code != 7 || out.Len() > 0 {
		t.Errorf("exit %d, %q; want the code of the command and no word", code, out.String())
	}
}

// TestLockedDatastore: nothing is written but what opens it.
func TestLockedDatastore(t *testing.T) {
	u := newUser(t)
	info := "apiVersion: projectcalico.org/v3\nkind: ClusterInformation\nmetadata: {name: default}\nspec: {datastoreReady: false}\n"
	u.must(pool, "apply", "-f", "-")
	u.must(info, "apply", "-f", "-")
	for _, args := range [][]string{{"apply", "-f", "-"}, {"create", "-f", "-"}, {"replace", "-f", "-"}, {"delete", "-f", "-"}} {
		if _, errOut, code := u.run(policy, args...); code == 0 || !strings.Contains(errOut, "it is locked, as for a migration") {
			t.Errorf("%v: exit %d, %s", args, code, errOut)
		}
	}
	u.must(policy, "apply", "--dry-run", "-f", "-")
	u.must("", "get", "ippools")
	u.must(strings.Replace(info, "false", "true", 1), "apply", "-f", "-")
	u.must(policy, "apply", "-f", "-")
}
