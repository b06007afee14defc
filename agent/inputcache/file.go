// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package inputcache

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/internal/version"
	"github.com/weftnet/weft/store"
)

// file is one that is being written.
type file struct {
	dir    string
	to     *os.File
	blocks *blocks
	named  bool // has taken the place of the older one
	// size is that of the whole groups, base what it was when the file was named; in bytes.
	size, base int64
	marked     time.Time
}

// create begins a file beside the older one.
func create(dir, node string) (*file, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	to, err := os.OpenFile(filepath.Join(dir, newName), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	f := &file{dir: dir, to: to, blocks: newBlocks(to)}
	if err := f.group(func() error { return f.blocks.line(header{format, store.Schema, version.String(), node}) }); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// group writes whole blocks, or leaves the file as it was.
func (f *file) group(write func() error) error {
	err := write()
	if err == nil {
		err = f.blocks.flush()
	}
	var end int64
	if err == nil {
		end, err = f.to.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		f.blocks.text.Reset()
		_, seek := f.to.Seek(f.size, io.SeekStart)
		return errors.Join(err, f.to.Truncate(f.size), seek)
	}
	f.size = end
	return nil
}

// append writes changes and, if with them the file is whole, a mark.
func (f *file) append(events map[api.Key]store.Event, whole bool, m mark) error {
	err := f.group(func() error {
		for _, e := range events {
			l, err := lineOf(e)
			if err == nil {
				err = f.blocks.line(l)
			}
			if err != nil {
				return err
			}
		}
		if !whole {
			return nil
		}
		return f.blocks.line(line{Mark: &m})
	})
	if err != nil || !whole {
		return err
	}
	f.marked = m.Time
	return f.name()
}

// name puts a file that is whole in the place of the older one. From then on the system decides when what is appended reaches the disk: when the host
// crashes the last seconds are lost, and with them all that the kernel had.
func (f *file) name() error {
	if f.named {
		return nil
	}
	if err := f.to.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.to.Name(), Path(f.dir)); err != nil {
		return err
	}
	f.named, f.base = true, f.size
	return nil
}

// close ends the writing. What never was whole goes.
func (f *file) close() error {
	err := f.to.Close()
	if !f.named {
		err = errors.Join(err, os.Remove(f.to.Name()))
	}
	return err
}

// rewritten returns a file in the place of f without what has been replaced since.
func (f *file) rewritten(node string) (_ *file, err error) {
	all := io.NewSectionReader(f.to, 0, f.size)
	newest, err := survey(all, node)
	if err != nil {
		return nil, err
	}
	fresh, err := create(f.dir, node)
	if err != nil {
		return nil, err
	}
	err = fresh.group(func() error {
		if err := newest.each(all, func(l line) error { return fresh.blocks.line(l) }); err != nil {
			return err
		}
		return fresh.blocks.line(line{Mark: &newest.mark})
	})
	if err == nil {
		fresh.marked = f.marked
		err = fresh.name()
	}
	if err != nil {
		return nil, errors.Join(err, fresh.close())
	}
	return fresh, f.to.Close()
}
