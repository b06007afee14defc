// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRefusedPolicy spoils a policy behind everybody's back: its last good version stays in force, and `weft get` and `weft describe` say so and why.
func TestRefusedPolicy(t *testing.T) {
	c := up(t, "refused", 2)
	c.populate()
	judge, err := c.Judge(t.Context()) // of the version that is to stay
	if err != nil {
		t.Fatal(err)
	}
	spoilt := protectDatabase()
	spoilt.Spec.Selector = "app = 'database'"
	c.apply(spoilt)
	const why = "the last good version stays in force"
	sockets := filepath.Join(filepath.Dir(c.NodeDir("n1")), "{node}", "agent.sock")
	c.eventually("weft get names the reason", func() error {
		out, errOut, code := c.command("get", "networkpolicies", "-n", "shop", "--socket", sockets)
		if code != 0 || !strings.Contains(out, "refused: spec.selector: ") || !strings.Contains(out, why) {
			return errors.New(out + errOut)
		}
		return nil
	})
	told := func() error {
		out, errOut, code := c.command("describe", "networkpolicy", "protect-database", "-n", "shop", "--socket", sockets)
		text := strings.Join(strings.Fields(out), " ")
		for _, node := range c.Nodes() {
			if code != 0 || !strings.Contains(text, why+" (node "+node+")") {
				return fmt.Errorf("the description lacks node %s: exit %d\n%s%s", node, code, out, errOut)
			}
		}
		return nil
	}
	if err := told(); err != nil {
		t.Error(err)
	}
	crew, err := c.Crew(t.Context(), []string{"shop/frontend", "shop/backend", "shop/database"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(crew.Close)
	matrix := func(when string) {
		t.Helper()
		m, err := crew.Try(t.Context(), crew.Pairs(), judge)
		if err != nil {
			t.Fatal(err)
		}
		for _, cell := range m.Mismatches() {
			t.Errorf("%s: %s is %s, expected %s", when, cell.Flow, cell.Got, cell.Expected)
		}
	}
	matrix("with a refused policy")
	for _, node := range c.Nodes() {
		if err := errors.Join(c.KillAgent(t.Context(), node, syscall.SIGKILL), c.StartAgent(t.Context(), node)); err != nil {
			t.Fatal(err)
		}
	}
	c.eventually("agents that start know the last good version", told)
	matrix("after kill -9")
	c.apply(protectDatabase())
	c.eventually("weft get is silent again", func() error {
		out, errOut, code := c.command("get", "networkpolicies", "-n", "shop", "--socket", sockets)
		if code != 0 || strings.Contains(out, "STATUS") {
			return errors.New(out + errOut)
		}
		return nil
	})
}
