// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cniapi

import (
	"encoding/binary"
	"fmt"
	"io"
)

// A message is its length in bytes (32 bits, in network order) and its body. That of a request is its texts, each behind its length; that of
// a response one byte, resultFollows or errorFollows, and what the plugin prints. The plugin starts with each workload: learning to speak
// JSON takes it longer than the rest of its work.

// MaxMessage bounds a message in bytes; a CNI configuration is far smaller.
const MaxMessage = 1 << 20

const (
	errorFollows  = 0
	resultFollows = 1
)

const lengthSize = 4

// texts are the parts of a request but for the configuration, in the order in which they are sent.
func (r *Request) texts() []*string {
	return []*string{&r.Command, &r.CNIVersion, &r.ContainerID, &r.Netns, &r.IfName, &r.Args}
}

func (r *Request) encode() []byte {
	body := make([]byte, lengthSize, 512+len(r.Config))
	for _, t := range r.texts() {
		body = appendText(body, *t)
	}
	body = appendText(body, r.Config)
	return sealed(body)
}

// ReadRequest reads what Call has sent.
func ReadRequest(from io.Reader) (*Request, error) {
	body, err := readMessage(from)
	if err != nil {
		return nil, err
	}
	r := &Request{}
	for _, t := range r.texts() {
		var text []byte
		if text, body, err = cutText(body); err != nil {
			return nil, err
		}
		*t = string(text)
	}
	if r.Config, body, err = cutText(body); err == nil && len(body) > 0 {
		err = fmt.Errorf("%d bytes too many", len(body))
	}
	return r, err
}

// Write sends the response to a request with a configuration of a version ("" if it says none).
func (r *Response) Write(to io.Writer, version string) error {
	status, output := byte(resultFollows), r.Result
	if r.Error != nil {
		status, output = errorFollows, r.Error.Output(version)
	}
	body := make([]byte, lengthSize, lengthSize+1+len(output))
	_, err := to.Write(sealed(append(append(body, status), output...)))
	return err
}

// readResponse reads what Write has sent.
func readResponse(from io.Reader) (output []byte, ok bool, err error) {
	body, err := readMessage(from)
	switch {
	case err != nil:
		return nil, false, err
	case len(body) == 0 || body[0] > resultFollows:
		return nil, false, fmt.Errorf("the answer %.20q is none of a weft agent", body)
	}
	return body[1:], body[0] == resultFollows, nil
}

// sealed fills in the length of a message.
func sealed(message []byte) []byte {
	binary.BigEndian.PutUint32(message, uint32(len(message)-lengthSize))
	return message
}

// readMessage reads a message. The error Is io.EOF when there is not the beginning of one.
func readMessage(from io.Reader) ([]byte, error) {
	var length [lengthSize]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > MaxMessage {
		return nil, fmt.Errorf("a message of %d bytes; at most %d are taken", n, MaxMessage)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(from, body); err != nil {
		return nil, fmt.Errorf("a message of %d bytes ends early: %w", n, io.ErrUnexpectedEOF)
	}
	return body, nil
}

func appendText[T string | []byte](body []byte, text T) []byte {
	return append(binary.BigEndian.AppendUint32(body, uint32(len(text))), text...)
}

func cutText(body []byte) (text, rest []byte, err error) {
	if len(body) < lengthSize {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n, rest := binary.BigEndian.Uint32(body), body[lengthSize:]
	if uint64(n) > uint64(len(rest)) {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return rest[:n], rest[n:], nil
}
