// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package inputcache

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// A file is a row of blocks. Each has a head (length of its payload, checksum of the payload, checksum of these eight bytes, all little-endian) and a
// payload of deflated lines of JSON. The first line of the file is a header; the others are changes and marks.
const (
	format    = 1
	headSize  = 12
	blockMost = 1 << 17  // of text in a block that is written, more or less
	readMost  = 64 << 20 // of payload in a block that is read
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the first line.
type header struct {
	Format int `json:"weftInputs"`
	// Schema is that of the objects, see store.Schema.
	Schema   int    `json:"schema"`
	Software string `json:"software"`
	Node     string `json:"node"`
}

// line is a change, or a mark.
type line struct {
	Key      *api.Key        `json:"key,omitempty"`
	Revision int64           `json:"revision,omitempty"`
	Object   json.RawMessage `json:"object,omitempty"`
	// Err is why the stored value cannot be read. A change without it and Object is a deletion.
	Err  string `json:"error,omitempty"`
	Mark *mark  `json:"mark,omitempty"`
}

// mark says that what is before it belongs together.
type mark struct {
	// Time when the datastore was last known to say so.
	Time     time.Time `json:"time"`
	Revision int64     `json:"revision"`
}

func lineOf(e store.Event) (line, error) {
	l := line{Key: &e.Key, Revision: e.Revision}
	switch {
	case e.Err != nil:
		l.Err = e.Err.Error()
	case e.Object != nil:
		var err error
		if l.Object, err = api.Encode(e.Object); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (l line) event() (store.Event, error) {
	e := store.Event{Key: *l.Key, Revision: l.Revision}
	if l.Err != "" {
		e.Err = errors.New(l.Err)
		return e, nil
	}
	var err error
	if e.Object, err = api.DecodeLenient(l.Object); err != nil {
		return e, err
	}
	if got := api.KeyOf(e.Object); got != e.Key {
		return e, fmt.Errorf("under %s there is %s", e.Key, got)
	}
	return e, nil
}

// blocks packs lines.
type blocks struct {
	to      io.Writer
	text    bytes.Buffer
	payload bytes.Buffer
	deflate *flate.Writer
}

func newBlocks(to io.Writer) *blocks {
	b := &blocks{to: to}
	b.deflate, _ = flate.NewWriter(nil, flate.BestSpeed) // the only error is an unknown level
	return b
}

func (b *blocks) line(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b.text.Write(data)
	b.text.WriteByte('\n')
	if b.text.Len() < blockMost {
		return nil
	}
	return b.flush()
}

// flush writes a block of the lines so far.
func (b *blocks) flush() error {
	if b.text.Len() == 0 {
		return nil
	}
	b.payload.Reset()
	b.payload.Write(make([]byte, headSize))
	b.deflate.Reset(&b.payload)
	_, err := b.deflate.Write(b.text.Bytes())
	if err = errors.Join(err, b.deflate.Close()); err != nil {
		return err
	}
	b.text.Reset()
	block := b.payload.Bytes()
	binary.LittleEndian.PutUint32(block, uint32(len(block)-headSize))
	binary.LittleEndian.PutUint32(block[4:], crc32.Checksum(block[headSize:], castagnoli))
	binary.LittleEndian.PutUint32(block[8:], crc32.Checksum(block[:8], castagnoli))
	_, err = b.to.Write(block)
	return err
}

// scan calls f for each line of a file, the header first. The end of a file that was cut off counts as its end.
func scan(from io.Reader, f func(text []byte) error) error {
	for at, n := int64(0), 1; ; n++ {
		text, size, err := readBlock(from)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("block %d, at byte %d: %w", n, at, err)
		}
		for text := range bytes.Lines(text) {
			if err := f(text); err != nil {
				return fmt.Errorf("block %d, at byte %d: %w", n, at, err)
			}
		}
		at += size
	}
}

var errDamaged = errors.New("the file is damaged: its checksum is another")

// readBlock returns the text of the next block and its size in the file; an error that Is io.EOF or io.ErrUnexpectedEOF where the file ends before it does.
func readBlock(from io.Reader) (text []byte, size int64, err error) {
	var head [headSize]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, 0, err
	}
	length := binary.LittleEndian.Uint32(head[:])
	if crc32.Checksum(head[:8], castagnoli) != binary.LittleEndian.Uint32(head[8:]) || length > readMost {
		return nil, 0, errDamaged
	}
	payload, err := io.ReadAll(io.LimitReader(from, int64(length)))
	switch {
	case err != nil:
		return nil, 0, err
	case len(payload) < int(length):
		return nil, 0, io.ErrUnexpectedEOF
	case crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(head[4:]):
		return nil, 0, errDamaged
	}
	text, err = io.ReadAll(flate.NewReader(bytes.NewReader(payload)))
	if err != nil {
		return nil, 0, fmt.Errorf("the file is damaged: %v", err) //nolint:errorlint // an end of this text is none of the file
	}
	return text, headSize + int64(length), nil
}
