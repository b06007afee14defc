// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"errors"

	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/netns"
)

// loopbackType is the type of plugin that sets lo up.
const loopbackType = "loopback"

// loopback does a command about lo of a network namespace, with which it goes.
func loopback(command, path string) (err error) {
	if command != "ADD" && command != "CHECK" {
		return nil
	}
	ns, err := netns.OpenPath(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ns.Close()) }()
	if command == "ADD" {
		return ns.Do(netns.LoopbackUp)
	}
	return ns.Do(func() error {
		up, err := netns.LoopbackIsUp()
		if err == nil && !up {
			err = errors.New("lo is down")
		}
		return err
	})
}

// loopbackResult is what is printed after a command. lo adds nothing to the result of the plugin before.
func loopbackResult(command string, c *config) []byte {
	switch {
	case command != "ADD":
		return nil
	case c.PrevResult != nil:
		return c.PrevResult
	}
	text, err := json.Marshal(map[string]string{"cniVersion": cmp.Or(c.CNIVersion, cniapi.Versions[0])})
	if err != nil { // texts always encode
		return nil
	}
	return text
}
