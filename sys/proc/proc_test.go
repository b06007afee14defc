// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package proc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

// sleeper starts a process that lives until stopped; with deaf it ignores SIGTERM.
func sleeper(t *testing.T, deaf bool) *proc.Process {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	script := "echo ready; exec sleep 60"
	if deaf {
		script = "trap '' TERM; echo ready; while :; do sleep 1; done"
	}
	p, err := proc.Start(proc.Spec{Path: "sh", Args: []string{"-c", script}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	waitFor(t, "the process to be ready", func() bool {
		data, _ := os.ReadFile(log)
		return strings.Contains(string(data), "ready")
	})
	return p
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(5 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestStopGraceful(t *testing.T) {
	p := sleeper(t, false)
	if !p.Alive() {
		t.Fatal("not alive after start")
	}
	begin := time.Now()
	if err := p.Stop(t.Context(), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if p.Alive() || time.Since(begin) > 5*time.Second {
		t.Fatalf("alive=%v after %v", p.Alive(), time.Since(begin))
	}
	if err := p.Stop(t.Context(), time.Second); err != nil {
		t.Fatalf("stopping a process that is gone: %v", err)
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, proc.ErrGone) {
		t.Fatalf("signal to the dead: %v, want ErrGone", err)
	}
}

func TestStopKillsTheDeaf(t *testing.T) {
	p := sleeper(t, true)
	if err := p.Stop(t.Context(), 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if p.Alive() {
		t.Fatal("a process that ignores SIGTERM survived Stop")
	}
}

func TestReusedPIDIsSafe(t *testing.T) {
	p := sleeper(t, false)
	other := proc.Attach(proc.ID{PID: p.PID, Start: p.ID.Start + 1}) // the pid as an older process had it
	if other.Alive() {
		t.Fatal("a different start time counts as the same process")
	}
	if err := other.Signal(syscall.SIGKILL); !errors.Is(err, proc.ErrGone) {
		t.Fatalf("signal = %v, want ErrGone", err)
	}
	if err := errors.Join(other.Kill(), other.Stop(t.Context(), 0), other.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	if !p.Alive() {
		t.Fatal("the process that now has the pid was killed")
	}
}

func TestAttachWaitsAndStops(t *testing.T) {
	p := sleeper(t, false)
	again := proc.Attach(p.ID)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := again.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("wait for a living process = %v", err)
	}
	if err := again.Stop(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := again.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
}

func TestZombieIsNotAlive(t *testing.T) {
	// The shell's child ends while the shell, which never waits for it, was replaced by sleep.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- proc.Run(ctx, proc.Spec{Path: "sh", Args: []string{"-c", "sleep 0 & echo $!; exec sleep 60"}}, proc.IO{Out: w})
	}()
	var pid int
	if _, err := fmt.Fscan(r, &pid); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the child to become a zombie", func() bool {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return bytes.Contains(stat, []byte(") Z "))
	})
	id, err := proc.Lookup(pid)
	if err != nil {
		t.Fatal(err)
	}
	if id.Alive() {
		t.Error("a zombie counts as alive")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run after cancel = %v", err)
	}
}

func TestWaitTellsExitAndLog(t *testing.T) {
	p, err := proc.Start(proc.Spec{Path: "sh", Args: []string{"-c", "echo out of cheese >&2; exit 3"}, Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Wait(t.Context())
	if code, ok := proc.ExitCode(err); !ok || code != 3 {
		t.Fatalf("exit code %d, %v of %v; want 3", code, ok, err)
	}
	if !strings.Contains(err.Error(), "out of cheese") {
		t.Fatalf("error %q lacks the end of the log", err)
	}
}

func TestStartInNamespace(t *testing.T) {
	name := fmt.Sprintf("weft-proct%d", os.Getpid())
	ns, err := netns.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close(); _ = netns.Delete(name) })
	out, err := proc.Output(t.Context(), proc.Spec{Path: "stat", Args: []string{"-L", "-c", "%i", "/proc/self/ns/net"}, NS: ns})
	if err != nil {
		t.Fatal(err)
	}
	id, err := ns.ID()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(out)), fmt.Sprint(id.Inode); got != want {
		t.Fatalf("the command ran in namespace %s, want %s", got, want)
	}
}

func TestRunErrors(t *testing.T) {
	if _, err := proc.Start(proc.Spec{Path: "weft-no-such-program"}); err == nil || !strings.Contains(err.Error(), "weft-no-such-program") {
		t.Errorf("missing program: %v", err)
	}
	_, err := proc.Output(t.Context(), proc.Spec{Path: "sh", Args: []string{"-c", "echo broken pipe dream >&2; exit 1"}})
	if err == nil || !strings.Contains(err.Error(), "broken pipe dream") {
		t.Errorf("standard error is lost: %v", err)
	}
	err = proc.Run(t.Context(), proc.Spec{Path: "cat"}, proc.IO{In: strings.NewReader("x"), Out: io.Discard})
	if err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestWithEnvFindsTheFamily(t *testing.T) {
	mark := fmt.Sprintf("WEFT_PROC_TEST=%d", os.Getpid())
	p, err := proc.Start(proc.Spec{Path: "sh", Args: []string{"-c", "sleep 60 & wait"}, Env: []string{mark}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	var family []proc.ID
	waitFor(t, "parent and child to show", func() bool {
		family, err = proc.WithEnv(mark)
		return err != nil || len(family) == 2
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range family {
		if err := proc.Attach(id).Kill(); err != nil {
			t.Error(err)
		}
	}
	if left, err := proc.WithEnv(mark); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if none, err := proc.WithEnv(mark + "x"); err != nil || len(none) != 0 {
		t.Errorf("a longer value matched: %v, %v", none, err)
	}
}

func TestAncestors(t *testing.T) {
	ids, err := proc.Ancestors()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{os.Getpid(), os.Getppid(), 1} {
		if id, err := proc.Lookup(pid); err != nil || !ids[id] {
			t.Errorf("process %d (%v) is not among %v", pid, err, ids)
		}
	}
}

// TestFreeze stops a process that counts, and lets it go on.
func TestFreeze(t *testing.T) {
	p, err := proc.Start(proc.Spec{Path: "bash", Args: []string{"-c", "while :; do :; done"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	busy := func() uint64 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
		if err != nil {
			t.Fatal(err)
		}
		var ticks uint64
		_, _ = fmt.Sscan(string(bytes.Fields(stat)[13]), &ticks)
		return ticks
	}
	waitFor(t, "the process to work", func() bool { return busy() > 0 })
	if err := p.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
	if !bytes.Contains(stat, []byte(") T ")) {
		t.Errorf("frozen, it is %s", stat)
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	before := busy()
	waitFor(t, "the process to go on", func() bool { return busy() > before })
}
