// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package xtables

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// LegacyTables tells whether the kernel has tables of legacy iptables in the network namespace of the calling thread. Asking makes none,
// which running the legacy tools does.
func LegacyTables() (bool, error) {
	for _, file := range []string{"/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"} {
		names, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("legacy iptables: %w", err)
		}
		if len(bytes.TrimSpace(names)) > 0 {
			return true, nil
		}
	}
	return false, nil
}
