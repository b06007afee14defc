// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/internal/agentapi"
)

// agentSays serves a status and connections on a socket, as an agent does, and returns its path.
func agentSays(t *testing.T, s agentapi.Status, connections ...agentapi.Connection) string {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(path string, v any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
	}
	answer("/v1/status", s)
	answer("/v1/connections", connections)
	socket := filepath.Join(t.TempDir(), s.Node+".sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return socket
}

// guard is a policy in the store, as a careless program writes it.
const guard = `{"apiVersion":"projectcalico.org/v3","kind":"NetworkPolicy","metadata":{"name":"NAME","namespace":"prod"},
	"spec":{"selector":"SELECTOR","types":["Ingress"]}}`

func (u *user) inject(name, selector string) api.Key {
	key := api.Key{Resource: api.NetworkPolicies, Namespace: "prod", Name: name}
	u.store.Inject(key, []byte(strings.NewReplacer("NAME", name, "SELECTOR", selector).Replace(guard)))
	return key
}

// TestGetSaysWhatIsRefused: a policy that agents refuse has a status with the reason, where all is well there is none.
func TestGetSaysWhatIsRefused(t *testing.T) {
	u := newUser(t)
	u.inject("good", "all()")
	if out := u.must("", "get", "networkpolicies", "-n", "prod"); strings.Contains(out, "STATUS") {
		t.Errorf("a status without need:\n%s", out)
	}
	bad := u.inject("bad", "app = 'x'")
	out := u.must("", "get", "networkpolicies", "-n", "prod")
	head, rows, _ := strings.Cut(out, "\n")
	if !strings.HasSuffix(head, "STATUS") {
		t.Fatalf("no column for the status:\n%s", out)
	}
	for row := range strings.Lines(rows) {
		if wrong := strings.Contains(row, "refused: spec.selector: "); wrong != strings.Contains(row, " bad ") {
			t.Errorf("row %q", row)
		}
	}
	_, warnings, code := u.run("", "get", "networkpolicies", "-n", "prod", "-o", "yaml")
	if code != 0 || !strings.HasPrefix(warnings, "warning: networkpolicy prod/bad: refused: spec.selector: ") {
		t.Errorf("exit %d, warnings %q", code, warnings)
	}

	socket := agentSays(t, agentapi.Status{Node: "n1", Problems: []agentapi.Problem{
		{Object: bad.String(), Field: "spec.selector", Reason: "no good; the last good version stays in force", Refused: true},
		{Object: api.Key{Resource: api.NetworkPolicies, Namespace: "prod", Name: "good"}.String(), Field: "spec.tier", Reason: "tier x does not exist"},
		{Object: "networkpolicies.projectcalico.org prod/other", Reason: "not asked about"},
	}})
	out = u.must("", "get", "networkpolicies", "-n", "prod", "--socket", socket)
	for _, want := range []string{"refused: spec.selector: no good; the last good version stays in force", "on n1: spec.tier: tier x does not exist"} {
		if !strings.Contains(out, want) || strings.Contains(out, "not asked") {
			t.Errorf("with an agent's words, want %q:\n%s", want, out)
		}
	}
	out = u.must("", "describe", "networkpolicy/bad", "-n", "prod", "--socket", socket)
	if strings.Count(out, "Invalid:") != 2 || !strings.Contains(strings.Join(strings.Fields(out), " "), "no good; the last good version stays in force (node n1)") {
		t.Errorf("description:\n%s", out)
	}
	if _, warnings, _ := u.run("", "get", "networkpolicies", "-A", "--socket", socket+"x"); !strings.Contains(warnings, "warning: agent socket") {
		t.Errorf("an agent that was named and does not answer: %q", warnings)
	}
}

// TestUnknownFieldsAreShown: an object with a field that this version does not know says so, without an agent too. Applying it anew without the field ends it,
// applying what was read keeps it: the field is lost then.
func TestUnknownFieldsAreShown(t *testing.T) {
	u := newUser(t)
	const fine = `{"apiVersion":"projectcalico.org/v3","kind":"NetworkPolicy","metadata":{"name":"newer","namespace":"prod"},
		"spec":{"types":["Ingress"],"ingress":[{"action":"Allow"}]}}`
	u.store.Inject(api.Key{Resource: api.NetworkPolicies, Namespace: "prod", Name: "newer"}, []byte(strings.Replace(fine, `"Allow"`, `"Allow","newer":1`, 1)))
	u.store.Inject(api.Key{Resource: api.HostEndpoints, Name: "newer"}, []byte(`{"apiVersion":"projectcalico.org/v3","kind":"HostEndpoint","metadata":{"name":"newer"},
		"spec":{"node":"n1","interfaceName":"eth0","newer":1}}`))
	const doubt = "does not know the field: "
	says := func(kind, want string) {
		t.Helper()
		if out := u.must("", "get", kind, "newer", "-n", "prod"); strings.Contains(out, "refused") || !strings.Contains(out, want) || want == "" && strings.Contains(out, doubt) {
			t.Errorf("want %q:\n%s", want, out)
		}
	}
	says("hostendpoints", doubt+"it has no effect")
	says("networkpolicies", doubt+"the rule allows nothing")
	u.must(u.must("", "get", "networkpolicies", "newer", "-n", "prod", "-o", "json"), "apply", "-f", "-")
	says("networkpolicies", doubt+"the rule allows nothing")
	u.must(fine, "apply", "-f", "-")
	says("networkpolicies", "")
	if _, errOut, code := u.run(strings.Replace(fine, `"Allow"`, `"Allow","newer":1`, 1), "apply", "-f", "-"); code == 0 || !strings.Contains(errOut, "unknown field") {
		t.Errorf("applying an unknown field: exit %d: %s", code, errOut)
	}
}

// TestUnreadableValuesAreShown: what is stored and no object has a row with the reason; the exit status says that not all could be shown.
func TestUnreadableValuesAreShown(t *testing.T) {
	u := newUser(t)
	u.inject("good", "all()")
	u.store.Inject(api.Key{Resource: api.NetworkPolicies, Namespace: "prod", Name: "garbage"}, []byte("no JSON"))
	for _, tc := range []struct {
		args string
		code int
	}{
		{"get networkpolicies -A", ExitPartial},
		{"get networkpolicies good garbage -n prod", ExitPartial},
		{"get networkpolicies garbage -A", ExitError},
		{"get networkpolicies garbage -n prod", ExitError},
		{"describe networkpolicies garbage -n prod", ExitError},
		{"describe networkpolicies -n prod", ExitPartial},
		{"get networkpolicies good -n prod", 0},
	} {
		out, errOut, code := u.run("", strings.Fields(tc.args)...)
		if code != tc.code || (code == 0) == strings.Contains(out, "cannot be read: ") || (code == 0) == strings.Contains(errOut, "1 stored value cannot be read") {
			t.Errorf("weft %s: exit %d, want %d\n%s%s", tc.args, code, tc.code, out, errOut)
		}
	}
	out, errOut, code := u.run("", strings.Fields("get networkpolicies -A -o name")...)
	if code != ExitPartial || out != "networkpolicy prod/good\n" || !strings.Contains(errOut, "warning: networkpolicy prod/garbage: refused: cannot be read") {
		t.Errorf("names: exit %d\n%s%s", code, out, errOut)
	}
}
