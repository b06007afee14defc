// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

// Held are requests that wait for the next change of their connection, to go to the kernel in front of it: one system call and one answer for both.
type Held struct {
	conn     *RouteConn
	requests []Request
	refused  map[int]error
	err      error
}

// Hold keeps requests back until the connection sends others, or Result is called. What was held before is sent. The requests must not be
// changed before there is a Result.
func (c *RouteConn) Hold(requests []Request) *Held {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release()
	c.held = &Held{conn: c, requests: requests}
	return c.held
}

// Result sends the requests if that has not happened, and tells what became of them, as [RouteConn.Try] does.
func (h *Held) Result() (refused map[int]error, err error) {
	h.conn.mu.Lock()
	defer h.conn.mu.Unlock()
	if h.conn.held == h {
		h.conn.release()
	}
	return h.refused, h.err
}

// release sends what is held by itself.
func (c *RouteConn) release() {
	if h := c.held; h != nil {
		c.held = nil
		h.refused, h.err = c.sendAll(len(h.requests), func(i int, seq uint32) { h.requests[i].encode(&c.out, seq) }, func(i int) string { return h.requests[i].String() })
	}
}

// sendBehind sends n requests behind what is held, and returns what became of those n.
func (c *RouteConn) sendBehind(h *Held, n int, encode func(i int, seq uint32), name func(i int) string) (refused map[int]error, err error) {
	c.held = nil
	front := len(h.requests)
	all, err := c.sendAll(front+n, func(i int, seq uint32) {
		if i < front {
			h.requests[i].encode(&c.out, seq)
		} else {
			encode(i-front, seq)
		}
	}, func(i int) string {
		if i < front {
			return h.requests[i].String()
		}
		return name(i - front)
	})
	h.err = err
	for i, why := range all {
		if i < front {
			note(&h.refused, i, why)
		} else {
			note(&refused, i-front, why)
		}
	}
	return refused, err
}

// note enters a refusal, which is rare.
func note(refused *map[int]error, i int, err error) {
	if *refused == nil {
		*refused = map[int]error{}
	}
	(*refused)[i] = err
}
