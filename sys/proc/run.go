// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// IO are the standard streams of a command; nil ones are /dev/null.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run runs a command to its end. When ctx ends it is killed. A non-zero exit is an error; see ExitCode.
func Run(ctx context.Context, spec Spec, streams IO) error {
	cmd, err := spec.command()
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = streams.In, streams.Out, streams.Err
	if err := spec.start(cmd); err != nil {
		return err
	}
	// The context of exec.CommandContext is watched only by its own Start; the command is started on a namespace's thread here.
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", spec.Path, ctx.Err())
		}
		return fmt.Errorf("%s: %w", spec.Path, err)
	}
	return nil
}

// Output runs a command and returns what it wrote to standard output. An error ends with what it wrote to standard error.
func Output(ctx context.Context, spec Spec) ([]byte, error) {
	var out, stderr bytes.Buffer
	if err := Run(ctx, spec, IO{Out: &out, Err: &stderr}); err != nil {
		if text := strings.TrimSpace(stderr.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return out.Bytes(), err
	}
	return out.Bytes(), nil
}

// ExitCode returns the exit status behind an error of Run, Output or Wait; ok is false when the command did not exit by itself.
func ExitCode(err error) (code int, ok bool) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() < 0 {
		return 0, false
	}
	return exit.ExitCode(), true
}
