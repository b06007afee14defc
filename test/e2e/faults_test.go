// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/sys/own"
)

func allowTo(from string, port int) v3.Rule {
	tcp := intstr.FromString("TCP")
	return v3.Rule{Action: v3.Allow, Protocol: &tcp, Source: &v3.EntityRule{Selector: from},
		Destination: &v3.EntityRule{Ports: []intstr.IntOrString{intstr.FromInt(port)}}}
}

func dataplane(s agentapi.Status) agentapi.ComponentStatus { return s.Dataplane }
func routes(s agentapi.Status) agentapi.ComponentStatus    { return s.Routes }

// TestForeignDamage deletes the policy table and routes by hand; both come back on the event.
func TestForeignDamage(t *testing.T) {
	c := up(t, "damage", 2)
	c.populate()
	c.holds("before")
	database, err := c.Workload("shop/database")
	if err != nil {
		t.Fatal(err)
	}
	before, err := c.status(database.Node)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteTable(t.Context(), database.Node); err != nil {
		t.Fatal(err)
	}
	c.repaired(database.Node, dataplane, before.Dataplane.Repaired)
	c.holds("after the table was deleted")
	for _, addr := range database.Addresses {
		before, err := c.status(database.Node)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteRoute(t.Context(), database.Node, netip.PrefixFrom(addr, addr.BitLen())); err != nil {
			t.Fatal(err)
		}
		c.repaired(database.Node, routes, before.Routes.Repaired)
	}
	c.holds("after the workload's routes were deleted")
}

// TestDatastoreGoneInMidRun takes etcd away: traffic, policy and DEL go on, ADD says why not, and all catches up afterwards.
func TestDatastoreGoneInMidRun(t *testing.T) {
	c := up(t, "storegone", 2)
	c.populate()
	judge, err := c.Judge(t.Context()) // while there still is a datastore to read
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StopStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.eventually("n1 notices", func() error {
		s, err := c.status("n1")
		if err == nil && s.Datastore == "" {
			err = errors.New("still in sync")
		}
		return err
	})
	c.judged("without the datastore", judge)
	if out, err := c.plugin("n1", "STATUS"); err == nil || !strings.Contains(out, `"code":50`) || !strings.Contains(out, "datastore") {
		t.Errorf("CNI STATUS without the datastore: %v %s; want code 50 and the reason", err, out)
	}
	if err := c.StartStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.apply(&v3.GlobalNetworkSet{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "GlobalNetworkSet"}, ObjectMeta: v3.ObjectMeta{Name: "after"}})
	c.converge()
	c.holds("after the datastore came back")
	c.add("n1", "late", "frontend")
}

// TestAgentStartsWithoutDatastore restarts an agent while etcd is away and the kernel has nothing of it any more, as after a reboot: the inputs on disk are in force until
// etcd is back.
func TestAgentStartsWithoutDatastore(t *testing.T) {
	c := up(t, "nostore", 2)
	c.populate()
	judge, err := c.Judge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	database, err := c.Workload("shop/database")
	if err != nil {
		t.Fatal(err)
	}
	node := database.Node
	if err := c.KillAgent(t.Context(), node, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := c.StopStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteTable(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	if err := c.within(node, func() error {
		return run(t, "bash", "-c", fmt.Sprintf("ip route flush proto %d; ip -6 route flush proto %[1]d", own.RouteProtocol))
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := c.StartAgent(ctx, node); err == nil {
		t.Fatal("the agent claims to be in sync without a datastore")
	}
	c.eventually("the inputs on disk in force", func() error {
		s, err := c.status(node)
		if err == nil && (s.InSync || s.Datastore == "" || s.Cache == nil || s.Dataplane.State != "programmed" || s.Routes.State != "programmed") {
			err = fmt.Errorf("%+v", s)
		}
		return err
	})
	c.judged("from the inputs on disk", judge)
	if err := c.StartStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.converge()
	c.holds("after the datastore came back")
	if s, err := c.status(node); err != nil || s.Cache != nil {
		t.Errorf("still from disk: %+v, %v", s, err)
	}
}

// judged probes the database until flows to it go as judge says, which needs no datastore. A denied one that passes fails at once.
func (c *cluster) judged(when string, judge probe.Judge) {
	c.t.Helper()
	crew, err := c.Crew(c.t.Context(), []string{"shop/frontend", "shop/backend", "shop/database"}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer crew.Close()
	var flows []probeFlow
	for _, pair := range [][2]string{{"shop/frontend", "shop/database"}, {"shop/backend", "shop/database"}} {
		between, err := crew.Between(pair[0], pair[1])
		if err != nil {
			c.t.Fatal(err)
		}
		flows = append(flows, between...)
	}
	c.eventually(when, func() error {
		m, err := crew.Try(c.t.Context(), flows, judge)
		if err != nil {
			return err
		}
		var wrong []error
		for _, cell := range m.Mismatches() {
			err := fmt.Errorf("%s is %s, expected %s", cell.Flow, cell.Got, cell.Expected)
			if cell.Expected == probe.Denied {
				c.t.Fatalf("%s: %v", when, err)
			}
			wrong = append(wrong, err)
		}
		return errors.Join(wrong...)
	})
}

// TestAgentKilled kills an agent with -9 and starts it again while a policy changes: what is in force stays in force, nothing
// opens, and the change takes effect afterwards.
func TestAgentKilled(t *testing.T) {
	c := up(t, "killed", 2)
	c.populate()
	database, err := c.Workload("shop/database")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.KillAgent(t.Context(), database.Node, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.holds("while the agent is dead")
	policy := protectDatabase()
	policy.Spec.Ingress = []v3.Rule{allowTo("app == 'frontend'", 5432)}
	c.apply(policy)
	if err := c.StartAgent(t.Context(), database.Node); err != nil {
		t.Fatal(err)
	}
	c.converge()
	c.holds("after the restart, with the policy changed meanwhile")
}

// TestTwoAgentsWithOneName starts a second agent under a taken node name: it is refused, and the first goes on.
func TestTwoAgentsWithOneName(t *testing.T) {
	c := up(t, "twins", 2)
	c.populate()
	dir := t.TempDir()
	ns, err := c.Namespace("n2")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ns.Close() }()
	var out strings.Builder
	err = ns.Do(func() error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "weft"), "agent", "--node", "n1", "--state-dir", dir, "--etcd-endpoints", c.StoreEndpoint())
		cmd.Stdout, cmd.Stderr = &out, &out
		return cmd.Run()
	})
	if err == nil || !strings.Contains(out.String(), "node name is taken") || !strings.Contains(out.String(), "--node") {
		t.Errorf("second agent: %v\n%s\nwant a refusal that names the holder and the way out", err, out.String())
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "weft"), "agent", "--node", "n1", "--state-dir", c.NodeDir("n1"), "--etcd-endpoints", c.StoreEndpoint())
	text, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(text), "held by process") {
		t.Errorf("second agent in one state directory: %v\n%s", err, text)
	}
	c.holds("after the refusals")
}

// TestFullPool fills a pool: the error names it, and a freed address is used again.
func TestFullPool(t *testing.T) {
	c := up(t, "full", 1)
	small := &v3.IPPool{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "IPPool"}, ObjectMeta: v3.ObjectMeta{Name: "tiny"}}
	size := 31
	small.Spec.CIDR, small.Spec.BlockSize = "10.99.0.0/31", &size
	s, err := c.Store()
	if err != nil {
		t.Fatal(err)
	}
	disableOtherPools(t, s)
	c.apply(small)
	c.add("n1", "one", "x")
	c.add("n1", "two", "x")
	_, err = c.AddWorkload(t.Context(), lab.Workload{Node: "n1", Namespace: "shop", Name: "three"})
	if err == nil || !strings.Contains(err.Error(), "tiny") {
		t.Errorf("third workload = %v, want an error that names the full pool", err)
	}
	if err := c.DeleteWorkload(t.Context(), "shop/one"); err != nil {
		t.Fatal(err)
	}
	c.add("n1", "three", "x")
}

// TestKilledDuringADD kills the agent while workloads are being attached, again and again. Afterwards every workload either works or is
// gone without a trace.
func TestKilledDuringADD(t *testing.T) {
	c := up(t, "midadd", 1)
	for i := range 6 {
		name := "w" + string(rune('a'+i))
		added := make(chan error, 1)
		go func() {
			_, err := c.AddWorkload(t.Context(), lab.Workload{Node: "n1", Namespace: "shop", Name: name, Labels: map[string]string{"app": name}})
			added <- err
		}()
		// A different moment of the ADD each time; where exactly does not matter, all of them must be survived.
		time.Sleep(time.Duration(i) * 3 * time.Millisecond)
		if err := c.KillAgent(t.Context(), "n1", syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		err := <-added
		if err := c.StartAgent(t.Context(), "n1"); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			// As a runtime does: DEL until it succeeds, then a new ADD.
			if err := c.DeleteWorkload(t.Context(), "shop/"+name); err != nil && !errors.Is(err, lab.ErrNotFound) {
				t.Fatalf("DEL after the kill: %v", err)
			}
			if _, err := c.AddWorkload(t.Context(), lab.Workload{Node: "n1", Namespace: "shop", Name: name, Labels: map[string]string{"app": name}}); err != nil {
				t.Fatalf("ADD again after the kill: %v", err)
			}
		}
	}
	c.converge()
	workloads, err := c.Workloads()
	if err != nil {
		t.Fatal(err)
	}
	if len(workloads) != 6 {
		t.Errorf("%d workloads, want 6", len(workloads))
	}
	m := c.settled("after the kills", []string{"shop/wa", "shop/wb", "shop/wc", "shop/wd", "shop/we", "shop/wf"}, nil)
	for _, cell := range m.Mismatches() {
		t.Errorf("%s is %s, expected %s: %s", cell.Flow, cell.Got, cell.Expected, cell.Why)
	}
	c.nothingBeyond(6)
}

// nothingBeyond compares records, links and addresses in use with the number of workloads.
func (c *cluster) nothingBeyond(workloads int) {
	c.t.Helper()
	c.eventually("clean-up", func() error {
		entries, err := os.ReadDir(filepath.Join(c.NodeDir("n1"), "endpoints"))
		if err != nil {
			return err
		}
		links, err := c.caliLinks("n1")
		if err != nil {
			return err
		}
		addrs, err := c.addressesInUse()
		if err != nil {
			return err
		}
		if len(entries) != workloads || links != workloads || addrs != 2*workloads {
			return errorf("%d records, %d links, %d addresses in use for %d workloads", len(entries), links, addrs, workloads)
		}
		return nil
	})
}

// plugin runs weft-cni against a node's agent, as a runtime does.
func (c *cluster) plugin(node, command string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), filepath.Join(bin, "weft-cni"))
	cmd.Env = []string{"CNI_COMMAND=" + command}
	cmd.Stdin = strings.NewReader(`{"cniVersion":"1.1.0","name":"weft","type":"weft-cni","socket":"` + filepath.Join(c.NodeDir(node), "cni.sock") + `"}`)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
