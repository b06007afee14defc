// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Defaults of the BGP settings (BGPConfiguration).
const (
	defaultAS = 64512
	// maxRestart is the longest graceful restart time that fits the capability (RFC 4724 section 3).
	maxRestart = 4095
)

// bgpConfig is one BGPConfiguration: "default", or "node.<name>" of which only the listening settings count.
type bgpConfig struct {
	as           uint32 // 0: not set
	port         uint16 // 0: not set
	bindMode     string
	noMesh       bool
	meshPassword bool
	restartTime  uint16 // seconds, 0: not set
}

func (s *speaker) putConfig(key api.Key, c *v3.BGPConfiguration) api.FieldErrors {
	out := bgpConfig{bindMode: c.Spec.BindMode, meshPassword: c.Spec.NodeMeshPassword != nil, restartTime: seconds(c.Spec.NodeMeshMaxRestartTime, maxRestart)}
	if c.Spec.ASNumber != nil {
		out.as = c.Spec.ASNumber.Value
	}
	if port := c.Spec.ListenPort; port != nil {
		if *port < 1 || *port > 65535 {
			return api.FieldErrors{{Path: "spec.listenPort", Reason: "is out of range; write 1 to 65535"}}
		}
		out.port = uint16(*port)
	}
	if mesh := c.Spec.NodeToNodeMeshEnabled; mesh != nil {
		out.noMesh = !*mesh
	}
	if out != s.configs[key.Name] {
		s.configs[key.Name] = out
		s.dirty = true
	}
	return nil
}

func (s *speaker) removeConfig(key api.Key) {
	delete(s.configs, key.Name)
	s.dirty = true
}

// as returns the AS number of a node.
func (s *speaker) as(h *host) uint32 {
	return firstSet(h.as, s.configs["default"].as, defaultAS)
}

// port returns the port that a node listens on.
func (s *speaker) port(h *host) uint16 {
	return firstSet(s.configs["node."+h.name].port, s.configs["default"].port, v3.DefaultBGPPort)
}

// bindsToNodeIP tells whether a node listens on its own addresses only.
func (s *speaker) bindsToNodeIP(h *host) bool {
	return firstSet(s.configs["node."+h.name].bindMode, s.configs["default"].bindMode) == "NodeIP"
}

func firstSet[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}

// seconds rounds a duration up to whole seconds, at most limit; nil is 0.
func seconds(d *metav1.Duration, limit uint16) uint16 {
	if d == nil || d.Duration <= 0 {
		return 0
	}
	return uint16(min((d.Duration+time.Second-1)/time.Second, time.Duration(limit)))
}
