// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"time"
)

// readyPoll is how often it is looked whether workloads can be started, before the runtime is told that they can.
const readyPoll = 200 * time.Millisecond

// filesPoll is how often it is looked whether the files of the CNI are still there. Other networks' installers and clean-ups delete them.
const filesPoll = 10 * time.Second

// installCNI copies the plugin and, once workloads can be started, tells the container runtime of it. It restores a file when somebody deletes it, until
// ctx ends. The configuration stays when the agent ends: ADDs meanwhile are refused by the plugin and tried again.
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
	a.keepCNI(ctx)
	return nil
}

// keepCNI puts deleted files back.
func (a *Agent) keepCNI(ctx context.Context) {
	failed := &complaint{log: a.log, message: "files of the CNI that were deleted are not all back, retrying"}
	for pause(ctx, filesPoll) {
		complete, err := a.config.CNI.Complete()
		if err == nil && !complete {
			a.log.Warn("files of the CNI were deleted; they are put back")
			_, err = a.config.CNI.Configure()
			err = errors.Join(a.config.CNI.Plugin(), err)
		}
		failed.about(err)
	}
}
