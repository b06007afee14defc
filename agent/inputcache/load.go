// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package inputcache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// State is what a node last read.
type State struct {
	// Time when the datastore was last known to say so, in UTC; what it has said within a second after that may be missing.
	Time     time.Time
	Revision int64
	// Events are one for each object, or value that could not be read.
	Events []store.Event
}

// Load reads the file of a node. The error Is fs.ErrNotExist if there is none; of a damaged file, of another node, or of a newer weft nothing is returned, since what
// is missing of it may have denied things.
func Load(dir, node string) (State, error) {
	e, err := OpenEarlier(dir, node)
	if err != nil {
		return State{}, err
	}
	s, err := e.Read(func(api.Resource) bool { return true })
	return s, errors.Join(err, e.Close())
}

// Earlier is the file that an earlier run has left. It can be read after a new one has taken its place. Close it after use.
type Earlier struct {
	from *os.File
	node string
}

// OpenEarlier opens the file of a node. The error Is fs.ErrNotExist if there is none.
func OpenEarlier(dir, node string) (*Earlier, error) {
	from, err := os.Open(Path(dir))
	if err != nil {
		return nil, err
	}
	return &Earlier{from, node}, nil
}

// Close closes the file.
func (e *Earlier) Close() error { return e.from.Close() }

// Read is Load with the objects of some resources alone.
func (e *Earlier) Read(want func(api.Resource) bool) (s State, err error) {
	newest, err := survey(e.from, e.node)
	if err == nil {
		s.Time, s.Revision = newest.mark.Time, newest.mark.Revision
		err = newest.each(e.from, func(l line) error {
			if !want(l.Key.Resource) {
				return nil
			}
			event, err := l.event()
			s.Events = append(s.Events, event)
			return err
		})
	}
	if err != nil {
		return State{}, fmt.Errorf("%s: %w", e.from.Name(), err)
	}
	return s, nil
}

// newest says which lines of a file count.
type newest struct {
	lines map[api.Key]int // by number
	mark  mark
}

var errNotWhole = errors.New("the file has no end: it is damaged")

// survey looks through a file for the last mark, and for the last line of each object before it.
func survey(from io.ReadSeeker, node string) (newest, error) {
	out, since := newest{lines: map[api.Key]int{}}, map[api.Key]int{}
	marked := false
	err := eachLine(from, node, func(n int, l line) error {
		switch {
		case l.Mark != nil:
			for key, n := range since {
				if n == 0 {
					delete(out.lines, key)
				} else {
					out.lines[key] = n
				}
			}
			clear(since)
			out.mark, marked = *l.Mark, true
		case l.Key == nil:
			return errors.New("the file is damaged: a line says nothing")
		case l.Object == nil && l.Err == "":
			since[*l.Key] = 0
		default:
			since[*l.Key] = n
		}
		return nil
	})
	if err == nil && !marked {
		err = errNotWhole
	}
	return out, err
}

// each calls f for the lines that count.
func (w newest) each(from io.ReadSeeker, f func(line) error) error {
	return eachLine(from, "", func(n int, l line) error {
		if l.Key == nil || w.lines[*l.Key] != n {
			return nil
		}
		return f(l)
	})
}

// eachLine calls f for each line after the header with its number, from 1 on. The file has to be that of node, unless that is empty.
func eachLine(from io.ReadSeeker, node string, f func(int, line) error) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	n := -1
	return scan(from, func(text []byte) error {
		n++
		if n == 0 {
			return checkHeader(text, node)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return fmt.Errorf("the file is damaged: %w", err)
		}
		return f(n, l)
	})
}

func checkHeader(text []byte, node string) error {
	var h header
	switch err := json.Unmarshal(text, &h); {
	case err != nil || h.Format == 0:
		return errors.New("it is no file of inputs")
	case h.Format > format || h.Schema > store.Schema:
		return fmt.Errorf("it was written by a newer weft, %s", h.Software)
	case node != "" && h.Node != node:
		return fmt.Errorf("it is that of node %s, and this is %s", h.Node, node)
	}
	return nil
}
