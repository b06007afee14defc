// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package proc starts, watches and stops processes, also inside a network namespace: Start a daemon, Run a command.
//
// A process is known by its ID, pid and start time together, so a pid that the kernel gave to somebody else is never signalled:
// signals go through a pidfd whose identity was checked after it was opened (pidfd_open(2)).
package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ErrGone says that a process does not exist any more.
var ErrGone = errors.New("process is gone")

// ID identifies a process on this machine since boot. It can be stored and used by another program later.
type ID struct {
	PID int `json:"pid"`
	// Start is the start time in clock ticks since boot (field 22 of /proc/PID/stat, proc_pid_stat(5)).
	Start uint64 `json:"start"`
}

// String renders the ID for messages.
func (id ID) String() string { return fmt.Sprintf("process %d", id.PID) }

// Self returns the ID of the calling process.
func Self() (ID, error) { return Lookup(os.Getpid()) }

// Lookup returns the ID of the process that has pid now. The error Is ErrGone when there is none.
func Lookup(pid int) (ID, error) {
	st, err := readStat(pid)
	if err != nil {
		return ID{}, err
	}
	return ID{PID: pid, Start: st.start}, nil
}

// Alive says whether the process still runs. A zombie, dead but not yet waited for by its parent, does not.
func (id ID) Alive() bool {
	st, err := readStat(id.PID)
	return err == nil && st.start == id.Start && st.state != 'Z' && st.state != 'X'
}

// stat holds the fields of /proc/PID/stat that matter here.
type stat struct {
	state  byte
	parent int
	start  uint64
}

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	st, err := parseStat(string(data))
	if err != nil {
		return stat{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return st, nil
}

// parseStat reads a line of /proc/PID/stat. The command name, field 2, may itself hold spaces and parentheses, so fields are counted
// from its last closing parenthesis.
func parseStat(line string) (stat, error) {
	_, rest, ok := cutLast(line, ')')
	fields := strings.Fields(rest)
	const state, parent, start = 0, 1, 22 - 3 // fields 3, 4 and 22, counted from field 3
	if !ok || len(fields) <= start || len(fields[state]) != 1 {
		return stat{}, fmt.Errorf("stat line %q has no start time", line)
	}
	ppid, err := strconv.Atoi(fields[parent])
	if err != nil {
		return stat{}, fmt.Errorf("stat line: parent: %w", err)
	}
	ticks, err := strconv.ParseUint(fields[start], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("stat line: start time: %w", err)
	}
	return stat{state: fields[state][0], parent: ppid, start: ticks}, nil
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
