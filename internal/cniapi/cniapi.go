// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package cniapi is what the CNI plugin and the agent say to each other: the plugin calls Call, the agent reads a Request and writes a Response.
//
// One JSON request and one JSON response per connection to a unix socket. The plugin holds no credentials: who may open the socket
// may start workloads.
package cniapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// DefaultSocket is where an agent listens unless told otherwise.
const DefaultSocket = "/run/weft/cni.sock"

// MaxMessage bounds a message in bytes; a CNI configuration is far smaller.
const MaxMessage = 1 << 20

// Versions are the CNI versions that weft speaks, oldest first. A configuration without a version means the first.
var Versions = []string{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}

// Request is one invocation of the plugin, as the runtime made it (CNI spec 1.1, section 2).
type Request struct {
	Command     string          `json:"command"` // ADD, DEL, CHECK, GC, STATUS
	ContainerID string          `json:"containerID,omitempty"`
	Netns       string          `json:"netns,omitempty"`
	IfName      string          `json:"ifName,omitempty"`
	Args        string          `json:"args,omitempty"` // CNI_ARGS
	Config      json.RawMessage `json:"config"`         // standard input
}

// Response is either a result to print or an error.
type Response struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  *Error          `json:"error,omitempty"`
}

// Error is an error as the CNI specification prints it (section 5).
type Error struct {
	CNIVersion string `json:"cniVersion,omitempty"`
	Code       uint   `json:"code"`
	Message    string `json:"msg"`
	Details    string `json:"details,omitempty"`
}

// Error implements error.
func (e *Error) Error() string {
	if e.Details == "" {
		return e.Message
	}
	return e.Message + ": " + e.Details
}

// The codes of the specification that weft uses, and its own from 100 on.
const (
	CodeVersion     = 1  // incompatible CNI version
	CodeField       = 2  // unsupported field in the configuration
	CodeUnknown     = 3  // container unknown
	CodeEnvironment = 4  // invalid environment variables
	CodeIO          = 5  // input/output failure
	CodeDecode      = 6  // cannot decode the configuration
	CodeConfig      = 7  // invalid configuration
	CodeTryAgain    = 11 // transient: try again later
	CodeNotReady    = 50 // the plugin is not available
	CodeAddresses   = 100
	CodeInterface   = 101
	CodeProgram     = 102
	CodeCheck       = 103
)

// Errorf makes an error with a code.
func Errorf(code uint, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Call sends a request to the agent and waits for its response until the deadline.
func Call(socket string, req *Request, deadline time.Time) (*Response, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return nil, err
	}
	resp := &Response{}
	if err := json.NewDecoder(io.LimitReader(conn, MaxMessage)).Decode(resp); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the agent closed the connection without an answer; it may have been restarted")
		}
		return nil, err
	}
	return resp, nil
}
