// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// patience bounds an exchange. It has to do with how busy the machine is; Ping counts packets.
const patience = 30 * time.Second

// pace is the time between two exchanges of one client. Many clients that never rested would starve all that they test.
const pace = 20 * time.Millisecond

// Load is an HTTP client in a pod.
type Load struct {
	cancel  context.CancelFunc
	wait    sync.WaitGroup
	mu      sync.Mutex
	done    int
	slowest time.Duration
	failed  []string
}

// StartLoad starts exchanges from a pod with the server at an address and port; in each of them on a connection of its own unless kept. Stop ends them.
func StartLoad(t testing.TB, from Pod, to string, kept bool) *Load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{cancel: cancel}
	t.Cleanup(cancel)
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: !kept,
		DialContext:       func(ctx context.Context, _, to string) (net.Conn, error) { return from.Dial(ctx, to) },
	}}
	l.wait.Go(func() {
		defer client.CloseIdleConnections()
		for ctx.Err() == nil {
			l.exchange(ctx, client, "http://"+to+"/hostname")
			time.Sleep(pace) // the load is so many a second
		}
	})
	return l
}

// exchange asks once and takes down how it went.
func (l *Load) exchange(ctx context.Context, client *http.Client, url string) {
	began := time.Now()
	err := get(ctx, client, url)
	if ctx.Err() != nil {
		return // not lost, but given up
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done++
	l.slowest = max(l.slowest, time.Since(began))
	if err != nil {
		l.failed = append(l.failed, began.Format("15:04:05.000 ")+err.Error())
	}
}

func get(ctx context.Context, client *http.Client, url string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", resp.Status)
	}
	return err
}

// Stop ends the exchanges, of which there must have been some and none may have failed.
func (l *Load) Stop(t testing.TB, when string) {
	t.Helper()
	l.cancel()
	l.wait.Wait()
	t.Logf("%s: %d exchanges, %d lost, the slowest took %v", when, l.done, len(l.failed), l.slowest.Round(time.Millisecond))
	if l.done == 0 {
		t.Errorf("%s: nothing was exchanged", when)
	}
	for i, failure := range l.failed {
		if i == 10 {
			t.Errorf("%s: and %d more", when, len(l.failed)-i)
			break
		}
		t.Errorf("%s: %s", when, failure)
	}
}
