// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netns_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weftnet/weft/sys/netns"
)

// create makes a namespace for one test and removes it at its end.
func create(t *testing.T, suffix string) *netns.NS {
	t.Helper()
	name := fmt.Sprintf("weft-nst%d-%s", os.Getpid(), suffix)
	n, err := netns.Create(name)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	t.Cleanup(func() {
		_ = n.Close()
		if err := netns.Delete(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("delete: %v", err)
		}
	})
	return n
}

func currentID(t *testing.T) netns.ID {
	t.Helper()
	n, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close() }()
	id, err := n.ID()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestCreateListDelete(t *testing.T) {
	n := create(t, "a")
	names, err := netns.List()
	if err != nil || !slices.Contains(names, n.Name()) {
		t.Fatalf("list = %v, %v; want %s among them", names, err, n.Name())
	}
	if _, err := netns.Create(n.Name()); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("second create: %v, want ErrExist", err)
	}
	if err := netns.Delete(n.Name()); err != nil {
		t.Fatal(err)
	}
	if _, err := netns.Open(n.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("open after delete: %v, want ErrNotExist", err)
	}
	if err := netns.Delete(n.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("second delete: %v, want ErrNotExist", err)
	}
}

func TestForeignNamesAreRefused(t *testing.T) {
	for _, name := range []string{"", "weft-", "prod", "weft-a/b", "../weft-a", "weft-" + strings.Repeat("x", 300)} {
		if n, err := netns.Create(name); err == nil {
			_ = n.Close()
			t.Errorf("Create(%q) succeeded", name)
		}
		if err := netns.Delete(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Delete(%q) = %v, want a refusal", name, err)
		}
	}
}

func TestDoEntersAndReturns(t *testing.T) {
	n := create(t, "do")
	before := currentID(t)
	want, err := n.ID()
	if err != nil {
		t.Fatal(err)
	}
	var inside netns.ID
	var loopback *net.Interface
	err = n.Do(func() error {
		inside = currentID(t)
		loopback, err = net.InterfaceByName("lo")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if inside != want || inside == before {
		t.Fatalf("inside Do the namespace is %v, want %v (outside: %v)", inside, want, before)
	}
	if loopback.Flags&net.FlagUp == 0 {
		t.Error("loopback of a new namespace is down")
	}
	if after := currentID(t); after != before {
		t.Fatalf("after Do the namespace is %v, want %v", after, before)
	}
}

func TestDoReturnsErrorAndSurvivesGoexit(t *testing.T) {
	n := create(t, "err")
	boom := errors.New("boom")
	if err := n.Do(func() error { return boom }); !errors.Is(err, boom) {
		t.Fatalf("Do = %v, want boom", err)
	}
	if err := n.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Fatal("Do hid that the function ended its goroutine")
	}
}

// TestNoThreadStaysBehind enters many namespaces at once and then looks from many threads: all must be at home.
func TestNoThreadStaysBehind(t *testing.T) {
	a, b := create(t, "x"), create(t, "y")
	home := currentID(t)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			n := []*netns.NS{a, b}[i%2]
			want, _ := n.ID()
			err := n.Do(func() error {
				if got := currentID(t); got != want {
					return fmt.Errorf("in %v, want %v", got, want)
				}
				runtime.Gosched()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 64 {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if got := currentID(t); got != home {
				t.Errorf("a thread stayed in %v, want %v", got, home)
			}
		})
	}
	wg.Wait()
}

func TestSocketsStayInTheirNamespace(t *testing.T) {
	n := create(t, "sock")
	var ln net.Listener
	err := n.Do(func() (err error) {
		ln, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if conn, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		_ = conn.Close()
		t.Fatal("reached a listener of another namespace from here")
	}
	err = n.Do(func() error {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	if err != nil {
		t.Fatalf("dial inside: %v", err)
	}
}

func TestDeletedNameStillWorksWhileOpen(t *testing.T) {
	n := create(t, "gone")
	if err := netns.Delete(n.Name()); err != nil {
		t.Fatal(err)
	}
	if err := n.Do(func() error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestLeftoverFileIsNoNamespace(t *testing.T) {
	create(t, "mk") // makes Dir
	name := fmt.Sprintf("weft-nst%d-left", os.Getpid())
	if err := os.WriteFile(netns.Path(name), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := netns.Open(name); err == nil {
		t.Error("opened a plain file as a namespace")
	}
	if err := netns.Delete(name); err != nil {
		t.Errorf("delete of a leftover file: %v", err)
	}
}
