// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weftnet/weft/ctl"
	"github.com/weftnet/weft/ctl/preview"
	"github.com/weftnet/weft/ctl/why"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/store"
)

// command runs weft in this process against the lab's datastore.
func (c *cluster) command(args ...string) (out, errOut string, code int) {
	c.t.Helper()
	var stdout, stderr strings.Builder
	env := &ctl.Env{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Getenv: func(string) string { return "" },
		OpenStore: func(ctl.Datastore) (store.Store, error) {
			s, err := c.Store()
			return keepOpen{s}, err
		}}
	root := ctl.New(env)
	root.SetArgs(args)
	code = ctl.Execute(c.t.Context(), root, env)
	return stdout.String(), stderr.String(), code
}

// keepOpen lets the lab's store serve several commands.
type keepOpen struct{ store.Store }

func (keepOpen) Close() error { return nil }

// TestWhy holds what `weft why` says, of the datastore and of the same objects in a file, against packets, and its counters and connections
// against the kernels'.
func TestWhy(t *testing.T) {
	c := up(t, "why", 2)
	c.populate()
	file := c.dump()
	m := c.settled("why", []string{"shop/frontend", "shop/backend", "shop/database", "n1", "n2"}, nil)
	asked := 0
	for _, cell := range m.Cells {
		if c.ownNode(cell.Flow) || c.ownNode(probe.Flow{Src: cell.Flow.Dst, DstAddr: cell.Flow.SrcAddr}) {
			continue // the node's other addresses are not all known to the datastore
		}
		asked++
		online := c.ask(cell.Flow, "--socket", filepath.Join(filepath.Dir(c.NodeDir("n1")), "{node}", "agent.sock"))
		offline := c.ask(cell.Flow, "--offline", "-f", file)
		if allowed := cell.Got == probe.Allowed; allowed != (online.Verdict == why.Allow) || allowed != (offline.Verdict == why.Allow) {
			t.Errorf("%s: online %s, offline %s; the packet is %s", cell.Flow, online.Verdict, offline.Verdict, cell.Got)
		}
	}
	if asked < 40 || m.Count(probe.Denied) == 0 {
		t.Errorf("%d flows asked about, %d denied", asked, m.Count(probe.Denied))
	}
	c.seesConnection()
}

// ownNode tells whether a flow goes from a workload to the node that runs it.
func (c *cluster) ownNode(f probe.Flow) bool {
	w, err := c.Workload(f.Src)
	if err != nil {
		return false
	}
	_, err = c.Namespace(f.Dst)
	return err == nil && w.Node == f.Dst
}

// answer is the part of a [why.Answer] that can be read back.
type answer struct {
	Verdict         why.Verdict
	Egress, Ingress why.End
	Notes           []string
}

// ask runs weft why about a flow of the lab.
func (c *cluster) ask(f probe.Flow, more ...string) answer {
	c.t.Helper()
	dst := f.DstAddr.String()
	if f.DstAddr.Is6() {
		dst = "[" + dst + "]"
	}
	switch f.Service.Protocol {
	case probe.ICMP:
		dst += ":icmp"
	default:
		dst += fmt.Sprintf(":%d/%s", f.Service.Port, f.Service.Protocol)
	}
	out, errOut, code := c.command(append([]string{"why", f.SrcAddr.String(), dst, "-o", "json"}, more...)...)
	var a answer
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		c.t.Fatalf("why %s: exit %d: %v\n%s", f, code, err, errOut)
	}
	if (code == 0) != (a.Verdict == why.Allow) || (code == ctl.ExitVerdict) != (a.Verdict == why.Deny) {
		c.t.Errorf("why %s: %s with exit %d", f, a.Verdict, code)
	}
	return a
}

// dump writes the datastore's objects into a file of manifests and returns its name.
func (c *cluster) dump() string {
	c.t.Helper()
	manifests, errOut, code := c.command("get", "all", "-A", "-o", "yaml")
	if code != 0 {
		c.t.Fatal(errOut)
	}
	file := filepath.Join(c.t.TempDir(), "all.yaml")
	if err := os.WriteFile(file, []byte(manifests), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// seesConnection opens a connection and finds it in the answer, with the rule that let it in.
func (c *cluster) seesConnection() {
	c.t.Helper()
	to, err := c.Workload("shop/database")
	if err != nil {
		c.t.Fatal(err)
	}
	address := netip.AddrPortFrom(to.Addresses[0], 5432).String()
	var listener net.Listener
	var conn net.Conn
	if err := c.within("shop/database", func() (err error) { listener, err = net.Listen("tcp", address); return err }); err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if err := c.within("shop/backend", func() (err error) { conn, err = net.Dial("tcp", address); return err }); err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	out, errOut, code := c.command("why", "shop/backend", "shop/database:5432", "-o", "json",
		"--socket", filepath.Join(filepath.Dir(c.NodeDir("n1")), "{node}", "agent.sock"))
	var a answer
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		c.t.Fatalf("exit %d: %v\n%s%s", code, err, out, errOut)
	}
	port := strconv.Itoa(conn.LocalAddr().(*net.TCPAddr).Port)
	for name, end := range map[string]why.End{"egress": a.Egress, "ingress": a.Ingress} {
		k := end.Kernel
		if k == nil || k.Hits == nil || *k.Hits == 0 || !strings.Contains(strings.Join(k.Connections, "\n"), ":"+port+" ") {
			c.t.Errorf("%s of the open connection from port %s: %+v, %q", name, port, k, a.Notes)
		}
	}
	c.previewsConnection()
}

// previewsConnection finds the open connection among those that a policy would end.
func (c *cluster) previewsConnection() {
	c.t.Helper()
	deny := filepath.Join(c.t.TempDir(), "deny.yaml")
	manifest := `{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: protect-database, namespace: shop}, spec: {selector: app == 'database'}}`
	if err := os.WriteFile(deny, []byte(manifest), 0o600); err != nil {
		c.t.Fatal(err)
	}
	out, errOut, code := c.command("policy", "diff", "-f", deny, "-o", "json", "--socket", filepath.Join(filepath.Dir(c.NodeDir("n1")), "{node}", "agent.sock"))
	var report preview.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		c.t.Fatalf("exit %d: %v\n%s%s", code, err, out, errOut)
	}
	open := slices.ContainsFunc(report.FlowChanges, func(f preview.FlowChange) bool {
		return f.From == "shop/backend" && f.To == "shop/database" && f.Service == "TCP 5432" && f.Seen == 1 && f.After.By == "isolated for ingress by NetworkPolicy shop/protect-database"
	})
	if code != ctl.ExitVerdict || !open {
		c.t.Errorf("weft policy diff: exit %d, %d flows, the open connection is not among %+v\n%s", code, report.Flows, report.FlowChanges, errOut)
	}
}
