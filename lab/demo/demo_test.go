// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package demo_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/demo"
	"github.com/weftnet/weft/lab/labtest"
)

// TestDemo runs the whole demo: it is its own assertion, this one checks that it says so and leaves nothing.
func TestDemo(t *testing.T) {
	name := labtest.Name(t)
	before, err := lab.TakeInventory(name)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = demo.Run(t.Context(), demo.Options{Out: &out, Bin: labtest.Programs(t), Name: name})
	if err != nil || strings.Contains(out.String(), "NOT") || !strings.Contains(out.String(), "Where to go next") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if strings.Contains(out.String(), "\x1b[") {
		t.Error("colours without a terminal")
	}
	after, err := lab.TakeInventory(name)
	if err != nil || len(after.Since(before)) > 0 {
		t.Errorf("left behind: %v, %v", after.Since(before), err)
	}
}

// TestInterruptedDemo ends the demo in the middle, as Ctrl-C does.
func TestInterruptedDemo(t *testing.T) {
	name := labtest.Name(t)
	before, err := lab.TakeInventory(name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &trigger{on: "2/", do: cancel}
	begin := time.Now()
	err = demo.Run(ctx, demo.Options{Out: out, Bin: labtest.Programs(t), Name: name})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context canceled\n%s", err, out.String())
	}
	t.Logf("ended after %v", time.Since(begin))
	after, err := lab.TakeInventory(name)
	if err != nil || len(after.Since(before)) > 0 {
		t.Errorf("left behind: %v, %v", after.Since(before), err)
	}
}

// trigger calls do when the output first contains on.
type trigger struct {
	bytes.Buffer
	on string
	do func()
}

func (w *trigger) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.on) {
		w.do()
	}
	return w.Buffer.Write(p)
}
