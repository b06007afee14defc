// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/weftnet/weft/lab/bird"
	"github.com/weftnet/weft/sys/proc"
)

// startToR runs BIRD in the router's namespace and waits until it answers on its control socket.
func (l *Lab) startToR(ctx context.Context) error {
	dir, err := l.dir(roleToR)
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "bird.conf")
	if err := os.WriteFile(config, []byte(torConfig(l.plan)), 0o600); err != nil {
		return fmt.Errorf("ToR: %w", err)
	}
	path, err := program("bird", "bird2")
	if err != nil {
		return err
	}
	p, err := l.start(ctx, daemon{name: roleToR, member: roleToR, path: path, args: []string{"-f", "-c", config, "-s", l.torSocket()}})
	if err != nil {
		return err
	}
	return waitReady(ctx, "ToR (BIRD)", p, func() error {
		_, err := l.ToR(ctx, "show status")
		return err
	})
}

func (l *Lab) torSocket() string { return filepath.Join(l.Dir(), roleToR, "bird.ctl") }

// ToR gives BIRD on the router a command, as birdc(8) does, and returns its answer: "show route", "show protocols".
func (l *Lab) ToR(ctx context.Context, command string) ([]string, error) {
	return bird.Ask(ctx, l.torSocket(), command)
}

// StartReflector runs GoBGP as a route reflector in a namespace of its own in the first subnet, with every node as its client, and tells
// the nodes to call it. To see routes flow through it alone, switch the mesh off (SetMesh).
func (l *Lab) StartReflector(ctx context.Context) error {
	if err := l.runReflector(ctx); err != nil {
		return err
	}
	return l.Apply(ctx, reflectorPeers(l.plan)...)
}

// ReflectorAddrs returns the addresses of the reflector, whether it runs or not.
func (l *Lab) ReflectorAddrs() []netip.Addr {
	var out []netip.Addr
	for _, a := range l.plan.reflector.addrs {
		out = append(out, a.Addr())
	}
	return out
}

// runReflector starts the daemon and waits until it answers.
func (l *Lab) runReflector(ctx context.Context) error {
	path, err := program("gobgpd", "gobgpd")
	if err != nil {
		return err
	}
	dir, err := l.dir(roleReflector)
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "gobgpd.toml")
	if err := os.WriteFile(config, []byte(reflectorConfig(l.plan)), 0o600); err != nil {
		return fmt.Errorf("reflector: %w", err)
	}
	if err := (underlay{l.spec.Name, l.plan}).attachLater(l.plan.reflector); err != nil {
		return fmt.Errorf("reflector: %w", err)
	}
	socket := filepath.Join(dir, "gobgpd.sock")
	p, err := l.start(ctx, daemon{
		name: roleReflector, member: roleReflector, path: path,
		args: []string{"-f", config, "--api-hosts", "unix://" + socket, "--pprof-disable"},
	})
	if err != nil {
		return err
	}
	return waitReady(ctx, "reflector (GoBGP)", p, func() error { return dialUnix(ctx, socket) })
}

// dialUnix says whether somebody listens on a unix socket.
func dialUnix(ctx context.Context, socket string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

// program finds a program of a Debian package that the lab runs but weft does not contain.
func program(name, pkg string) (string, error) {
	path, err := proc.Find(name)
	if err != nil {
		return "", fmt.Errorf("%w; install it with `apt-get install %s` (tools/setup.sh does)", err, pkg)
	}
	return path, nil
}
