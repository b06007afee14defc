// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Datagrams returns the 64-byte UDP datagrams a second that one thread sends and receives. Nothing answers them: to connection tracking each
// is new, so that each meets policy.
//
// As with Connect one thread plays both ends. With a receiver of its own the figure is that of the scheduler, which wakes it up for most datagrams.
func Datagrams(ctx context.Context, e Ends, d time.Duration) (float64, error) {
	server, client := -1, -1
	err := e.Server.Do(func() (err error) {
		if server, err = e.socket(syscall.SOCK_DGRAM); err != nil {
			return err
		}
		return os.NewSyscallError("bind", syscall.Bind(server, e.sockaddr()))
	})
	if err == nil {
		err = e.Client.Do(func() (err error) {
			if client, err = e.socket(syscall.SOCK_DGRAM); err != nil {
				return err
			}
			return os.NewSyscallError("connect", syscall.Connect(client, e.sockaddr()))
		})
	}
	done, start := 0, time.Now()
	for err == nil && time.Since(start) < d {
		if err = errors.Join(ctx.Err(), carry(client, server)); err == nil {
			done++
		}
	}
	elapsed := time.Since(start)
	if err != nil {
		err = fmt.Errorf("datagrams to %s: %w", e.Addr, err)
	}
	return float64(done) / elapsed.Seconds(), errors.Join(err, closeSockets(server, client))
}
