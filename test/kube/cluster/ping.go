// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Ping sends 20 echo requests a second from a pod.
type Ping struct {
	cmd *exec.Cmd
	out bytes.Buffer
	to  netip.Addr
}

// StartPing starts to ping an address from a pod. Stop ends it.
func StartPing(t testing.TB, from Pod, to netip.Addr) *Ping {
	t.Helper()
	ns, err := from.NS()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ns.Close() }()
	p := &Ping{to: to, cmd: exec.Command("nsenter", "--net="+ns.Path(), "--", "ping", "-q", "-i", "0.05", to.String())}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// Stop ends the pings, of which there must have been some. All must have been answered but for the last one, which may be under way.
func (p *Ping) Stop(t testing.TB, when string) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	_ = p.cmd.Wait()
	var sent, received int
	for line := range strings.Lines(p.out.String()) {
		if strings.Contains(line, "packets transmitted") {
			_, _ = fmt.Sscanf(line, "%d packets transmitted, %d received", &sent, &received)
		}
	}
	t.Logf("%s: %s: %d pings, %d answers", when, p.to, sent, received)
	if sent == 0 || sent-received > 1 {
		t.Errorf("%s: %s: %d of %d pings were lost\n%s", when, p.to, sent-received, sent, &p.out)
	}
}
