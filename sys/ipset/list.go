// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
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
		for typ, v := range nfnetlink.Each(body) {
			if typ != attrElements {
				continue
			}
			for typ, data := range nfnetlink.Each(v) {
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
	r := nfnetlink.Request{Message: cmdProtocol}
	r.Body.Uint8(attrProtocol, protocol)
	err := c.ask(r, func(attrs []byte) {
		version = nfnetlink.Uint8(nfnetlink.Attr(attrs, attrProtocol))
	})
	return version, err
}

// dump asks for a list and hands the attributes of its messages to yield.
func (c *Conn) dump(name string, flags uint32, yield func(attrs []byte)) error {
	r := nfnetlink.Request{Message: cmdList, Dump: true}
	r.Body.Uint8(attrProtocol, protocol)
	if name != "" {
		r.Body.String(attrName, name)
	}
	if flags != 0 {
		r.Body.Uint32(attrFlags|byteorder, flags)
	}
	return c.ask(r, yield)
}

func (c *Conn) ask(r nfnetlink.Request, yield func(attrs []byte)) error {
	r.Subsystem, r.Family = unix.NFNL_SUBSYS_IPSET, unix.AF_INET
	if err := c.nl.Do(r, yield); err != nil {
		return fmt.Errorf("list IP sets: %w", explain(err))
	}
	return nil
}

func decodeHeader(body []byte) Header {
	h := Header{Foreign: true}
	for typ, v := range nfnetlink.Each(body) {
		switch {
		case typ == attrName:
			h.Name = nfnetlink.String(v)
		case typ == attrType:
			for k := range kinds {
				if kinds[k].name == nfnetlink.String(v) {
					h.Kind, h.Foreign = Kind(k), false
				}
			}
		case typ == attrFamily && len(v) > 0:
			h.IPv6 = v[0] == unix.AF_INET6
		case typ == attrData:
			for typ, v := range nfnetlink.Each(v) {
				switch typ {
				case dataCount:
					h.Elements = int(nfnetlink.Uint32(v))
				case dataRefs:
					h.References = int(nfnetlink.Uint32(v))
				}
			}
		}
	}
	return h
}
