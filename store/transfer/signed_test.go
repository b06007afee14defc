// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"crypto/sha256"
	"fmt"
)

// signed returns a file with one object, as a weft would write it that knows all its fields.
func signed(object string) []byte {
	out := fmt.Appendf(nil, "{\"weftBackup\":1,\"schema\":1,\"software\":\"9.0\"}\n{\"sha256\":\"%x\",\"object\":%s}\n", sha256.Sum256([]byte(object)), object)
	return fmt.Appendf(out, "{\"objects\":1,\"sha256\":\"%x\"}\n", sha256.Sum256(out))
}
