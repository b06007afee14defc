// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package sysctl_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/sysctl"
)

func TestSetIsPerNamespace(t *testing.T) {
	name := fmt.Sprintf("weft-sysctlt%d", os.Getpid())
	ns, err := netns.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close(); _ = netns.Delete(name) })
	const key = "net/ipv4/ip_forward"
	host, err := sysctl.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"0": "1", "1": "0"}[host]
	var inside string
	err = ns.Do(func() error {
		if err := sysctl.Set(key, want); err != nil {
			return err
		}
		if err := sysctl.Set(key, "maybe"); err == nil {
			t.Error("a value the kernel refuses gave no error")
		}
		inside, err = sysctl.Get(key)
		return err
	})
	if err != nil || inside != want {
		t.Fatalf("inside %q, %v; want %q", inside, err, want)
	}
	if now, _ := sysctl.Get(key); now != host {
		t.Fatalf("the caller's namespace changed from %q to %q", host, now)
	}
}

func TestErrors(t *testing.T) {
	if err := sysctl.Set("net/ipv4/conf/no-such-link/forwarding", "1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing parameter: %v, want ErrNotExist", err)
	}
	for _, key := range []string{"", "../etc/passwd", "/etc/passwd"} {
		if _, err := sysctl.Get(key); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Get(%q) = %v, want a refusal", key, err)
		}
	}
}
