// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/conntrack"
)

// handleKernel answers what the kernel counts and which connections it knows.
func (a *Agent) handleKernel(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/hits", func(w http.ResponseWriter, r *http.Request) {
		hits, ok, err := a.hits(r.Context())
		replyOr(w, hits, ok, err)
	})
	mux.HandleFunc("GET /v1/connections", func(w http.ResponseWriter, r *http.Request) {
		query, err := connectionQuery(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		list, err := knownConnections(query)
		replyOr(w, list, true, err)
	})
}

// replyOr answers with v, or says what the kernel refused.
func replyOr(w http.ResponseWriter, v any, ok bool, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, v, ok)
}

// hits counts what each rule has decided.
func (a *Agent) hits(ctx context.Context) (hits map[rule.ID]uint64, ok bool, err error) {
	ok = a.loop.ask(ctx, func() { hits, err = a.filter.Hits() })
	return hits, ok, err
}

// connectionQuery reads the parameters of a request.
func connectionQuery(r *http.Request) (q agentapi.ConnectionQuery, err error) {
	value := r.URL.Query().Get
	var errs [4]error
	address := func(name string) (addr netip.Addr, err error) {
		if text := value(name); text != "" {
			addr, err = netip.ParseAddr(text)
		}
		return addr, err
	}
	q.Source, errs[0] = address("source")
	q.Destination, errs[1] = address("destination")
	protocol, err := strconv.ParseUint(value("protocol"), 10, 8)
	errs[2], q.Protocol = err, uint8(protocol)
	port, err := strconv.ParseUint(value("port"), 10, 16)
	errs[3], q.Port = err, uint16(port)
	if err := errors.Join(errs[:]...); err != nil {
		return q, fmt.Errorf("source and destination are addresses, protocol and port numbers: %w", err)
	}
	return q, nil
}

// knownConnections lists the connections that this node's kernel knows and q selects.
func knownConnections(q agentapi.ConnectionQuery) (out []agentapi.Connection, err error) {
	table, err := conntrack.Open(nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, table.Close()) }()
	out = []agentapi.Connection{}
	seen := map[uint32]bool{} // one that comes twice counts once
	err = table.List(conntrack.Filter{From: q.Source, To: q.Destination}, func(f conntrack.Flow) {
		if q.Protocol != 0 && f.Orig.Protocol != q.Protocol || q.Port != 0 && f.Reply.SrcPort != q.Port || seen[f.ID] {
			return
		}
		seen[f.ID] = true
		out = append(out, agentapi.Connection{Original: f.Orig.String(), Reply: f.Reply.String(), Flow: agentapi.Flow{
			Source: f.Orig.Src, Destination: f.Reply.Src, Protocol: f.Orig.Protocol, Port: f.Reply.SrcPort,
			ICMPType: f.Orig.ICMPType, ICMPCode: f.Orig.ICMPCode,
		}})
	})
	return out, err
}
