// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import "strings"

const (
	octet = `(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
	addr4 = octet + `(\.` + octet + `){3}`
	addr6 = `[0-9a-fA-F]*:[0-9a-fA-F:]*(:` + addr4 + `)?`
	bits4 = `/(3[0-2]|[12]?[0-9])`
	bits6 = `/(12[0-8]|1[01][0-9]|[1-9]?[0-9])`
)

// patterns are regular expressions that match every text of a format, and as few others as an expression can tell: the schema in a cluster refuses by
// them what nobody would read before it is stored. Validate knows better.
var patterns = map[string]string{
	"net":       addr4 + `(` + bits4 + `)?|` + addr6 + `(` + bits6 + `)?`,
	"cidr":      addr4 + bits4 + `|` + addr6 + bits6,
	"ip":        addr4 + `|` + addr6,
	"ip4":       addr4,
	"ip6":       addr6,
	"ipSubnet":  addr4 + `(` + bits4 + `)?|` + addr6 + `(` + bits6 + `)?`,
	"peerIP":    addr4 + `(:[0-9]+)?|` + addr6 + `|\[` + addr6 + `\]:[0-9]+`,
	"clusterID": addr4,
	"hostCIDR":  addr4 + `(/32)?|` + addr6 + `(/128)?`,
	"mac":       `([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}|[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}|[0-9a-fA-F]{12}`,
	"wgKey":     `[A-Za-z0-9+/]{43}=`,
	"community": `[0-9]+:[0-9]+(:[0-9]+)?`,
	"interface": `[^\t\n\f\r /]{1,15}`,
	"portName":  `[A-Za-z0-9_.-]{1,128}`,
	"rate":      ratePattern.String(),
	"keyValues": switchesPattern.String(),
	"gates":     gatesPattern.String(),
	"logPrefix": logPrefixPattern.String(),
	"dnsLabel":  dnsLabel.String(),
	"timeout":   `Auto|` + durationText,
	"duration":  durationText,
	"port":      `[0-9]+(:[0-9]+)?|[A-Za-z0-9_.-]{1,128}`,
	"portRange": `[0-9]+(:[0-9]+)?`,
	"protocol":  `(?i)(TCP|UDP|ICMP|ICMPv6|SCTP|UDPLite)|0*[1-9][0-9]{0,2}`,
	"as":        `[0-9]+(\.[0-9]+)?`,
}

const durationText = `[-+]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+|[-+]?0`

// Pattern returns a regular expression for the schema of a field with a format, that matches all of a text; empty if there is none. With optional it
// matches the empty text, too, which says nothing.
func Pattern(format string, optional bool) string {
	p := strings.TrimSuffix(strings.TrimPrefix(patterns[format], "^"), "$")
	switch {
	case p == "":
		return ""
	case optional:
		return "^(" + p + ")?$"
	}
	return "^(" + p + ")$"
}
