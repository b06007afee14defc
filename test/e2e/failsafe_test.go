// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/agentapi"
)

// TestFailsafePortsAreAnnounced closes a node by policy: BGP goes on through its failsafe port, and the agent and `weft get` say which ports only stay open
// for that reason, and because of which policy.
func TestFailsafePortsAreAnnounced(t *testing.T) {
	c := up(t, "failsafe", 2)
	c.populate()
	host := &v3.HostEndpoint{ObjectMeta: v3.ObjectMeta{Name: "n1-any", Labels: map[string]string{"role": "host"}}}
	host.Spec = v3.HostEndpointSpec{Node: "n1", InterfaceName: "*", Profiles: []string{"projectcalico-default-allow"}}
	shut := &v3.GlobalNetworkPolicy{ObjectMeta: v3.ObjectMeta{Name: "shut"}}
	shut.Spec = v3.GlobalNetworkPolicySpec{Selector: "role == 'host'", Types: []v3.PolicyType{v3.Ingress, v3.Egress}}
	c.apply(host, shut)
	const policy, ports = "globalnetworkpolicies.projectcalico.org shut", "would close host endpoint n1-any for ingress TCP 22, TCP 179, "
	c.eventually("the agent says so", func() error {
		s, err := c.status("n1")
		if err != nil {
			return err
		}
		for _, n := range s.Notices {
			if n.Object == policy && strings.HasPrefix(n.Reason, ports) {
				return nil
			}
		}
		return errors.New("no such notice")
	})
	socket := filepath.Join(c.NodeDir("n1"), "agent.sock")
	out, errOut, code := c.command("get", "globalnetworkpolicies", "--socket", socket)
	if code != 0 || !strings.Contains(out, "on n1: would close host endpoint n1-any") {
		t.Errorf("weft get: exit %d\n%s%s", code, out, errOut)
	}
	out, errOut, code = c.command("node", "status", "--socket", socket)
	if code != 0 || !strings.Contains(out, "\nNotice: "+policy+": "+ports) {
		t.Errorf("weft node status: exit %d\n%s%s", code, out, errOut)
	}
	if err := c.RestartAgent(t.Context(), "n2"); err != nil { // a new session, which policy would not allow
		t.Fatal(err)
	}
	c.eventually("BGP is up again through the failsafe port", func() error {
		s, err := c.status("n2")
		if err != nil {
			return err
		}
		return established(s)
	})
}

// established is an error unless all sessions are up.
func established(s agentapi.Status) error {
	for _, p := range s.BGP.Peers {
		if !strings.EqualFold(p.State, "Established") {
			return errors.New(p.Address + " is " + p.State)
		}
	}
	if len(s.BGP.Peers) == 0 {
		return errors.New("no sessions")
	}
	return nil
}
