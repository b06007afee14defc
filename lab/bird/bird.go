// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package bird asks a running BIRD Internet Routing Daemon: Ask(ctx, socket, "show protocols").
//
// It speaks the control protocol of birdc(8): each answer line starts with a four-digit code, followed by "-" when more lines come and
// by a space on the last one; a line that starts with a space or "+" carries on with the code before it.
package bird

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Ask sends one command to the control socket and returns the lines of the answer without their codes. An answer with an error code
// (8000 and above) is an error.
func Ask(ctx context.Context, socket, command string) ([]string, error) {
	if strings.ContainsAny(command, "\r\n") {
		return nil, errors.New("bird: a command is one line")
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("bird: %w; is BIRD running?", err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r := bufio.NewReader(conn)
	if _, err := readAnswer(r); err != nil { // the greeting
		return nil, fmt.Errorf("bird: greeting: %w", err)
	}
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return nil, fmt.Errorf("bird: %w", err)
	}
	lines, err := readAnswer(r)
	if err != nil {
		return nil, fmt.Errorf("bird: %s: %w", command, err)
	}
	return lines, nil
}

// readAnswer reads lines up to the last of an answer.
func readAnswer(r *bufio.Reader) ([]string, error) {
	var lines []string
	for {
		raw, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		line := strings.TrimSuffix(raw, "\n")
		code, text, last, err := splitLine(line)
		if err != nil {
			return nil, err
		}
		if code[0] >= '8' && code[0] <= '9' {
			return nil, errors.New(text)
		}
		if text != "" {
			lines = append(lines, text)
		}
		if last {
			return lines, nil
		}
	}
}

// splitLine takes a line apart. Continuation lines have the code "0000": they are never an error nor the last.
func splitLine(line string) (code, text string, last bool, err error) {
	if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "+") {
		return "0000", line[1:], false, nil
	}
	if len(line) < 4 || strings.Trim(line[:4], "0123456789") != "" || len(line) > 4 && line[4] != '-' && line[4] != ' ' {
		return "", "", false, fmt.Errorf("unexpected line %q", line)
	}
	last = len(line) == 4 || line[4] == ' '
	return line[:4], line[min(5, len(line)):], last, nil
}
