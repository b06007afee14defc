// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agentapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// Client talks to one agent.
type Client struct {
	socket string
	http   http.Client
}

// NewClient returns a client for the agent's unix socket. Nothing is dialled yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status returns the agent's status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.get(ctx, "/v1/status", &s)
}

// MTUs returns the sizes of packets.
func (c *Client) MTUs(ctx context.Context) (MTUs, error) {
	var m MTUs
	return m, c.get(ctx, "/v1/mtu", &m)
}

// Tables returns the names of the tables that can be dumped.
func (c *Client) Tables(ctx context.Context) ([]string, error) {
	var names []string
	return names, c.get(ctx, "/v1/state", &names)
}

// Table dumps one table.
func (c *Client) Table(ctx context.Context, name string) (Table, error) {
	var t Table
	return t, c.get(ctx, "/v1/state/"+url.PathEscape(name), &t)
}

// RotateKey makes the agent's WireGuard devices take new keys.
func (c *Client) RotateKey(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/v1/rotate-key", &struct{}{})
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, into)
}

func (c *Client) do(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("agent socket %s: %w", c.socket, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("agent: %s", bytes.TrimSpace(body))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("agent socket %s: the answer to %s is not understood: %w; are agent and command of one version?", c.socket, path, err)
	}
	return nil
}

// unreachable says why nobody answers, without the URL, which is none, and the address, which is the socket.
func (c *Client) unreachable(err error) error {
	var sent *url.Error
	if errors.As(err, &sent) {
		err = sent.Err
	}
	var dialled *net.OpError
	if errors.As(err, &dialled) {
		err = dialled.Err
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("agent socket %s: %w; run the command as root", c.socket, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("agent socket %s: %w; `weft agent` does not run on this node, or has another --state-dir", c.socket, err)
	}
	return fmt.Errorf("agent socket %s: %w", c.socket, err)
}
