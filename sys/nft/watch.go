// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// Watch reports changes of tables. It is a netlink socket in the multicast group of nf_tables; a filter in the kernel keeps out what carries
// the watcher's own port, so that own transactions of any size cost it nothing.
type Watch struct {
	file     *os.File
	concerns func(family byte, table string) bool
	// underway: messages of a transaction that concern a watched table have come, its end has not.
	underway bool
}

// ErrOverflow says that notifications were lost: look at the table itself.
var ErrOverflow = unix.ENOBUFS

const watchBuffer = 2 << 20

// OpenWatch starts watching a table of the calling thread's network namespace. Changes made through the connection own are left out.
func OpenWatch(table string, own *Conn) (*Watch, error) {
	return openWatch(own.Port(), func(_ byte, name string) bool { return name == table })
}

// OpenWatchIP starts watching tables of the families ip and ip6 in the calling thread's network namespace, whoever changes them: those that
// the iptables tools work on.
func OpenWatchIP(tables ...string) (*Watch, error) {
	return openWatch(0, func(family byte, name string) bool {
		return (family == unix.NFPROTO_IPV4 || family == unix.NFPROTO_IPV6) && slices.Contains(tables, name)
	})
}

// openWatch leaves out changes that carry a port; 0 is nobody's.
func openWatch(port uint32, concerns func(byte, string) bool) (*Watch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("nf_tables event socket: %w", err)
	}
	if err := setupWatch(fd, port); err != nil {
		return nil, errors.Join(fmt.Errorf("nf_tables event socket: %w", err), unix.Close(fd))
	}
	return &Watch{file: os.NewFile(uintptr(fd), "nf_tables events"), concerns: concerns}, nil
}

func setupWatch(fd int, port uint32) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, watchBuffer); err != nil {
		return err
	}
	filter := skipPort(port)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.NFNLGRP_NFTABLES)
}

// skipPort is a socket filter that drops messages with a port in their header. The kernel puts messages of one transaction together,
// never those of two, so the first header speaks for all.
func skipPort(port uint32) []unix.SockFilter {
	const portOffset = 12
	swapped := binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, port))
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: portOffset},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: swapped, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
	}
}

// Next waits for a change of a table by others. It returns nil for a change, ErrOverflow when notifications were lost (a change may
// be among them), and an error wrapping os.ErrClosed after Close.
func (w *Watch) Next() error {
	return w.read(w.any)
}

// NextGeneration is like Next, and returns the generation of the rules that the change made (see [Conn.Generation]). Use one of the two on a Watch.
func (w *Watch) NextGeneration() (generation uint32, err error) {
	err = w.read(func(b []byte) bool {
		w.underway = w.underway || w.any(b)
		id, ended := endOf(b)
		if !ended || !w.underway {
			return false
		}
		generation, w.underway = id, false
		return true
	})
	return generation, err
}

// endOf finds the message that ends a transaction.
func endOf(b []byte) (generation uint32, ended bool) {
	err := nfnetlink.Split(b, func(m nfnetlink.Message) bool {
		if id := nfnetlink.Attr(m.Attrs(), unix.NFTA_GEN_ID); m.Kind&0xff == unix.NFT_MSG_NEWGEN && len(id) == 4 {
			generation, ended = nfnetlink.Uint32(id), true
		}
		return !ended
	})
	return generation, ended && err == nil
}

// read reads datagrams until enough.
func (w *Watch) read(enough func([]byte) bool) error {
	buf := make([]byte, nfnetlink.ReadBuffer)
	for {
		n, err := w.file.Read(buf)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			w.underway = false
			return ErrOverflow
		case errors.Is(err, io.EOF):
			continue
		case err != nil:
			return fmt.Errorf("nf_tables events: %w", err)
		case enough(buf[:n]):
			return nil
		}
	}
}

// any reports whether one of the messages in b is about a watched table. Every object's first attribute is its table's name.
func (w *Watch) any(b []byte) bool {
	const nameAttr = 1
	found := false
	err := nfnetlink.Split(b, func(m nfnetlink.Message) bool {
		found = m.Kind&0xff != unix.NFT_MSG_NEWGEN && w.concerns(m.Family(), nfnetlink.String(nfnetlink.Attr(m.Attrs(), nameAttr)))
		return !found
	})
	return found || err != nil // what cannot be read may be about anything
}

// Close ends the watch; a Next that waits returns.
func (w *Watch) Close() error { return w.file.Close() }
