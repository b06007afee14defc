// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Command weft-cni is the CNI plugin: it hands ADD, DEL, CHECK, GC and STATUS to the agent on this node and prints the answer.
//
// It is small on purpose: it starts with every workload. It holds no credentials and talks to nothing but the agent's unix socket.
package main

import (
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/weftnet/weft/internal/cniapi"
)

// newest is the version of answers to a request that says none.
const newest = "1.1.0"

// patience is how long the agent may take. Runtimes give up after two minutes or more.
const patience = 90 * time.Second

func main() {
	result, err := run(os.Getenv, os.Stdin)
	if err != nil {
		if err.CNIVersion == "" {
			err.CNIVersion = newest
		}
		_ = json.NewEncoder(os.Stdout).Encode(err)
		os.Exit(1)
	}
	if _, err := os.Stdout.Write(result); err != nil {
		os.Exit(1)
	}
}

// config are the keys that the plugin itself needs; the agent reads the rest.
type config struct {
	CNIVersion string `json:"cniVersion"`
	Name       string `json:"name"`
	Socket     string `json:"socket"`
}

func run(getenv func(string) string, stdin io.Reader) ([]byte, *cniapi.Error) {
	input, err := io.ReadAll(io.LimitReader(stdin, cniapi.MaxMessage))
	if err != nil {
		return nil, cniapi.Errorf(cniapi.CodeIO, "standard input: %v", err)
	}
	command := getenv("CNI_COMMAND")
	var c config
	decodeErr := json.Unmarshal(input, &c)
	if command == "VERSION" {
		return versionResult(c.CNIVersion), nil
	}
	if decodeErr != nil {
		return nil, cniapi.Errorf(cniapi.CodeDecode, "network configuration on standard input is no JSON object: %v", decodeErr)
	}
	fail := func(code uint, format string, args ...any) ([]byte, *cniapi.Error) {
		e := cniapi.Errorf(code, format, args...)
		e.CNIVersion = c.CNIVersion
		return nil, e
	}
	switch command {
	case "ADD", "DEL", "CHECK", "GC", "STATUS":
	case "":
		return fail(cniapi.CodeEnvironment, "CNI_COMMAND is not set; weft-cni is run by a container runtime (see the CNI specification)")
	default:
		return fail(cniapi.CodeEnvironment, "CNI_COMMAND %q is none of ADD, DEL, CHECK, GC, STATUS, VERSION", command)
	}
	if c.Name == "" {
		return fail(cniapi.CodeConfig, "network configuration: name is missing")
	}
	if c.Socket == "" {
		c.Socket = cniapi.DefaultSocket
	}
	resp, err := cniapi.Call(c.Socket, &cniapi.Request{
		Command: command, ContainerID: getenv("CNI_CONTAINERID"), Netns: getenv("CNI_NETNS"), IfName: getenv("CNI_IFNAME"),
		Args: getenv("CNI_ARGS"), Config: input,
	}, time.Now().Add(patience))
	if err != nil {
		code := uint(cniapi.CodeTryAgain)
		if command == "STATUS" {
			code = cniapi.CodeNotReady
		}
		return fail(code, "no answer from the weft agent at %s: %v; check that `weft agent` runs on this node", c.Socket, err)
	}
	if resp.Error != nil {
		resp.Error.CNIVersion = c.CNIVersion
		return nil, resp.Error
	}
	return resp.Result, nil
}

// versionResult answers VERSION. The agent is not needed for it.
func versionResult(asked string) []byte {
	if asked == "" {
		asked = newest
	}
	result, err := json.Marshal(struct {
		CNIVersion string   `json:"cniVersion"`
		Supported  []string `json:"supportedVersions"`
	}{asked, cniapi.Versions})
	if err != nil { // strings always encode
		return nil
	}
	return append(result, '\n')
}
