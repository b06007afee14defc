// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/internal/agentapi"
)

// DefaultAgentSocket is where an agent listens unless told otherwise.
const DefaultAgentSocket = "/run/weft/agent.sock"

func newNode(env *Env) *cobra.Command {
	cmd := &cobra.Command{Use: "node", Short: "Look after the node this command runs on", Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(newNodeStatus(env), newRotateKey(env))
	return offline(cmd)
}

func newNodeStatus(env *Env) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show this node's BGP sessions, data plane and endpoints",
		Long: `Show what the agent on this node is doing: its address and why it was chosen, whether it is in sync with the datastore, BGP peers with
state, since when and how many routes they sent and got, the data plane, the local endpoints and inputs with problems.

A dead peer is shown, but does not make the node unhealthy.`,
		Example: "  weft node status\n  weft node status -o json\n  eval \"$(weft lab env tour)\"; weft node status --node n1",
		Args:    cobra.NoArgs,
	}
	agent := addAgentFlags(cmd, env)
	addOutputFlag(cmd, &output, printer.FormatTable, printer.FormatWide, printer.FormatYAML, printer.FormatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := printer.Parse(output, printer.FormatTable, printer.FormatWide, printer.FormatYAML, printer.FormatJSON)
		if err != nil {
			return usagef("%w", err)
		}
		client, err := agent()
		if err != nil {
			return err
		}
		status, err := client.Status(cmd.Context())
		if err != nil {
			return err
		}
		if format == printer.FormatYAML || format == printer.FormatJSON {
			return printer.WriteValue(env.Out, format, status)
		}
		return writeStatus(env, status, format == printer.FormatWide)
	}
	return offline(cmd)
}

func newRotateKey(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate-key",
		Short: "Give this node new WireGuard keys",
		Long: `Make the agent on this node make new private keys for its WireGuard devices. Its Node object states the public keys first; the node takes them into use
when it hears of that from the datastore, and the other nodes use the old ones until the new ones answer. Connections go on.`,
		Example: "  weft node rotate-key",
		Args:    cobra.NoArgs,
	}
	agent := addAgentFlags(cmd, env)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := agent()
		if err != nil {
			return err
		}
		return client.RotateKey(cmd.Context())
	}
	return offline(cmd)
}

// addSocketFlag adds --socket and returns its effective value: flag, environment, default.
func addSocketFlag(cmd *cobra.Command, env *Env) func() string {
	flag := cmd.Flags().String("socket", "", "the agent's socket (env WEFT_AGENT_SOCKET; default "+DefaultAgentSocket+")")
	return func() string {
		for _, v := range []string{*flag, env.Getenv("WEFT_AGENT_SOCKET")} {
			if v != "" {
				return v
			}
		}
		return DefaultAgentSocket
	}
}

// addAgentFlags adds --socket and --node, which say the agent to ask.
func addAgentFlags(cmd *cobra.Command, env *Env) func() (*agentapi.Client, error) {
	socket := addSocketFlag(cmd, env)
	node := cmd.Flags().String("node", "", "the node to ask, where the socket's path has "+nodeInSocket+" in place of its name, as in a lab")
	return func() (*agentapi.Client, error) {
		path := socket()
		switch many := strings.Contains(path, nodeInSocket); {
		case many && *node == "":
			return nil, usagef("the socket %s is one of many: say which with --node", path)
		case !many && *node != "":
			return nil, usagef("--node %s: the socket %s is that of one node; ask there, or write %s in place of the node's name", *node, path, nodeInSocket)
		}
		return agentapi.NewClient(strings.ReplaceAll(path, nodeInSocket, *node)), nil
	}
}

func writeStatus(env *Env, s agentapi.Status, wide bool) error {
	sync := "in sync"
	if s.Datastore != "" {
		sync = "away (" + s.Datastore + "); what is in force stays in force"
	} else if !s.InSync {
		sync = "not in sync yet"
	}
	fmt.Fprintf(env.Out, "Node        %s\n", s.Node)
	for i, address := range s.Address.Value {
		fmt.Fprintf(env.Out, "%-11s %s\n", map[bool]string{true: "Address", false: ""}[i == 0], address)
	}
	for reason := range strings.SplitSeq(s.Address.Reason, "; ") {
		fmt.Fprintf(env.Out, "            (%s)\n", reason)
	}
	for _, rejected := range s.Address.Rejected {
		fmt.Fprintf(env.Out, "            (not %s)\n", rejected)
	}
	fmt.Fprintf(env.Out, "Datastore   %s, revision %d\n", sync, s.Revision)
	if c := s.Cache; c != nil {
		fmt.Fprintf(env.Out, "            (in force since %s are the inputs on disk, as the datastore was at %s)\n",
			c.Since.Local().Format(time.DateTime), c.Inputs.Local().Format(time.DateTime))
	}
	writeDataplane(env, s.Dataplane)
	fmt.Fprintf(env.Out, "MTU         %s\n            (%s)\n", strings.Join(s.MTU.Value, ""), s.MTU.Reason)
	fmt.Fprintf(env.Out, "Tunnels     %s%s\n", s.Tunnels.State, suffix(s.Tunnels.Error))
	writeEncryption(env, s.Encryption)
	writeSourceCheck(env, s.SourceCheck)
	fmt.Fprintf(env.Out, "Routes      %s%s\n", s.Routes.State, suffix(s.Routes.Error))
	pending := ""
	if s.Connections.Pending {
		pending = ", others being judged again"
	}
	fmt.Fprintf(env.Out, "Connections %d ended by policy%s%s\n", s.Connections.Ended, pending, suffix(s.Connections.Error))
	if s.BGP.Error != "" {
		fmt.Fprintf(env.Out, "BGP         %s\n", s.BGP.Error)
	}
	if !s.BGP.Running {
		fmt.Fprintln(env.Out, "BGP         not running on this node")
	} else {
		fmt.Fprintf(env.Out, "BGP         AS %d, router id %s, %d routes learned\n\n", s.BGP.AS, s.BGP.RouterID, s.BGP.Learned)
		if len(s.BGP.Peers) == 0 {
			fmt.Fprintln(env.Out, "No BGP peers")
		} else if err := peerTable(s.BGP.Peers).Write(env.Out, wide); err != nil {
			return err
		}
	}
	fmt.Fprintln(env.Out)
	if len(s.Endpoints) == 0 {
		fmt.Fprintln(env.Out, "No endpoints on this node")
	} else if err := endpointTable(s.Endpoints).Write(env.Out, wide); err != nil {
		return err
	}
	writeProblems(env, "Problem", s.Problems)
	writeProblems(env, "Notice", s.Notices)
	return nil
}

func writeProblems(env *Env, title string, list []agentapi.Problem) {
	for _, p := range list {
		fmt.Fprintf(env.Out, "\n%s: %s: %s\n", title, p.Object, fieldText(p.Field, p.Reason))
	}
}

func writeEncryption(env *Env, e *agentapi.EncryptionStatus) {
	if e == nil {
		return
	}
	places := map[string]string{
		"kernel": "in the kernel",
		"agent": "in the agent, because the kernel had no WireGuard (module wireguard, CONFIG_WIREGUARD) when it was made; slower, and still while the agent restarts; " +
			"load the module and delete the device, and it is made in the kernel",
	}
	title := "Encryption"
	for _, d := range e.Devices {
		fmt.Fprintf(env.Out, "%-11s %s, key %s\n            (%s)\n", title, d.Name, d.PublicKey, places[d.Place])
		title = ""
	}
	for _, p := range e.Plain {
		fmt.Fprintf(env.Out, "%-11s in the clear to %s\n", title, p)
		title = ""
	}
	switch {
	case e.Hosts && len(e.PlainHosts) > 0:
		fmt.Fprintf(env.Out, "%-11s packets between the nodes themselves, too, but in the clear to %s\n", title, strings.Join(e.PlainHosts, ", "))
	case e.Hosts:
		fmt.Fprintf(env.Out, "%-11s packets between the nodes themselves, too\n", title)
	}
}

func writeSourceCheck(env *Env, c *agentapi.SourceCheckStatus) {
	if c == nil {
		return
	}
	fmt.Fprintf(env.Out, "AWS check   %s%s\n", c.State, suffix(c.Error))
	if c.Interface != "" {
		fmt.Fprintf(env.Out, "            (source/destination check of %s)\n", c.Interface)
	}
	if c.State == "on" {
		fmt.Fprintln(env.Out, "            (EC2 drops packets under workloads' addresses without a tunnel; awsSrcDstCheck: Disable switches it off)")
	}
	writeRetry(env, c.Retry)
}

func writeRetry(env *Env, at time.Time) {
	if !at.IsZero() {
		fmt.Fprintf(env.Out, "            (tried again at %s)\n", at.Local().Format(time.TimeOnly))
	}
}

func writeDataplane(env *Env, d agentapi.ComponentStatus) {
	driver := ""
	if d.Driver != "" {
		driver = d.Driver + ", "
	}
	fmt.Fprintf(env.Out, "Dataplane   %s%s%s\n", driver, d.State, suffix(d.Error))
	if d.Closed > 0 {
		fmt.Fprintf(env.Out, "            (%d endpoints closed: the kernel refuses their policy)\n", d.Closed)
	}
	writeRetry(env, d.Retry)
	if d.Reason != "" {
		fmt.Fprintf(env.Out, "            (%s)\n", d.Reason)
	}
	for _, rejected := range d.Rejected {
		fmt.Fprintf(env.Out, "            (not %s)\n", rejected)
	}
}

func suffix(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

func peerTable(peers []agentapi.PeerStatus) printer.Table {
	t := printer.Table{Columns: []printer.Column{{Header: "PEER"}, {Header: "TYPE"}, {Header: "AS"}, {Header: "STATE"}, {Header: "SINCE"},
		{Header: "RECEIVED"}, {Header: "SENT"}, {Header: "NAME", Wide: true}, {Header: "ACCEPTED", Wide: true}, {Header: "LAST ERROR"}}}
	for _, p := range peers {
		since := ""
		if !p.Since.IsZero() {
			since = p.Since.Local().Format(time.DateTime)
		}
		t.Rows = append(t.Rows, []string{p.Address, p.Type, strconv.FormatUint(uint64(p.AS), 10), p.State, since,
			strconv.Itoa(p.Received), strconv.Itoa(p.Sent), p.Name, strconv.Itoa(p.Accepted), p.Error})
	}
	return t
}

func endpointTable(endpoints []agentapi.EndpointStatus) printer.Table {
	t := printer.Table{Columns: []printer.Column{{Header: "NAMESPACE"}, {Header: "ENDPOINT"}, {Header: "INTERFACE"}, {Header: "ADDRESSES"}, {Header: "STATE"}, {Header: "REASON"}}}
	for _, e := range endpoints {
		t.Rows = append(t.Rows, []string{e.Namespace, e.Name, e.Interface, joinComma(e.Addresses), e.State, e.Reason})
	}
	return t
}
