// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import "context"

const controllersName = "controllers"

// StartControllers starts the controllers of the cluster, outside all its network namespaces. A lab has them from its start with Spec.Controllers.
func (l *Lab) StartControllers(ctx context.Context) error {
	l.say("starting the controllers")
	_, err := l.start(ctx, daemon{name: controllersName, path: l.weft(), args: append([]string{controllersName}, l.storeFlags()...)})
	return err
}
