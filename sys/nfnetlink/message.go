// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nfnetlink

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// messageHeader is struct nlmsghdr, familyHeader struct nfgenmsg.
	messageHeader = unix.SizeofNlMsghdr
	familyHeader  = 4
)

// Header begins a message.
type Header struct {
	Kind     uint16 // NFNL_SUBSYS_* in the upper byte, the subsystem's own number in the lower
	Flags    uint16 // NLM_F_*; NLM_F_REQUEST is added
	Seq      uint32
	Family   uint8  // AF_INET, AF_INET6, or 0 for both
	Resource uint16 // of struct nfgenmsg
}

// Begin appends the head of a message. Attributes follow, then [Attrs.End], which wants what Begin returns.
func (a *Attrs) Begin(h Header) int {
	at := len(*a)
	b := binary.NativeEndian.AppendUint32(*a, 0) // the length, filled in by End
	b = binary.NativeEndian.AppendUint16(b, h.Kind)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|h.Flags)
	b = binary.NativeEndian.AppendUint32(b, h.Seq)
	b = binary.NativeEndian.AppendUint32(b, 0) // to the kernel
	*a = binary.BigEndian.AppendUint16(append(b, h.Family, unix.NFNETLINK_V0), h.Resource)
	return at
}

// End ends a message.
func (a *Attrs) End(at int) { binary.NativeEndian.PutUint32((*a)[at:], uint32(len(*a)-at)) }

// AddFlags adds flags to the message that begins at.
func (a *Attrs) AddFlags(at int, flags uint16) {
	const offset = 6
	b := (*a)[at+offset:]
	binary.NativeEndian.PutUint16(b, binary.NativeEndian.Uint16(b)|flags)
}

// Message is a received message.
type Message struct {
	Kind, Flags uint16
	Seq         uint32
	body        []byte // behind the netlink header
}

// Last says whether the message ends the answer to a request: an acknowledgement, an error, or the end of a dump.
func (m Message) Last() bool { return m.Kind == unix.NLMSG_ERROR || m.Kind == unix.NLMSG_DONE }

// Family is the address family that the message is about; 0 where it says none.
func (m Message) Family() uint8 {
	if len(m.body) < familyHeader {
		return 0
	}
	return m.body[0]
}

// Attrs are the message's attributes, valid as long as the buffer that it came in.
func (m Message) Attrs() []byte {
	if len(m.body) < familyHeader {
		return nil
	}
	return m.body[familyHeader:]
}

// Result decodes struct nlmsgerr, or the end of a dump: nil for success, else a [unix.Errno], with the kernel's words if it gave any.
func (m Message) Result() error {
	if len(m.body) < 4 {
		return errors.New("short netlink acknowledgement")
	}
	code := int32(binary.NativeEndian.Uint32(m.body))
	if code == 0 {
		return nil
	}
	err := unix.Errno(-code)
	const headers = 4 + messageHeader
	if m.Kind == unix.NLMSG_ERROR && m.Flags&unix.NLM_F_ACK_TLVS != 0 && len(m.body) > headers {
		if words := Attr(m.body[headers:], unix.NLMSGERR_ATTR_MSG); words != nil {
			return fmt.Errorf("%w (%s)", err, String(words))
		}
	}
	return err
}

// Split hands over the messages of a datagram, until take returns false.
func Split(b []byte, take func(Message) bool) error {
	for len(b) >= messageHeader {
		length := int(binary.NativeEndian.Uint32(b))
		if length < messageHeader || length > len(b) {
			return fmt.Errorf("netlink message of %d bytes in a datagram of %d", length, len(b))
		}
		m := Message{
			Kind:  binary.NativeEndian.Uint16(b[4:]),
			Flags: binary.NativeEndian.Uint16(b[6:]),
			Seq:   binary.NativeEndian.Uint32(b[8:]),
			body:  b[messageHeader:length],
		}
		if !take(m) {
			return nil
		}
		b = b[min(align(length), len(b)):]
	}
	return nil
}
