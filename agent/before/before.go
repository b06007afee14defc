// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package before remembers kernel parameters as they were before the agent changed them: Note them first, Restore them in the end.
package before

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/weftnet/weft/sys/sysctl"
)

// file holds the parameters, in the agent's state directory.
const file = "sysctls.json"

// Note writes down the present values of parameters, given by patterns of their keys ("net/ipv4/conf/*/forwarding"). What was noted earlier
// stays: that was before the agent.
func Note(stateDir string, patterns ...string) error {
	noted, err := read(stateDir)
	if err != nil || noted != nil {
		return err
	}
	noted = map[string]string{}
	for _, pattern := range patterns {
		keys, err := sysctl.Keys(pattern)
		if err != nil {
			return err
		}
		for _, key := range keys {
			value, err := sysctl.Get(key)
			if errors.Is(err, fs.ErrNotExist) {
				continue // its interface is gone
			}
			if err != nil {
				return err
			}
			noted[key] = value
		}
	}
	data, err := json.Marshal(noted)
	if err != nil {
		return err
	}
	path := filepath.Join(stateDir, file)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("kernel parameters before the agent: %w", err)
	}
	return os.Rename(path+".new", path)
}

func read(stateDir string) (noted map[string]string, err error) {
	data, err := os.ReadFile(filepath.Join(stateDir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &noted)
	}
	if err != nil {
		return nil, fmt.Errorf("kernel parameters before the agent: %w", err)
	}
	return noted, nil
}

// Change is a parameter that has another value now.
type Change struct{ Key, Now, Was string }

// Changes lists the parameters that have another value than was noted, in the order in which to restore them: a parameter of all interfaces
// changes those of each.
func Changes(stateDir string) ([]Change, error) {
	noted, err := read(stateDir)
	if err != nil {
		return nil, err
	}
	var out []Change
	for _, key := range slices.SortedFunc(maps.Keys(noted), widestFirst) {
		now, err := sysctl.Get(key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if now != noted[key] {
			out = append(out, Change{key, now, noted[key]})
		}
	}
	return out, nil
}

// widestFirst orders keys by how much setting them changes.
func widestFirst(a, b string) int {
	rank := func(key string) int {
		switch key {
		case "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding":
			return 0
		case "net/ipv4/conf/all/forwarding":
			return 1
		}
		return 2
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	if a < b {
		return -1
	}
	return 1
}

// Restore gives all parameters their values back.
func Restore(stateDir string) error {
	for range 2 { // restoring one may change others that were right
		changes, err := Changes(stateDir)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if err := sysctl.Set(c.Key, c.Was); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
