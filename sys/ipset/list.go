// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Headers lists all sets of the namespace without their elements.
func (c *Conn) Headers() ([]Header, error) {
	var out []Header
	err := c.dump("", flagListHeader, func(body []byte) {
		out = append(out, decodeHeader(body))
	})
	return out, err
}

// Elements lists the elements of a set. The error Is ErrNotExist when there is none of that name.
func (c *Conn) Elements(name string) ([]Element, error) {
	var out []Element
	err := c.dump(name, 0, func(body []byte) {
		for typ, v := range attrs(body) {
			if typ != attrElements {
				continue
			}
			for typ, data := range attrs(v) {
				if typ == attrData {
					out = append(out, decodeElement(data))
				}
			}
		}
	})
	return out, err
}

// Version returns the newest protocol version that the kernel's IP sets speak.
func (c *Conn) Version() (uint8, error) {
	var version uint8
	var w wire
	c.seq++
	w.end(w.begin(cmdProtocol, 0, c.seq))
	err := c.ask(w.buf, func(body []byte) {
		for typ, v := range attrs(body) {
			if typ == attrProtocol && len(v) > 0 {
				version = v[0]
			}
		}
	})
	return version, err
}

// dump asks for a list and hands its messages to yield.
func (c *Conn) dump(name string, flags uint32, yield func([]byte)) error {
	var w wire
	c.seq++
	at := w.begin(cmdList, unix.NLM_F_DUMP, c.seq)
	if name != "" {
		w.str(attrName, name)
	}
	if flags != 0 {
		w.u32(attrFlags, flags)
	}
	w.end(at)
	return c.ask(w.buf, yield)
}

// ask sends a request and hands the bodies of its answers to yield.
func (c *Conn) ask(request []byte, yield func([]byte)) error {
	if err := c.send(request); err != nil {
		return fmt.Errorf("IP sets: %w", err)
	}
	var refused error
	err := c.receive(func(m message) bool {
		switch {
		case m.seq != c.seq:
		case m.typ == unix.NLMSG_ERROR || m.typ == unix.NLMSG_DONE:
			if e := m.error(); e != nil && refused == nil {
				refused = fmt.Errorf("list IP sets: %w", e)
			}
		case len(m.body) > 4:
			yield(m.body[4:]) // behind struct nfgenmsg
		}
		return true
	})
	return errors.Join(err, refused)
}

func decodeHeader(body []byte) Header {
	h := Header{Foreign: true}
	for typ, v := range attrs(body) {
		switch {
		case typ == attrName:
			h.Name = text(v)
		case typ == attrType:
			for k := range kinds {
				if kinds[k].name == text(v) {
					h.Kind, h.Foreign = Kind(k), false
				}
			}
		case typ == attrFamily && len(v) > 0:
			h.IPv6 = v[0] == unix.AF_INET6
		case typ == attrData:
			for typ, v := range attrs(v) {
				switch typ {
				case dataCount:
					h.Elements = number(v)
				case dataRefs:
					h.References = number(v)
				}
			}
		}
	}
	return h
}
