// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package cniapi is what the CNI plugin and the agent say to each other: the plugin calls Call, the agent reads a Request and writes a Response.
//
// One request and one response per connection to a unix socket. The plugin holds no credentials: who may open the socket may start workloads.
package cniapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// DefaultSocket is where an agent listens unless told otherwise.
const DefaultSocket = "/run/weft/cni.sock"

// Versions are the CNI versions that weft speaks, oldest first. A configuration without a version means the first.
var Versions = []string{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}

// newest is the version of answers to a request that says none.
var newest = Versions[len(Versions)-1]

// Request is one invocation of the plugin, as the runtime made it (CNI spec 1.1, section 2).
type Request struct {
	Command     string // ADD, DEL, CHECK, GC, STATUS
	CNIVersion  string // of the configuration, "" if it says none
	ContainerID string
	Netns       string
	IfName      string
	Args        string // CNI_ARGS
	Config      []byte // standard input
}

// Response is either a result to print or an error.
type Response struct {
	Result []byte
	Error  *Error
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

// Output is the error as it is printed, in answer to a configuration of a version ("" if it says none).
func (e *Error) Output(version string) []byte {
	answer := *e
	if answer.CNIVersion = version; version == "" {
		answer.CNIVersion = newest
	}
	text, err := json.Marshal(answer)
	if err != nil { // texts and numbers always encode
		return nil
	}
	return append(text, '\n')
}

// VersionOutput is the answer to VERSION, for which the agent is not needed.
func VersionOutput(asked string) []byte {
	if asked == "" {
		asked = newest
	}
	text, err := json.Marshal(struct {
		CNIVersion string   `json:"cniVersion"`
		Supported  []string `json:"supportedVersions"`
	}{asked, Versions})
	if err != nil { // texts always encode
		return nil
	}
	return append(text, '\n')
}

// Call sends a request to the agent and waits until the deadline for what is to be printed; ok says that it is a result and no error.
func Call(socket string, req *Request, deadline time.Time) (output []byte, ok bool, err error) {
	conn, err := dial(socket)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, false, err
	}
	if _, err := conn.Write(req.encode()); err != nil {
		return nil, false, err
	}
	output, ok, err = readResponse(conn)
	if errors.Is(err, io.EOF) {
		err = errors.New("the agent closed the connection without an answer; it may have been restarted")
	}
	return output, ok, err
}

// dial connects to a unix socket. Package net would take longer to start than all that the plugin does.
func dial(path string) (*os.File, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		return nil, errors.Join(&os.PathError{Op: "connect", Path: path, Err: err}, syscall.Close(fd))
	}
	return os.NewFile(uintptr(fd), path), nil
}
