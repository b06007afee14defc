// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"
)

// readyPoll is how often it is looked whether workloads can be started, before the runtime is told that they can.
const readyPoll = 200 * time.Millisecond

// installCNI copies the plugin and, once workloads can be started, tells the container runtime of it. The configuration stays when the agent ends:
// ADDs meanwhile are refused by the plugin and tried again.
func (a *Agent) installCNI(ctx context.Context) error {
	if a.config.CNI.ConfDir == "" {
		return nil
	}
	if err := a.config.CNI.Plugin(); err != nil {
		return err
	}
	for (backend{a}).Ready() != nil {
		if !pause(ctx, readyPoll) {
			return nil
		}
	}
	if _, err := a.sizes.MTU(ctx); err != nil {
		return nil // the agent is stopping
	}
	earlier, err := a.config.CNI.Configure()
	if err != nil {
		return err
	}
	if earlier != "" {
		a.log.Warn("the container runtime does not use weft: another network's configuration comes first by its name", "file", earlier)
	}
	return nil
}
