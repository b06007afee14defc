// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// WithEnv returns the processes that were started with entry, "KEY=value", in their environment (proc_pid_environ(5)). Children inherit
// it, so a mark put on one process finds its whole family. Processes of other users are seen by root only.
func WithEnv(entry string) ([]ID, error) {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []ID
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || !hasEnv(file, entry) {
			continue
		}
		// A process that ended between the two reads is no longer of interest.
		if id, err := Lookup(pid); err == nil && id.Alive() && hasEnv(file, entry) {
			found = append(found, id)
		}
	}
	return found, nil
}

func hasEnv(file, entry string) bool {
	data, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for e := range bytes.SplitSeq(data, []byte{0}) {
		if string(e) == entry {
			return true
		}
	}
	return false
}

// Ancestors returns the calling process and its ancestors, up to the first.
func Ancestors() (map[ID]bool, error) {
	ids := map[ID]bool{}
	for pid := os.Getpid(); pid > 0; {
		st, err := readStat(pid)
		if err != nil {
			return nil, err
		}
		ids[ID{PID: pid, Start: st.start}] = true
		pid = st.parent
	}
	return ids, nil
}
