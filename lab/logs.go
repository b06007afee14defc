// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"os"
	"strings"
)

// logEnd is how many lines of a log tell why something went wrong.
const logEnd = 15

// LogEnds returns the last lines of the logs of members, nodes or "store", each below its name; without members, of all of these. The logs go
// with the lab: what is to outlive it is to be asked for before.
func (l *Lab) LogEnds(members ...string) string {
	if len(members) == 0 {
		members = append(l.Nodes(), storeName)
	}
	var b strings.Builder
	for _, name := range members {
		data, err := os.ReadFile(l.logOf(name))
		if err != nil {
			continue // it was never started
		}
		b.WriteString("log of " + name + ":\n" + lastLines(string(data), logEnd) + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// lastLines returns at most the last n lines of a text, indented.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-n):], "\n  ")
}
