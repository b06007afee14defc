// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bird

import (
	"bufio"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     []string
		err      string
	}{
		{"one line", "0001 BIRD 2.0.12 ready.\n", []string{"BIRD 2.0.12 ready."}, ""},
		{"several", "1007-Table master4:\n10.65.0.0/26 unicast\n", nil, "unexpected line"},
		{"continued", "1007-Table master4:\n 10.65.0.0/26 unicast\n+x\n0000 \n", []string{"Table master4:", "10.65.0.0/26 unicast", "x"}, ""},
		{"empty end", "2002-Name\n0000\n", []string{"Name"}, ""},
		{"error", "9001 syntax error\n", nil, "syntax error"},
		{"cut off", "1007-Table\n", nil, "EOF"},
		{"garbage", "hello\n", nil, "unexpected line"},
		{"short", "12\n", nil, "unexpected line"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readAnswer(bufio.NewReader(strings.NewReader(tc.in)))
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || !slices.Equal(got, tc.want) {
				t.Fatalf("%q, %v; want %q", got, err, tc.want)
			}
		})
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add("1007-Table master4:\n 10.65.0.0/26 unicast\n0000 \n")
	f.Add("9001 syntax error\n")
	f.Fuzz(func(t *testing.T, in string) {
		lines, err := readAnswer(bufio.NewReader(strings.NewReader(in)))
		if err != nil && lines != nil {
			t.Errorf("lines and an error for %q", in)
		}
	})
}

func TestAsk(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "ctl")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	got := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write([]byte("0001 BIRD ready.\n"))
		line, _ := bufio.NewReader(conn).ReadString('\n')
		got <- line
		_, _ = conn.Write([]byte("2002-first\n second\n0000 \n"))
	}()
	lines, err := Ask(t.Context(), socket, "show protocols")
	if err != nil || !slices.Equal(lines, []string{"first", "second"}) {
		t.Fatalf("%q, %v", lines, err)
	}
	if cmd := <-got; cmd != "show protocols\n" {
		t.Errorf("BIRD got %q", cmd)
	}
	if _, err := Ask(t.Context(), socket, "down\nconfigure"); err == nil {
		t.Error("a command of two lines was sent")
	}
	if _, err := Ask(t.Context(), socket+"x", "show status"); err == nil {
		t.Error("no error without BIRD")
	}
}
