// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/store"
)

// standing says, by api.Key.String(), what keeps objects from being in force as they are written, and what else agents have to say of them. Where
// all is well there is no entry.
type standing map[string][]objection

// objection is one thing against an object.
type objection struct {
	node    string // whose agent says so; empty: every agent would
	text    string // field and reason
	refused bool   // the object as it is written is not in force at all
}

func (o objection) String() string {
	switch {
	case o.refused:
		return "refused: " + o.text
	case o.node != "":
		return "on " + o.node + ": " + o.text
	}
	return o.text
}

// standingOf judges what was found by the rules of the agents, and adds the words of those agents that can be asked: they know whether an older
// version is in force in place of what they refuse.
func standingOf(ctx context.Context, env *Env, s store.Store, socket string, found []group) standing {
	out := standing{}
	graph, unknown := calc.New(""), map[api.Key][]string{}
	for _, g := range found {
		for _, bad := range g.unreadable {
			out.add(bad.Key, objection{text: "cannot be read: " + bad.Err.Error(), refused: true})
		}
		for _, obj := range g.objects {
			graph.Apply([]calc.Change{{Key: api.KeyOf(obj), Object: obj}})
			unknown[api.KeyOf(obj)] = v3.UnknownFields(obj)
		}
	}
	for _, p := range graph.Problems() {
		if p.Refused || slices.Contains(unknown[p.Key], p.Field) {
			out.add(p.Key, objection{text: fieldText(p.Field, p.Reason), refused: p.Refused})
		}
	}
	for _, status := range reachable(ctx, env, s, socket) {
		for _, p := range slices.Concat(status.Problems, status.Notices) {
			out[p.Object] = append(out[p.Object], objection{status.Node, fieldText(p.Field, p.Reason), p.Refused})
		}
	}
	return out
}

func (s standing) add(key api.Key, o objection) { s[key.String()] = append(s[key.String()], o) }

func fieldText(field, reason string) string {
	if field == "" {
		return reason
	}
	return field + ": " + reason
}

// cell is the text for a table: an agent's words go before what every agent would say, and the rest is counted.
func (s standing) cell(key api.Key) string {
	list := s[key.String()]
	if len(list) == 0 {
		return ""
	}
	best, words := list[0], 0
	for _, o := range list {
		if o.node == best.node {
			words++
		}
	}
	for _, o := range list {
		if o.node != "" && o.refused == list[0].refused {
			best = o
			break
		}
	}
	text := best.String()
	if words > 1 {
		text += fmt.Sprintf(" (and %d more, see `weft describe`)", words-1)
	}
	return text
}

// any tells whether there is something against one of the objects.
func (s standing) any(g *group) bool {
	return slices.ContainsFunc(g.keys(), func(key api.Key) bool { return len(s[key.String()]) > 0 })
}

// warn prints what there is against objects that are not shown in a table.
func (s standing) warn(env *Env, found []group) {
	for _, g := range found {
		for _, key := range g.keys() {
			if text := s.cell(key); text != "" {
				fmt.Fprintf(env.Err, "warning: %s: %s\n", describeKey(key), text)
			}
		}
	}
}

// reachable returns what the agents say that can be asked from here. Nobody's answering at the default place is no news.
func reachable(ctx context.Context, env *Env, s store.Store, socket string) []agentapi.Status {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	var out []agentapi.Status
	for _, path := range socketsOf(ctx, env, s, socket) {
		status, err := agentapi.NewClient(path).Status(ctx)
		switch {
		case err == nil:
			out = append(out, status)
		case path != DefaultAgentSocket:
			fmt.Fprintf(env.Err, "warning: %v\n", err)
		}
	}
	return out
}

// socketsOf returns the sockets that a flag means: one, or with {node} in it that of each node.
func socketsOf(ctx context.Context, env *Env, s store.Store, socket string) (out []string) {
	if !strings.Contains(socket, nodeInSocket) {
		return []string{socket}
	}
	nodes, err := s.List(ctx, api.Nodes, "")
	if err != nil {
		fmt.Fprintf(env.Err, "warning: no agent can be asked: %v\n", err)
	}
	for _, n := range nodes.Items {
		out = append(out, strings.ReplaceAll(socket, nodeInSocket, n.GetName()))
	}
	return out
}
