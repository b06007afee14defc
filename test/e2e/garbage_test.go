// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/weftnet/weft/agent/inputcache"
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/etcdstore"
)

// What the status says of an object that is invalid.
const (
	staysInForce = "the last good version stays in force"
	closes       = "its last good version is lost, because the file that kept it is missing or damaged, so it denies all that it governs"
	neverValid   = "no valid version was seen before, so nothing of it is in force"
)

// TestGarbageInTheStore writes over a policy in etcd what no program of weft would: packets go as the last good version says, through restarts of the agents, also
// when it was written while none ran; where the file of the last good version is damaged all that the policy can govern is denied; what is garbage from
// the start is not in force. `weft get`, `weft describe` and the agents' status say which it is.
func TestGarbageInTheStore(t *testing.T) {
	c := up(t, "garbage", 2)
	c.populate()
	admin := c.etcd()
	key := api.KeyOf(protectDatabase())
	spoil := func() {
		t.Helper()
		if _, err := admin.Put(t.Context(), etcdstore.DefaultPrefix+"projectcalico.org/networkpolicies/shop/protect-database", `{"spec": [garbage`); err != nil {
			t.Fatal(err)
		}
	}
	isolated := c.judgeOfNow()
	spoil()
	c.told(key, staysInForce)
	c.goesAs("spoilt", isolated)

	c.restartAll(nil)
	c.told(key, staysInForce)
	c.goesAs("after kill -9", isolated)

	damages := map[string]func([]byte) []byte{
		"n1": func(b []byte) []byte { return b[:len(b)/2] },
		"n2": func(b []byte) []byte { b[len(b)-20] ^= 4; return b },
	}
	c.restartAll(func(node string) { c.damageLastGood(node, damages[node]) })
	c.told(key, closes)
	c.goesAs("with damaged files", func(f probe.Flow) (probe.Verdict, string) {
		return probe.Denied, "a policy of namespace shop is lost"
	})

	c.apply(protectDatabase())
	c.converge()
	c.holds("mended")
	c.onDisk(key)

	c.restartAll(func(node string) {
		if node == c.Nodes()[0] {
			spoil() // all agents are dead
		}
	})
	c.told(key, staysInForce)
	c.goesAs("spoilt while no agent ran", isolated)

	c.remove([]api.Object{protectDatabase()})
	c.converge()
	open := c.judgeOfNow()
	spoil()
	c.told(key, neverValid)
	c.goesAs("garbage in place of a deleted one", open)
}

// TestUnknownFieldInTheStore writes policies into etcd with a field in a rule that this weft does not know, as a newer one may: what is known of the rule allows
// everybody to the database, and it allows nobody. The other rule stays as it is. `weft get`, `weft describe` and the agents' status name the field.
func TestUnknownFieldInTheStore(t *testing.T) {
	c := up(t, "unknown", 2)
	c.populate()
	c.remove([]api.Object{protectDatabase()})
	admin := c.etcd()
	for _, tc := range []struct{ resource, version, kind, spec, field string }{
		{"networkpolicies.projectcalico.org", "projectcalico.org/v3", "NetworkPolicy", `"selector": "app == 'database'", "types": ["Ingress"], "ingress": [
			{"action": "Allow", "source": {"newer": "app == 'backend'"}}, {"action": "Allow", "source": {"selector": "app == 'frontend'"}}]`, "spec.ingress[0].source.newer"},
		{"networkpolicies.networking.k8s.io", "networking.k8s.io/v1", "NetworkPolicy", `"podSelector": {"matchLabels": {"app": "database"}}, "ingress": [
			{"from": [{"podSelector": {"newer": "x"}}]}, {"from": [{"podSelector": {"matchLabels": {"app": "frontend"}}}]}]`, "spec.ingress[0].from[0].podSelector.newer"},
	} {
		key := api.Key{Resource: api.Resource(tc.resource), Namespace: "shop", Name: "newer"}
		path := etcdstore.DefaultPrefix + key.Resource.Group() + "/" + key.Resource.Plural() + "/shop/newer"
		policy := fmt.Sprintf(`{"apiVersion": %q, "kind": %q, "metadata": {"name": "newer", "namespace": "shop"}, "spec": {%s}}`, tc.version, tc.kind, tc.spec)
		if _, err := admin.Put(t.Context(), path, policy); err != nil {
			t.Fatal(err)
		}
		c.converge()
		c.says(key, tc.field+": this version of weft, or the one that wrote the object last, does not know the field: the rule allows nothing", false)
		c.goesAs(tc.version, func(f probe.Flow) (probe.Verdict, string) {
			if f.Dst == "shop/database" && f.Src != "shop/frontend" {
				return probe.Denied, "only shop/frontend may"
			}
			return probe.Allowed, "nothing says otherwise"
		})
		if _, err := admin.Delete(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		c.converge()
	}
}

// etcd is a client of etcd's own library, for what stores do not do.
func (c *cluster) etcd() *clientv3.Client {
	c.t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{c.StoreEndpoint()}, Logger: zap.NewNop()})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (c *cluster) judgeOfNow() probe.Judge {
	c.t.Helper()
	judge, err := c.Judge(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return judge
}

// goesAs sends packets between all workloads.
func (c *cluster) goesAs(when string, judge probe.Judge) {
	c.t.Helper()
	crew, err := c.Crew(c.t.Context(), []string{"shop/frontend", "shop/backend", "shop/database"}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer crew.Close()
	m, err := crew.Try(c.t.Context(), crew.Pairs(), judge)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cell := range m.Mismatches() {
		c.t.Errorf("%s: %s is %s, expected %s", when, cell.Flow, cell.Got, cell.Expected)
	}
}

// told waits until it is said everywhere that an object is refused, and what follows.
func (c *cluster) told(key api.Key, what string) {
	c.t.Helper()
	c.says(key, what, true)
}

// says waits until every node's status, `weft describe` and `weft get` say something of an object, and of no other.
func (c *cluster) says(key api.Key, what string, refused bool) {
	c.t.Helper()
	resource := string(key.Resource)
	sockets := filepath.Join(filepath.Dir(c.NodeDir("n1")), "{node}", "agent.sock")
	c.eventually("the status says "+what, func() error {
		out, errOut, _ := c.command("describe", resource, key.Name, "-n", key.Namespace, "--socket", sockets)
		text := strings.Join(strings.Fields(out+errOut), " ")
		list, _, _ := c.command("get", resource, "-n", key.Namespace, "--socket", sockets)
		if !strings.Contains(list, what) {
			return errors.New("weft get: " + list)
		}
		for _, node := range c.Nodes() {
			s, err := c.status(node)
			if err != nil {
				return err
			}
			if !strings.Contains(text, node) || !strings.Contains(text, what) {
				return fmt.Errorf("the description lacks node %s:\n%s%s", node, out, errOut)
			}
			if len(s.Problems) != 1 || s.Problems[0].Object != key.String() || s.Problems[0].Refused != refused || !strings.Contains(s.Problems[0].Field+": "+s.Problems[0].Reason, what) {
				return fmt.Errorf("%s: %+v", node, s.Problems)
			}
		}
		return nil
	})
}

// restartAll kills all agents and starts them again, with something in between.
func (c *cluster) restartAll(between func(node string)) {
	c.t.Helper()
	for _, node := range c.Nodes() {
		if err := c.KillAgent(c.t.Context(), node, syscall.SIGKILL); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, node := range c.Nodes() {
		if between != nil {
			between(node)
		}
		if err := c.StartAgent(c.t.Context(), node); err != nil {
			c.t.Fatal(err)
		}
	}
}

// onDisk waits until the inputs that each agent keeps have a version of an object that can be read.
func (c *cluster) onDisk(key api.Key) {
	c.t.Helper()
	for _, node := range c.Nodes() {
		c.eventually("inputs of "+node, func() error {
			s, err := inputcache.Load(c.NodeDir(node), node)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(s.Events, func(e store.Event) bool { return e.Key == key && e.Err == nil }) {
				return fmt.Errorf("%s is not there", key)
			}
			return nil
		})
	}
}

// damageLastGood spoils the only last good version that a node has kept.
func (c *cluster) damageLastGood(node string, damage func([]byte) []byte) {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.NodeDir(node), "lastgood", "*.json"))
	if err != nil || len(files) != 1 {
		c.t.Fatalf("last good versions of %s: %q, %v; want one", node, files, err)
	}
	data, err := os.ReadFile(files[0])
	if err == nil {
		err = os.WriteFile(files[0], damage(data), 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}
