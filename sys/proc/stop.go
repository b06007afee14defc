// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pollSlice bounds one poll(2) on a pidfd, in milliseconds, so that a cancelled context is noticed.
const pollSlice = 50

// killWait bounds the wait for a process that got SIGKILL: the kernel ends it unless it hangs in a system call, say one that reads from a slow disk.
const killWait = time.Minute

// Signal sends sig if the process is the one it was. The error Is ErrGone when it is not there any more.
func (p *Process) Signal(sig syscall.Signal) error {
	fd, err := p.open()
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("%s: %w", p.name, ErrGone)
		}
		return fmt.Errorf("signal %s to %s: %w", sig, p.name, err)
	}
	return nil
}

// Freeze stops the process with SIGSTOP and waits until it does nothing any more: until its threads are scheduled they go on. SIGCONT lets it go on.
func (p *Process) Freeze(ctx context.Context) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for ctx.Err() == nil {
		st, err := readStat(p.PID)
		if err != nil || st.state == 'T' {
			return err
		}
		time.Sleep(time.Millisecond) // nothing tells of it but the state
	}
	return fmt.Errorf("wait for %s to stop: %w", p.name, ctx.Err())
}

// Stop asks the process to end with SIGTERM and kills it when it has not ended after grace, or when ctx ends. A process that is
// gone already is no error.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return ignoreGone(err)
	}
	graceful, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if p.wait(graceful) == nil {
		return nil
	}
	return p.Kill()
}

// Kill ends the process with SIGKILL and waits until it is gone. A process that is gone already is no error.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return ignoreGone(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), killWait)
	defer cancel()
	return p.wait(ctx)
}

// Wait waits for the end of the process. For one started by this program a non-zero exit is an error that ends with the last lines
// of its log.
func (p *Process) Wait(ctx context.Context) error {
	if err := p.wait(ctx); err != nil {
		return err
	}
	if p.child == nil || p.child.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w%s", p.name, p.child.err, p.logTail())
}

// Done is closed when a process started by this program has ended and was reaped; it is nil for an attached one.
func (p *Process) Done() <-chan struct{} {
	if p.child == nil {
		return nil
	}
	return p.child.done
}

// wait returns nil once the process is gone.
func (p *Process) wait(ctx context.Context) error {
	if p.child != nil {
		select {
		case <-p.child.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p.name, ctx.Err())
		}
	}
	fd, err := p.open()
	if err != nil {
		return ignoreGone(err)
	}
	defer func() { _ = unix.Close(fd) }()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for ctx.Err() == nil {
		n, err := unix.Poll(fds, pollSlice)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for %s: poll: %w", p.name, err)
		}
		if n > 0 {
			return nil
		}
	}
	return fmt.Errorf("wait for %s: %w", p.name, ctx.Err())
}

// open returns a pidfd of the process. Identity is checked after the open: from then on the descriptor cannot mean another process.
func (p *Process) open() (int, error) {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, fmt.Errorf("%s: %w", p.name, ErrGone)
	}
	if err != nil {
		return -1, fmt.Errorf("%s: pidfd_open: %w", p.name, err)
	}
	if !p.Alive() {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("%s: %w", p.name, ErrGone)
	}
	return fd, nil
}

// logTail returns the last lines of the log, on lines of their own, or nothing.
func (p *Process) logTail() string {
	const lines = 5
	data, err := os.ReadFile(p.log)
	if p.log == "" || err != nil {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return fmt.Sprintf("; the end of %s:\n%s", p.log, strings.Join(all[max(0, len(all)-lines):], "\n"))
}

func ignoreGone(err error) error {
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}
