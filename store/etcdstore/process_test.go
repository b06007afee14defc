// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/weftnet/weft/store/storetest"
)

// process is an etcd server of its own (Debian's etcd-server), which tests stop, kill and start again.
type process struct {
	name, dir string
	client    string // endpoint
	args      []string
	log       string
	cmd       *exec.Cmd
}

// startEtcd runs a single server until the end of the test, with further arguments.
func startEtcd(t testing.TB, args ...string) *process {
	t.Helper()
	client, peer := "http://"+storetest.FreeAddress(t), "http://"+storetest.FreeAddress(t)
	p := newProcess(t, "solo", client, peer, "solo="+peer, args...)
	p.start(t)
	p.waitReady(t)
	return p
}

func newProcess(t testing.TB, name, client, peer, cluster string, args ...string) *process {
	t.Helper()
	if _, err := exec.LookPath("etcd"); err != nil {
		t.Fatalf("%v: install Debian's etcd-server", err)
	}
	dir := t.TempDir()
	p := &process{name: name, dir: dir, client: client, log: filepath.Join(dir, "log")}
	p.args = append([]string{
		"--name", name, "--data-dir", filepath.Join(dir, "data"), "--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster,
		"--logger", "zap", "--log-level", "warn", "--heartbeat-interval", "50", "--election-timeout", "500",
	}, args...)
	t.Cleanup(func() { p.kill() })
	return p
}

func (p *process) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command("etcd", p.args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the process as kill -9 does, and waits for it.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// signal stops (SIGSTOP) or continues (SIGCONT) the process.
func (p *process) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// admin is a client of etcd's own library, for what stores do not do.
func (p *process) admin(t testing.TB) *clientv3.Client { return adminOf(t, p.client) }

func adminOf(t testing.TB, endpoint string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// waitReady waits until the server answers with a leader's consent.
func (p *process) waitReady(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := p.admin(t).Get(ctx, "ready?"); err != nil {
		log, _ := os.ReadFile(p.log)
		t.Fatalf("etcd %s does not get ready: %v\n%s", p.name, err, log)
	}
}

// startCluster runs a cluster of three.
func startCluster(t testing.TB) []*process {
	t.Helper()
	var peers, cluster []string
	for i := range 3 {
		peers = append(peers, "http://"+storetest.FreeAddress(t))
		cluster = append(cluster, fmt.Sprintf("m%d=%s", i, peers[i]))
	}
	var members []*process
	for i := range 3 {
		m := newProcess(t, fmt.Sprint("m", i), "http://"+storetest.FreeAddress(t), peers[i], strings.Join(cluster, ","))
		m.start(t)
		members = append(members, m)
	}
	for _, m := range members {
		m.waitReady(t)
	}
	return members
}

// leader returns the index of the member that leads.
func leader(t testing.TB, members []*process) int {
	t.Helper()
	for i, m := range members {
		status, err := m.admin(t).Status(t.Context(), m.client)
		if err != nil {
			t.Fatal(err)
		}
		if status.Leader == status.Header.MemberId {
			return i
		}
	}
	t.Fatal("no member leads")
	return 0
}
