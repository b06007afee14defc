// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

// machine is what a host is for programs: namespaces for network, mounts and processes. /run, /etc, /opt, /var/lib and /var/log are its own, all else is the
// host's. It ends with its first process, which the kernel kills together with the test, and takes all processes and mounts along.
type machine struct {
	name     string // of its network namespace
	dir      string
	v4, v6   netip.Addr
	init     *exec.Cmd
	pid      int // of its first process, as the host counts
	programs map[string]*exec.Cmd
}

// boot is what the first process does. The mounts are shared, as kubelets want them, but with nobody outside. What kubelets set for the whole kernel they set in
// files of their own.
const boot = `set -e
dir=$1
mount --make-rshared /
cp -a /etc "$dir/etc"
for own in run etc opt var/lib var/log; do
  mkdir -p "$dir/$own"
  mount --bind "$dir/$own" "/$own"
  mount --make-private "/$own"
  mount --make-shared "/$own"
done
mount -t proc proc /proc
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  mkdir -p "$dir/sysctl/${name%/*}"
  cat "/proc/sys/$name" >"$dir/sysctl/$name"
  mount --bind "$dir/sysctl/$name" "/proc/sys/$name"
done
touch "$dir/booted"
while :; do sleep 3600 & wait $!; done
`

// newMachine starts a machine; its link is up to others.
func newMachine(t testing.TB, name string, v4, v6 netip.Addr) *machine {
	t.Helper()
	m := &machine{name: name, dir: t.TempDir(), v4: v4, v6: v6, programs: map[string]*exec.Cmd{}}
	ns, err := netns.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	_ = ns.Close()
	t.Cleanup(func() {
		if err := netns.Delete(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
	makeGroups(t, name)
	m.init = exec.Command("nsenter", "--net="+netns.Path(name), "--",
		"unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "bash", "-c", boot, "boot", m.dir)
	m.init.Stdout, m.init.Stderr = m.log(t, "boot"), m.log(t, "boot")
	if err := startTied(m.init); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.halt)
	eventually(t, name+" to boot", time.Minute, func() error {
		_, err := os.Stat(filepath.Join(m.dir, "booted"))
		return err
	})
	m.pid = childOf(m.init.Process.Pid)
	return m
}

// halt ends all processes of the machine.
func (m *machine) halt() {
	_ = m.init.Process.Kill()
	_ = m.init.Wait()
	for _, cmd := range m.programs {
		_ = cmd.Wait()
	}
	m.programs = map[string]*exec.Cmd{}
}

// command returns a program that runs on the machine.
func (m *machine) command(path string, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(m.pid), "--net", "--mount", "--pid", "--", path}
	return exec.Command("nsenter", append(enter, args...)...)
}

// start runs a daemon, whose output is in the file NAME.log of the machine.
func (m *machine) start(t testing.TB, path string, args ...string) {
	t.Helper()
	name := filepath.Base(path)
	cmd := m.command(path, args...)
	cmd.Stdout, cmd.Stderr = m.log(t, name), m.log(t, name)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.programs[name] = cmd
}

// stop ends a daemon; the processes that it started stay.
func (m *machine) stop(t testing.TB, name string, sig syscall.Signal) {
	t.Helper()
	cmd := m.programs[name]
	if cmd == nil {
		t.Fatalf("%s: %s does not run", m.name, name)
	}
	if pid := childOf(cmd.Process.Pid); pid != 0 {
		_ = syscall.Kill(pid, sig)
	}
	_ = cmd.Wait()
	delete(m.programs, name)
}

// ended tells whether a daemon that was started has ended.
func (m *machine) ended(name string) bool {
	id, err := proc.Lookup(m.programs[name].Process.Pid)
	return err != nil || !id.Alive()
}

// log opens the log of a program to append to it.
func (m *machine) log(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(m.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// write makes a file of the machine, named by its path there.
func (m *machine) write(t testing.TB, path, text string) {
	t.Helper()
	full := filepath.Join(m.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startTied starts a process that the kernel kills when this one ends, for which the thread that started it has to live on.
func startTied(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- cmd.Start()
		select {}
	}()
	return <-started
}

// childOf returns the child of a process, or 0.
func childOf(parent int) int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(text), ") ") // the name before it may have spaces
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	return 0
}

// eventually asks until the answer is nil, and ends the test when that takes too long.
func eventually(t testing.TB, what string, patience time.Duration, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no longer waiting for %s: %v", what, err)
		}
		time.Sleep(300 * time.Millisecond) // between two questions: each may be a run of kubectl, which would take a processor for itself
	}
}

// run runs a command of the host and ends the test when it fails.
func run(t testing.TB, args ...string) string {
	t.Helper()
	return must(t, exec.Command(args[0], args[1:]...))
}

// must runs a command and ends the test when it fails.
func must(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}
