// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package traffic measures what two network namespaces can exchange: build Ends, then call one of the four measurements.
//
// Each runs for a given time and returns a rate. The programs are the same whatever lies between the ends, so that two
// rates of one run compare the paths.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/sys/netns"
)

// Ends are the two sides of a measurement.
type Ends struct {
	Client, Server *netns.NS
	Addr           netip.Addr // of the server
	Port           uint16
}

// Measure is one measurement: a rate per second.
type Measure func(ctx context.Context, e Ends, d time.Duration) (float64, error)

// setupTimeout bounds everything that is not the measurement itself.
const setupTimeout = 2 * time.Second

// request is the size in bytes of requests, responses and datagrams.
const request = 64

// Stream returns the bytes a second of one TCP connection.
func Stream(ctx context.Context, e Ends, d time.Duration) (float64, error) {
	var received atomic.Int64
	serve := func(conn net.Conn) error {
		buffer := make([]byte, 1<<17)
		for {
			n, err := conn.Read(buffer)
			received.Add(int64(n))
			if err != nil {
				return over(err)
			}
		}
	}
	drive := func(dial func() (net.Conn, error), deadline time.Time) error {
		conn, err := dial()
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		buffer := make([]byte, 1<<17)
		for time.Now().Before(deadline) {
			if _, err := conn.Write(buffer); err != nil {
				return err
			}
		}
		return nil
	}
	return e.run(ctx, d, serve, drive, &received)
}

// RequestResponse returns the round trips a second on one TCP connection, 64 bytes each way.
func RequestResponse(ctx context.Context, e Ends, d time.Duration) (float64, error) {
	var done atomic.Int64
	drive := func(dial func() (net.Conn, error), deadline time.Time) error {
		conn, err := dial()
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		buffer := make([]byte, request)
		for { // once at least, however busy the machine is
			if err := roundTrip(conn, buffer); err != nil {
				return err
			}
			done.Add(1)
			if time.Now().After(deadline) {
				return nil
			}
		}
	}
	return e.run(ctx, d, echo, drive, &done)
}

// run starts a server, drives it from the client's namespace until the deadline and returns count per second.
func (e Ends) run(ctx context.Context, d time.Duration, serve func(net.Conn) error, drive func(func() (net.Conn, error), time.Time) error, count *atomic.Int64) (float64, error) {
	at := netip.AddrPortFrom(e.Addr, e.Port).String()
	var listener net.Listener
	if err := e.Server.Do(func() (err error) { listener, err = net.Listen("tcp", at); return err }); err != nil {
		return 0, err
	}
	group := errgroup.Group{}
	group.Go(func() error { return acceptAll(listener, serve) })
	start := time.Now()
	err := e.Client.Do(func() error {
		// The thread stays in the namespace: every connection of the loop is made there.
		return drive(func() (net.Conn, error) {
			dialer := net.Dialer{Timeout: setupTimeout}
			return dialer.DialContext(ctx, "tcp", at)
		}, start.Add(d))
	})
	elapsed := time.Since(start)
	err = errors.Join(err, listener.Close(), group.Wait())
	if err == nil && count.Load() == 0 {
		err = fmt.Errorf("nothing got through to %s", at)
	}
	return float64(count.Load()) / elapsed.Seconds(), err
}

func acceptAll(listener net.Listener, serve func(net.Conn) error) error {
	var group errgroup.Group
	for {
		conn, err := listener.Accept()
		if err != nil {
			return errors.Join(over(err), group.Wait())
		}
		group.Go(func() error {
			defer func() { _ = conn.Close() }()
			return serve(conn)
		})
	}
}

func echo(conn net.Conn) error {
	buffer := make([]byte, request)
	for {
		if _, err := io.ReadFull(conn, buffer); err != nil {
			return over(err)
		}
		if _, err := conn.Write(buffer); err != nil {
			return over(err)
		}
	}
}

func roundTrip(conn net.Conn, buffer []byte) error {
	if _, err := conn.Write(buffer); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, buffer)
	return err
}

// over turns the errors by which a finished measurement ends into nil.
func over(err error) error {
	var reset *net.OpError
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &reset) {
		return nil
	}
	return err
}
