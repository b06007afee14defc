// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package pathmtu

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/own"
)

const (
	// attempts is how often a size is tried: a packet may be lost for other reasons.
	attempts = 3
	// An answer may take firstPatience at first, then tenfold the time that the last one took, within bounds.
	firstPatience = 500 * time.Millisecond
	leastPatience = 100 * time.Millisecond
	// smallest is the size of the packet that finds out whether the other side answers at all.
	smallest = 100
)

// ErrNoAnswer says that the other side does not answer whatever the size: nothing is known then.
var ErrNoAnswer = fmt.Errorf("no answer on UDP port %d: is weft running there, and is that port allowed between the nodes?", Port)

// Result is what was measured.
type Result struct {
	// MTU is the largest IP packet that arrives, in bytes.
	MTU int
	// Hop is the router that said that it has no room for more; the zero Addr if none said so.
	Hop netip.Addr
}

// Measure finds the largest IP packet that arrives, up to most bytes, from the address src of this host at dst. It takes two packets where all is
// well, and some seconds where large ones vanish.
func Measure(ctx context.Context, src, dst netip.Addr, most int) (Result, error) {
	m, err := dial(src, dst)
	if err != nil {
		return Result{}, fmt.Errorf("path MTU to %s: %w", dst, err)
	}
	defer func() { _ = m.conn.Close() }()
	r, err := m.search(ctx, most)
	if err != nil {
		return Result{}, fmt.Errorf("path MTU to %s: %w", dst, err)
	}
	return r, nil
}

// measurement is a socket connected to the other side.
type measurement struct {
	conn     *net.UDPConn
	raw      syscall.RawConn
	headers  int // of IP and UDP
	patience time.Duration
	told     int        // what an ICMP error said of the path, 0: nothing
	hop      netip.Addr // that said so
}

func dial(src, dst netip.Addr) (*measurement, error) {
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(src, 0)), Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = probing(int(fd), dst.Is6()) }), err)
	}}
	conn, err := d.Dial("udp", netip.AddrPortFrom(dst, Port).String())
	if err != nil {
		return nil, err
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a %T is no UDP socket", conn), conn.Close())
	}
	raw, err := udp.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, udp.Close())
	}
	m := &measurement{conn: udp, raw: raw, headers: 20 + 8, patience: firstPatience}
	if dst.Is6() {
		m.headers = 40 + 8
	}
	return m, nil
}

// probing makes a socket send packets that must not be cut up, whatever the kernel believes of the path, and keep ICMP errors (ip(7), ipv6(7)).
// They go below the encryption between hosts: else what is measured would depend on what follows from it.
func probing(fd int, v6 bool) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, own.UnderlayMark); err != nil {
		return err
	}
	if v6 {
		return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1), unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1))
	}
	return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1))
}

// search tries the size that ought to pass, then halves the rest. What ICMP says shortens the search and is never just believed.
func (m *measurement) search(ctx context.Context, most int) (Result, error) {
	switch ok, err := m.passes(ctx, smallest); {
	case err != nil:
		return Result{}, err
	case !ok:
		return Result{}, ErrNoAnswer
	}
	if ok, err := m.passes(ctx, most); ok || err != nil {
		return Result{MTU: most}, err
	}
	low, high := smallest, most // low passes, high does not
	for high-low > 1 {
		size := m.next(low, high)
		ok, err := m.passes(ctx, size)
		if err != nil {
			return Result{}, err
		}
		if ok {
			low = size
		} else {
			high = size
		}
	}
	return Result{MTU: low, Hop: m.hop}, nil
}

// next chooses the size to try: what ICMP says ought to pass, and the next larger one ought not.
func (m *measurement) next(low, high int) int {
	switch {
	case m.told > low && m.told < high:
		return m.told
	case m.told == low:
		return low + 1
	}
	return (low + high) / 2
}

// passes asks with one size.
func (m *measurement) passes(ctx context.Context, size int) (bool, error) {
	question := m.question(size)
	for range attempts {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		answered, err := m.ask(question)
		switch {
		case answered == 0:
			return true, nil
		case err != nil && !m.refused(err):
			return false, err
		case err != nil && m.told > 0 && m.told < size:
			return false, nil
		case err != nil || size == smallest:
			continue // it was about an earlier packet, or there is none smaller
		}
		if late, err := m.alive(ctx, question); late || err != nil {
			return late, err
		}
	}
	return false, nil
}

// alive asks with a small packet after a question that found no answer. One who answers neither is busy, or not there any more, and nothing is known of
// the path; who is slow answers the first question yet.
func (m *measurement) alive(ctx context.Context, before []byte) (late bool, err error) {
	small := m.question(smallest)
	for range attempts {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		answered, err := m.ask(small, before)
		if err != nil && !m.refused(err) {
			return false, err
		}
		if answered >= 0 {
			return answered == 1, nil
		}
	}
	return false, ErrNoAnswer
}

// question makes a packet of a size, in bytes with the headers. It begins with a token.
func (m *measurement) question(size int) []byte {
	question := make([]byte, size-m.headers)
	binary.BigEndian.PutUint32(question, magic)
	_, _ = rand.Read(question[4:tokenSize]) // never fails (package crypto/rand)
	return question
}

// ask sends a question and waits for its answer or that of an earlier one. It tells which was answered: 0 the question, then those before; -1 none.
func (m *measurement) ask(question []byte, before ...[]byte) (answered int, err error) {
	// A full queue, or a virtual link whose other end takes less, is one more way of losing a packet.
	if _, err := m.conn.Write(question); err != nil && !errors.Is(err, unix.ENOBUFS) {
		return -1, err
	}
	return m.await(append([][]byte{question}, before...))
}

// refused tells whether an error is one that a packet has brought about, and takes down what is known of it.
func (m *measurement) refused(err error) bool {
	if !errors.Is(err, unix.EMSGSIZE) && !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ENETUNREACH) {
		return false
	}
	m.hear()
	return true
}

// await waits for the answer to one of some questions, and tells which; -1: to none.
func (m *measurement) await(questions [][]byte) (answered int, err error) {
	start := time.Now()
	if err := m.conn.SetReadDeadline(start.Add(m.patience)); err != nil {
		return -1, err
	}
	buf := make([]byte, tokenSize)
	for {
		n, err := m.conn.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return -1, nil
		case err != nil:
			return -1, err
		}
		answered = slices.IndexFunc(questions, func(q []byte) bool { return bytes.Equal(buf[:n], q[:tokenSize]) })
		if answered == 0 {
			m.patience = min(max(10*time.Since(start), leastPatience), firstPatience)
		}
		if answered >= 0 {
			return answered, nil
		}
	}
}

// hear takes errors from the socket's queue.
func (m *measurement) hear() {
	buf, oob := make([]byte, 1), make([]byte, 512)
	_ = m.raw.Control(func(fd uintptr) { // it fails after Close only
		for {
			_, n, _, _, err := unix.Recvmsg(int(fd), buf, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			m.note(oob[:n])
		}
	})
}

// note reads one error: struct sock_extended_err and the address of who sent it (ip(7), IP_RECVERR).
func (m *measurement) note(oob []byte) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for _, c := range messages {
		const extended = 16 // bytes of struct sock_extended_err
		if len(c.Data) < extended || unix.Errno(binary.NativeEndian.Uint32(c.Data)) != unix.EMSGSIZE {
			continue
		}
		m.told = int(binary.NativeEndian.Uint32(c.Data[8:]))
		if origin := c.Data[4]; origin == unix.SO_EE_ORIGIN_ICMP || origin == unix.SO_EE_ORIGIN_ICMP6 {
			m.hop = offender(c.Data[extended:])
		}
	}
}

// offender reads a sockaddr.
func offender(b []byte) netip.Addr {
	switch {
	case len(b) >= 8 && binary.NativeEndian.Uint16(b) == unix.AF_INET:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case len(b) >= 24 && binary.NativeEndian.Uint16(b) == unix.AF_INET6:
		return netip.AddrFrom16([16]byte(b[8:24]))
	}
	return netip.Addr{}
}
