// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
)

// logBook takes the engine's log. It is chatty: its news and warnings (a connection too many, closed) become debug messages, for what
// matters of them is in the status of the peers; its debug messages are dropped, but for the reason why a connection could not be made, which the engine tells nowhere else.
type logBook struct {
	out slog.Handler

	mu    sync.Mutex
	dials map[netip.Addr]string
}

const dialMessage = "failed to connect"

func newLogBook(log *slog.Logger) *logBook {
	return &logBook{out: log.Handler(), dials: map[netip.Addr]string{}}
}

func (b *logBook) logger() *slog.Logger {
	return slog.New(&logHandler{book: b, out: b.out.WithAttrs([]slog.Attr{slog.String("component", "bgp")})})
}

// dialError returns why the last attempt to connect to a peer failed.
func (b *logBook) dialError(peer netip.Addr) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dials[peer]
}

func (b *logBook) setDialError(peer netip.Addr, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dials[peer] = text
}

// logHandler is a slog.Handler; the engine makes one for each peer, with the peer's address as attribute "Key".
type logHandler struct {
	book *logBook
	out  slog.Handler
	peer netip.Addr
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level < slog.LevelInfo || h.out.Enabled(ctx, quieter(level))
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		if r.Message == dialMessage && h.peer.IsValid() {
			r.Attrs(func(a slog.Attr) bool {
				h.book.setDialError(h.peer, a.Value.String())
				return false
			})
		}
		return nil
	}
	if r.Level = quieter(r.Level); !h.out.Enabled(ctx, r.Level) {
		return nil
	}
	return h.out.Handle(ctx, r)
}

func quieter(level slog.Level) slog.Level {
	if level >= slog.LevelError {
		return level
	}
	return slog.LevelDebug
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := &logHandler{book: h.book, out: h.out.WithAttrs(attrs), peer: h.peer}
	for _, a := range attrs {
		if addr, err := netip.ParseAddr(a.Value.String()); a.Key == "Key" && err == nil {
			next.peer = addr
		}
	}
	return next
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{book: h.book, out: h.out.WithGroup(name), peer: h.peer}
}
