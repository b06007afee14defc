// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/weftnet/weft/sys/netns"
)

// Spec says what to start.
type Spec struct {
	// Path is the program: a path, or a name looked up in PATH.
	Path string
	Args []string
	// Env entries, "KEY=value", are added to the caller's environment.
	Env []string
	// Dir is the working directory; empty means the caller's.
	Dir string
	// Log is a file that output is appended to; empty discards output. Only Start uses it.
	Log string
	// NS is the network namespace to run in; nil means the caller's.
	NS *netns.NS
	// Started, if not nil, is told the process's pid.
	Started func(pid int)
}

// Process is a running or finished process.
type Process struct {
	ID
	name string
	log  string
	// child is set when the process was started here: then it is reaped here, and its exit is known.
	child *child
}

// child is closed over by the goroutine that reaps it.
type child struct {
	done chan struct{}
	err  error // how it ended; read after done
}

// Start starts a daemon in a session of its own: it survives the caller and gets no terminal signals. When it ends while the
// caller lives it is reaped.
func Start(spec Spec) (*Process, error) {
	cmd, err := spec.command()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if spec.Log != "" {
		log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, fmt.Errorf("start %s: log: %w", spec.Path, err)
		}
		defer func() { _ = log.Close() }()
		cmd.Stdout, cmd.Stderr = log, log
	}
	if err := spec.start(cmd); err != nil {
		return nil, err
	}
	// A child that ended already is a zombie until reaped below, so its start time can still be read.
	id, err := Lookup(cmd.Process.Pid)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", spec.Path, err), cmd.Process.Kill(), cmd.Wait())
	}
	c := &child{done: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	return &Process{ID: id, name: spec.Path, log: spec.Log, child: c}, nil
}

// Attach returns a process that was started by someone else, known by its ID. It may be gone already.
func Attach(id ID) *Process { return &Process{ID: id, name: id.String()} }

// command builds the command without starting it.
func (s Spec) command() (*exec.Cmd, error) {
	path, err := exec.LookPath(s.Path)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Path, err)
	}
	cmd := exec.Command(path, s.Args...)
	cmd.Dir = s.Dir
	if len(s.Env) > 0 {
		cmd.Env = append(os.Environ(), s.Env...)
	}
	return cmd, nil
}

// start starts cmd in the namespace: a child inherits it from the thread that forks.
func (s Spec) start(cmd *exec.Cmd) error {
	start := cmd.Start
	if s.NS != nil {
		start = func() error { return s.NS.Do(cmd.Start) }
	}
	if err := start(); err != nil {
		return fmt.Errorf("start %s: %w", s.Path, err)
	}
	if s.Started != nil {
		s.Started(cmd.Process.Pid)
	}
	return nil
}

// Find returns the path of a program in PATH. The error says which program is missing.
func Find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("find program: %w", err)
	}
	return path, nil
}
