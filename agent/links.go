// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/veth"
)

// hostLinks are the interfaces of the host itself, with their addresses: host endpoints are found by them.
type hostLinks interface {
	List() ([]calc.Link, error)
	// Wait returns when they may have changed, with os.ErrClosed after Close.
	Wait() error
	Close() error
}

// kernelLinks are the real ones.
type kernelLinks struct {
	conn    *netlink.Conn
	monitor *netlink.Monitor
	close   func() error
}

func openLinks() (*kernelLinks, error) {
	conn, err := netlink.Open(nil)
	if err != nil {
		return nil, err
	}
	monitor, err := netlink.OpenMonitor(nil, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &kernelLinks{conn, monitor, sync.OnceValue(func() error { conn.Close(); return monitor.Close() })}, nil
}

// List implements hostLinks.
func (k *kernelLinks) List() ([]calc.Link, error) {
	links, err := k.conn.Links()
	if err != nil {
		return nil, err
	}
	addrs, err := k.conn.Addrs(0)
	if err != nil {
		return nil, err
	}
	var out []calc.Link
	for _, l := range links {
		if strings.HasPrefix(l.Name, own.InterfacePrefix) {
			continue
		}
		link := calc.Link{Name: l.Name}
		for _, a := range addrs {
			if a.Link == l.Index {
				link.Addrs = append(link.Addrs, a.Prefix.Addr())
			}
		}
		out = append(out, link)
	}
	return out, nil
}

// Wait implements hostLinks.
func (k *kernelLinks) Wait() error {
	for {
		events, err := k.monitor.Next()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(events, ofHost) {
			return nil
		}
	}
}

// ofHost tells whether an event may be about the host itself. That workloads come and go is not: neither their links, nor the address that the
// kernel gives the host's end of each.
func ofHost(e netlink.Event) bool {
	switch e.Kind {
	case netlink.EventLink:
		return !strings.HasPrefix(e.Link.Name, own.InterfacePrefix)
	case netlink.EventAddr:
		return e.Addr.Addr() != veth.Gateway6
	}
	return e.Kind == netlink.EventLost
}

// Close implements hostLinks. A second call does nothing.
func (k *kernelLinks) Close() error { return k.close() }

// linksPause is the least time between two looks at the host's interfaces.
const linksPause = 100 * time.Millisecond

// watchLinks tells the loop of every change of the host's interfaces, which it knew as known when it began.
func (a *Agent) watchLinks(ctx context.Context, known []calc.Link) {
	stop := context.AfterFunc(ctx, func() { _ = a.links.Close() })
	defer stop()
	for {
		if err := a.links.Wait(); errors.Is(err, os.ErrClosed) || ctx.Err() != nil {
			return
		} else if err != nil {
			a.log.Warn("changes of the host's interfaces are not reported; looking again", "error", err)
			pause(ctx, publishRetry)
		}
		a.sizes.change()
		replace(a.hostChanged, struct{}{})
		pause(ctx, linksPause)
		now, err := a.links.List()
		if err != nil {
			a.log.Warn("the host's interfaces cannot be listed", "error", err)
			continue
		}
		if reflect.DeepEqual(now, known) {
			continue
		}
		known = now
		select {
		case a.loop.links <- now:
		case <-ctx.Done():
			return
		}
	}
}
