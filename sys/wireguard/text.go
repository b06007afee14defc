// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package wireguard

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// configText is the request that sets key, port and mark, in the text of WireGuard's cross-platform interface (www.wireguard.com/xplatform).
func configText(private Key, port uint16, mark uint32) string {
	return fmt.Sprintf("private_key=%x\nlisten_port=%d\nfwmark=%d\n", private[:], port, mark)
}

// write appends the request for one peer.
func (c Change) write(b *strings.Builder) {
	fmt.Fprintf(b, "public_key=%x\n", c.Key[:])
	if c.Remove {
		b.WriteString("remove=true\n")
		return
	}
	if c.Endpoint.IsValid() {
		fmt.Fprintf(b, "endpoint=%s\n", c.Endpoint)
	}
	for _, p := range c.Allowed {
		fmt.Fprintf(b, "allowed_ip=%s\n", p)
	}
	// Last: it may send a packet at once.
	fmt.Fprintf(b, "persistent_keepalive_interval=%d\n", int(c.Keepalive/time.Second))
}

// parseDevice reads what a device says of itself.
func parseDevice(text string) (Device, error) {
	d := Device{Peers: map[Key]Peer{}}
	var key Key
	var peer *Peer
	done := func() {
		if peer != nil {
			d.Peers[key] = *peer
		}
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		var err error
		switch {
		case name == "public_key":
			done()
			peer = &Peer{}
			err = parseHex(&key, value)
		case peer != nil:
			err = peer.parse(name, value)
		case name == "private_key":
			err = parseHex(&d.PrivateKey, value)
		case name == "listen_port":
			var port uint64
			port, err = strconv.ParseUint(value, 10, 16)
			d.Port = uint16(port)
		case name == "fwmark":
			var mark uint64
			mark, err = strconv.ParseUint(value, 10, 32)
			d.Mark = uint32(mark)
		}
		if err != nil {
			return Device{}, fmt.Errorf("%s: %w", name, err) // the value may be a secret
		}
	}
	done()
	return d, nil
}

// parse takes one line about a peer in.
func (p *Peer) parse(name, value string) (err error) {
	var seconds int64
	switch name {
	case "endpoint":
		p.Endpoint, err = netip.ParseAddrPort(value)
		p.Endpoint = unmapped(p.Endpoint)
	case "persistent_keepalive_interval":
		seconds, err = strconv.ParseInt(value, 10, 32)
		p.Keepalive = time.Duration(seconds) * time.Second
	case "rx_bytes":
		p.Received, err = strconv.ParseUint(value, 10, 64)
	case "last_handshake_time_sec":
		seconds, err = strconv.ParseInt(value, 10, 64)
		if seconds > 0 {
			p.Handshake = time.Unix(seconds, 0)
		}
	case "allowed_ip":
		var allowed netip.Prefix
		allowed, err = netip.ParsePrefix(value)
		p.Allowed = append(p.Allowed, allowed)
	}
	return err
}

func parseHex(k *Key, text string) error {
	data, err := hex.DecodeString(text)
	if err == nil && len(data) != len(k) {
		err = fmt.Errorf("%d bytes; want %d", len(data), len(k))
	}
	if err == nil {
		*k = Key(data)
	}
	return err
}
