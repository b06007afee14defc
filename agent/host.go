// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"io/fs"

	"github.com/weftnet/weft/sys/sysctl"
)

// forwarding makes the host a router (FelixConfiguration ipForwarding: Enabled, the default). A kernel without a family has no such key.
var forwarding = []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}

// enableForwarding turns forwarding on where it is off.
func enableForwarding() error {
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
