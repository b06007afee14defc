// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Command weft-cni is the CNI plugin: it hands ADD, DEL, CHECK, GC and STATUS to the agent on this node and prints the answer.
//
// It is small on purpose: it starts with every workload. It holds no credentials and talks to nothing but the agent's unix socket. As the plugin of type
// "loopback", which runtimes run for every workload, too, it sets lo up, for which no agent is needed.
package main

import (
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/weftnet/weft/internal/cniapi"
)

// patience is how long the agent may take. Runtimes give up after two minutes or more.
const patience = 90 * time.Second

func main() {
	output, ok := run(os.Getenv, os.Stdin)
	if _, err := os.Stdout.Write(output); err != nil || !ok {
		os.Exit(1)
	}
}

// config are the keys that the plugin itself needs; the agent reads the rest.
type config struct {
	CNIVersion string          `json:"cniVersion"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Socket     string          `json:"socket"`
	PrevResult json.RawMessage `json:"prevResult"` // of the plugin before, for type loopback
}

// run returns what is to be printed; ok says that it is a result and no error.
func run(getenv func(string) string, stdin io.Reader) (output []byte, ok bool) {
	var c config
	refuse := func(code uint, format string, args ...any) ([]byte, bool) {
		return cniapi.Errorf(code, format, args...).Output(c.CNIVersion), false
	}
	input, err := io.ReadAll(io.LimitReader(stdin, cniapi.MaxMessage))
	if err != nil {
		return refuse(cniapi.CodeIO, "standard input: %v", err)
	}
	command := getenv("CNI_COMMAND")
	decodeErr := json.Unmarshal(input, &c)
	if command == "VERSION" {
		return cniapi.VersionOutput(c.CNIVersion), true
	}
	if decodeErr != nil {
		return refuse(cniapi.CodeDecode, "network configuration on standard input is no JSON object: %v", decodeErr)
	}
	switch command {
	case "ADD", "DEL", "CHECK", "GC", "STATUS":
	case "":
		return refuse(cniapi.CodeEnvironment, "CNI_COMMAND is not set; weft-cni is run by a container runtime (see the CNI specification)")
	default:
		return refuse(cniapi.CodeEnvironment, "CNI_COMMAND %q is none of ADD, DEL, CHECK, GC, STATUS, VERSION", command)
	}
	if c.Name == "" {
		return refuse(cniapi.CodeConfig, "network configuration: name is missing")
	}
	if c.Type == loopbackType {
		if err := loopback(command, getenv("CNI_NETNS")); err != nil {
			return refuse(cniapi.CodeInterface, "%v", err)
		}
		return loopbackResult(command, &c), true
	}
	if c.Socket == "" {
		c.Socket = cniapi.DefaultSocket
	}
	output, ok, err = cniapi.Call(c.Socket, &cniapi.Request{
		Command: command, CNIVersion: c.CNIVersion, ContainerID: getenv("CNI_CONTAINERID"), Netns: getenv("CNI_NETNS"), IfName: getenv("CNI_IFNAME"),
		Args: getenv("CNI_ARGS"), Config: input,
	}, time.Now().Add(patience))
	if err != nil {
		code := uint(cniapi.CodeTryAgain)
		if command == "STATUS" {
			code = cniapi.CodeNotReady
		}
		return refuse(code, "no answer from the weft agent at %s: %v; check that `weft agent` runs on this node", c.Socket, err)
	}
	return output, ok
}
