// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netns"
)

// DeleteLinkFrom deletes a link of ns (nil: the calling thread's namespace), and with one end of a veth the other. It returns when both
// have left their namespaces: names, addresses and routes are gone and no packet passes.
//
// The request itself takes tens of milliseconds longer, because the kernel waits for readers of its own memory before it frees the links
// (rcu_barrier in netdev_run_todo). Nobody else needs to: the kernel announces the deletion to the requester before that pause (NLM_F_ECHO,
// since Linux 6.2; earlier kernels answer after it).
func DeleteLinkFrom(ns *netns.NS, index int) error {
	s, err := openSocket(ns)
	if err != nil {
		return err
	}
	sent, answered, received := make(chan error, 1), make(chan error, 1), make(chan struct{})
	go func() {
		_, err := s.file.Write(deleteLink(index))
		sent <- err
		<-received // closing throws away what is not yet read
		_ = s.close()
	}()
	go func() { answered <- s.receive(deleted) }()
	defer close(received)
	select {
	case err = <-answered:
	case err = <-sent:
		if err == nil {
			err = <-answered
		}
	}
	return wrap(err, "delete link with index %d", index)
}

func deleteLink(index int) []byte {
	var b builder
	body := [unix.SizeofIfInfomsg]byte{}
	native.PutUint32(body[4:], uint32(index))
	b.begin(unix.RTM_DELLINK, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_ECHO, 1, body[:])
	b.end()
	return b.buf
}

// deleted takes the announcement or the acknowledgement, whichever is first.
func deleted(m message) (last bool, err error) {
	if m.kind == unix.NLMSG_ERROR {
		return true, m.reply()
	}
	return m.kind == unix.RTM_DELLINK, nil
}
