// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/lab"
)

// onlyEncrypted makes the underlay carry nothing between nodes but WireGuard's packets, and those that measure the way below it.
const onlyEncrypted = `table inet weft_lab_plain {
 chain forward {
  type filter hook forward priority 0
  iifname "to-n*" oifname "to-n*" udp dport { 51820, 51821, 4794 } accept
  iifname "to-n*" oifname "to-n*" udp sport 4794 accept
  iifname "to-n*" oifname "to-n*" drop
 }
}`

// TestHostsEncrypted: with wireguardHostEncryptionEnabled what the nodes send each other travels encrypted, BGP between them too, on an underlay that
// carries nothing else; so it is again after kill -9 of an agent, and with a node's new keys; and switching it off leaves no rule behind.
func TestHostsEncrypted(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "hostcrypt", Nodes: 2, Subnets: 2, Families: lab.Dual})
	c.populate()
	s := lab.Scenario{Mode: lab.WireGuard, Families: lab.Dual, Driver: "nftables"}
	c.encryptHosts(s, true)
	c.nftIn("tor", onlyEncrypted)
	everybody := []string{"n1", "n2", "shop/frontend", "shop/backend", "shop/database"}
	hold := func(when string) {
		t.Helper()
		for _, cell := range c.settled(when, everybody, nil).Mismatches() {
			t.Errorf("%s: %s is %s, expected %s: %s", when, cell.Flow, cell.Got, cell.Expected, cell.Why)
		}
	}
	hold("encrypted")
	c.crash("n2") // its BGP sessions begin anew
	c.hostsEncrypted()
	c.converge()
	hold("after kill -9 of an agent")
	c.rotate("n1")
	c.hostsEncrypted()
	hold("with other keys")
	c.nftIn("tor", "delete table inet weft_lab_plain")
	c.encryptHosts(s, false)
	hold("not encrypted")
	for _, n := range c.Nodes() {
		c.eventually("rules of "+n, func() error {
			if rules := c.rules(n); strings.Contains(rules, "77:") {
				return errors.New(rules)
			}
			return nil
		})
	}
}

// encryptHosts has a scenario's nodes encrypt what they send each other, or not.
func (c *cluster) encryptHosts(s lab.Scenario, on bool) {
	c.t.Helper()
	c.choose(s, func(spec *v3.FelixConfigurationSpec) {
		spec.WireguardHostEncryptionEnabled, spec.WireguardRoutingRulePriority = &on, new(77)
	})
	c.encrypted()
	if on {
		c.hostsEncrypted()
	}
}

// hostsEncrypted waits until every node encrypts what it sends to every other one, by the rule that was asked for.
func (c *cluster) hostsEncrypted() {
	c.t.Helper()
	for _, n := range c.Nodes() {
		c.eventually("encryption between nodes at "+n, func() error {
			status, err := c.status(n)
			switch e := status.Encryption; {
			case err != nil:
				return err
			case e == nil || !e.Hosts || len(e.PlainHosts) > 0:
				return fmt.Errorf("%+v; tunnels: %+v", e, status.Tunnels)
			}
			if rules := c.rules(n); strings.Count(rules, "77:\tnot from all fwmark 0x200000/0x200000 lookup 1 proto 119") != 2 {
				return errors.New(rules)
			}
			return nil
		})
	}
}

// rotate gives a node new keys and waits until they are in use.
func (c *cluster) rotate(node string) {
	c.t.Helper()
	client := agentapi.NewClient(filepath.Join(c.NodeDir(node), "agent.sock"))
	if err := client.RotateKey(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	for _, file := range []string{"wireguard.key", "wireguard-v6.key"} {
		c.eventually("the next key of "+node, func() error {
			if _, err := os.Stat(filepath.Join(c.NodeDir(node), file+".next")); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s is not in use yet: %w", file, err)
			}
			return nil
		})
	}
}

// rules are a node's routing rules of both families.
func (c *cluster) rules(node string) (text string) {
	c.t.Helper()
	err := c.within(node, func() (err error) {
		text, err = outputOf(c.t, "bash", "-c", "ip -N rule; ip -N -6 rule")
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}
