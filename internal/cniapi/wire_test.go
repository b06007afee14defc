// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cniapi

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

var sample = &Request{Command: "ADD", CNIVersion: "1.1.0", ContainerID: "c1", Netns: "/run/netns/x", IfName: "eth0", Args: "K=v",
	Config: []byte(`{"name":"net"}`)}

func TestRequestTravels(t *testing.T) {
	for _, want := range []*Request{sample, {Config: []byte{}}} {
		got, err := ReadRequest(bytes.NewReader(want.encode()))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
}

func TestResponseTravels(t *testing.T) {
	for _, c := range []struct {
		response Response
		ok       bool
		want     string
	}{
		{Response{Result: []byte("{}")}, true, "{}"},
		{Response{}, true, ""},
		{Response{Error: Errorf(CodeConfig, "no %s", "good")}, false, `{"cniVersion":"0.4.0","code":7,"msg":"no good"}` + "\n"},
	} {
		var wire bytes.Buffer
		if err := c.response.Write(&wire, "0.4.0"); err != nil {
			t.Fatal(err)
		}
		output, ok, err := readResponse(&wire)
		if string(output) != c.want || ok != c.ok || err != nil {
			t.Errorf("%+v arrives as %s, %v, %v", c.response, output, ok, err)
		}
	}
}

// TestBrokenOff: what an agent has begun to say before it was killed is no answer.
func TestBrokenOff(t *testing.T) {
	var wire bytes.Buffer
	if err := (&Response{Result: []byte(`{"ips":[]}`)}).Write(&wire, ""); err != nil {
		t.Fatal(err)
	}
	request := sample.encode()
	for n := range request {
		if got, err := ReadRequest(bytes.NewReader(request[:n])); err == nil {
			t.Errorf("%d of %d bytes of a request give %+v", n, len(request), got)
		}
	}
	for n := range wire.Len() {
		output, _, err := readResponse(bytes.NewReader(wire.Bytes()[:n]))
		if err == nil || errors.Is(err, io.EOF) != (n == 0) {
			t.Errorf("%d of %d bytes of a response give %s, %v", n, wire.Len(), output, err)
		}
	}
}

func TestOddMessages(t *testing.T) {
	for what, message := range map[string]string{
		"longer than allowed": "\x00\x10\x00\x01", "JSON": `{"command":"ADD"}`, "a text longer than the message": "\x00\x00\x00\x05\x00\x00\x00\x02A",
		"bytes behind the last text": "\x00\x00\x00\x1d" + strings.Repeat("\x00", 29),
	} {
		if got, err := ReadRequest(strings.NewReader(message)); err == nil {
			t.Errorf("%s: %+v", what, got)
		}
	}
	for _, message := range []string{"\x00\x00\x00\x00", "\x00\x00\x00\x02\x02{"} {
		if output, _, err := readResponse(strings.NewReader(message)); err == nil {
			t.Errorf("%q is an answer: %s", message, output)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add(sample.encode())
	f.Add((&Request{}).encode())
	f.Fuzz(func(t *testing.T, message []byte) {
		r, err := ReadRequest(bytes.NewReader(message))
		if err != nil {
			return
		}
		if again := r.encode(); !bytes.HasPrefix(message, again) {
			t.Errorf("%q is read as %+v, which is sent as %q", message, r, again)
		}
	})
}
