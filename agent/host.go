// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/weftnet/weft/agent/before"
	"github.com/weftnet/weft/sys/sysctl"
)

// forwarding makes the host a router (FelixConfiguration ipForwarding: Enabled, the default). A kernel without a family has no such key.
var forwarding = []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}

// besides are what the kernel changes along with those, and, as send_redirects of all interfaces, when a WireGuard device comes up.
var besides = []string{
	"net/ipv4/conf/*/forwarding", "net/ipv6/conf/*/forwarding", "net/ipv4/conf/all/accept_redirects", "net/ipv4/conf/all/send_redirects",
}

// enableForwarding turns forwarding on where it is off, and notes in the state directory how it was.
func enableForwarding(stateDir string) error {
	if err := before.Note(stateDir, slices.Concat(forwarding, besides)...); err != nil {
		return err
	}
	for _, key := range forwarding {
		current, err := sysctl.Get(key)
		if errors.Is(err, fs.ErrNotExist) || err == nil && current == "1" {
			continue
		}
		if err == nil {
			err = sysctl.Set(key, "1")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
