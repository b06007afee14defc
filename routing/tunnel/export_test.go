// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import "github.com/weftnet/weft/sys/wireguard"

// WireGuard is the manager's door to its devices: one that runs in this process answers it alone.
func (m *Manager) WireGuard() *wireguard.Conn { return m.wg }
