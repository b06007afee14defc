// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/agent/driver"
	v3 "github.com/weftnet/weft/api/v3"
)

// useDriver is the setting for a data plane driver.
func useDriver(name string) *v3.FelixConfiguration {
	f := &v3.FelixConfiguration{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "FelixConfiguration"}, ObjectMeta: v3.ObjectMeta{Name: "default"}}
	mode, backend := "Disabled", map[string]string{driver.IPTablesNFT: "NFT", driver.IPTablesLegacy: "Legacy"}[name]
	if backend == "" {
		mode = "Enabled"
	} else {
		f.Spec.IPTablesBackend = &backend
	}
	f.Spec.NFTablesMode = &mode
	return f
}

// drivers is the way through all of them, from nftables and back.
var drivers = []string{driver.IPTablesNFT, driver.IPTablesLegacy, driver.NFTables}

// TestDriversAreExchangedUnderTraffic changes the data plane of running nodes: no allowed connection fails, no denied packet passes, established
// connections live on, and of the old driver nothing is left.
func TestDriversAreExchangedUnderTraffic(t *testing.T) {
	c := up(t, "drivers", 2)
	c.shop()
	c.during("exchanges", usual, func() {
		for range rounds(1, 10) {
			for _, name := range drivers {
				c.apply(useDriver(name))
				c.drivenBy(name)
			}
		}
	})
	m, err := c.Matrix(t.Context(), []string{"shop/frontend-near", "shop/backend-far", "shop/database"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range m.Mismatches() {
		t.Errorf("in the end: %s is %s, expected %s", cell.Flow, cell.Got, cell.Expected)
	}
	c.intact("n1")
}

// TestKilledDuringAnExchange kills an agent with -9 while it changes its driver: policy holds, and the next one finishes the change.
func TestKilledDuringAnExchange(t *testing.T) {
	c := up(t, "xkill", 2)
	c.shop()
	c.during("kills", usual, func() {
		for i := range rounds(6, 60) {
			name := drivers[i%len(drivers)]
			c.apply(useDriver(name))
			time.Sleep(time.Duration(i) * 7 * time.Millisecond % (100 * time.Millisecond)) // another moment each time
			if err := c.KillAgent(t.Context(), "n1", syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := c.StartAgent(t.Context(), "n1"); err != nil {
				t.Fatal(err)
			}
			c.drivenBy(name)
		}
	})
}

// TestExchangedDriversJudgeConnectionsAlike: what policy has ended stays ended under the next driver and goes on when it is allowed again, what lives
// lives on, and with existingConnections: Keep so does what is denied, until that is taken back. Both ends of all flows send all the time.
func TestExchangedDriversJudgeConnectionsAlike(t *testing.T) {
	c := up(t, "xconns", 2)
	c.shop()
	c.apply(openTo("app in {'frontend', 'backend'}"))
	c.converge()
	tr := c.newTraffic()
	var frontends, backends []*talk
	for _, where := range []string{"near", "far"} {
		frontends = append(frontends, tr.talks("shop/frontend-"+where, "shop/database")...)
		backends = append(backends, tr.talks("shop/backend-"+where, "shop/database")...)
	}
	all := slices.Concat(frontends, backends)
	exchange := func(name, mode string) {
		t.Helper()
		f := useDriver(name)
		f.Spec.ExistingConnections = &mode
		c.apply(f)
		c.drivenBy(name)
	}
	before := driver.NFTables
	for _, name := range drivers[:rounds(1, len(drivers))] {
		there, back := before+" to "+name, name+" to "+before
		c.apply(openTo("app == 'backend'"))
		c.cut(there+", before", frontends...)
		exchange(name, "Reevaluate")
		c.cut(there, frontends...)
		c.alive(there, backends...)
		c.apply(openTo("app in {'frontend', 'backend'}"))
		c.alive(there+", allowed again", all...)

		exchange(name, "Keep")
		c.apply(openTo("app == 'nobody'"))
		c.converge()
		c.alive(back+" with Keep, before", all...)
		exchange(before, "Keep")
		c.alive(back+" with Keep", all...)
		exchange(name, "Keep")
		c.alive(there+" with Keep", all...)
		exchange(name, "Reevaluate")
		c.cut(there+", Keep is taken back", all...)
		exchange(before, "Reevaluate")
		c.cut(back, all...)
		c.apply(openTo("app in {'frontend', 'backend'}"))
		c.alive(back+", allowed again", all...)
		exchange(name, "Reevaluate")
		c.alive(there+", at last", all...)
		before = name
	}
	tr.end()
}

// drivenBy waits until all nodes use a driver and nothing of the others is left in their kernels.
func (c *cluster) drivenBy(name string) {
	c.t.Helper()
	for _, node := range c.Nodes() {
		c.eventually(node+" uses "+name, func() error {
			s, err := c.status(node)
			if err != nil {
				return err
			}
			if s.Dataplane.Driver != name || s.Dataplane.State != "programmed" || s.Dataplane.Reason == "" {
				return fmt.Errorf("%+v", s.Dataplane)
			}
			return nil
		})
		for other, there := range c.traces(node) {
			if there != (other == name) {
				c.t.Errorf("%s uses %s: rules of %s in the kernel: %v", node, name, other, there)
			}
		}
	}
}

// traces says for each driver whether the kernel of a node holds rules of it.
func (c *cluster) traces(node string) map[string]bool {
	c.t.Helper()
	out := map[string]bool{}
	for name, ask := range map[string]struct{ command, sign string }{
		driver.NFTables:       {"nft list tables", "inet weft\n"},
		driver.IPTablesNFT:    {"iptables-nft-save; ip6tables-nft-save", ":weft-"},
		driver.IPTablesLegacy: {"iptables-legacy-save; ip6tables-legacy-save", ":weft-"},
	} {
		err := c.within(node, func() error {
			text, err := exec.CommandContext(c.t.Context(), "sh", "-c", ask.command).Output()
			out[name] = strings.Contains(string(text), ask.sign)
			return err
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return out
}
