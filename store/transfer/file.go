// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/internal/version"
	"github.com/weftnet/weft/store"
)

// format is the version of the file: lines of JSON, the first one a Header, then an entry for each object, and at the end a closing.
const format = 1

// maxLine bounds a line; an object that a datastore takes is far smaller.
const maxLine = 64 << 20

// Header is the first line of a file.
type Header struct {
	// Format is the version of the file's form, 1.
	Format int `json:"weftBackup"`
	// Schema is that of the objects, see store.Schema.
	Schema int `json:"schema"`
	// Software is the version of weft that wrote the file.
	Software string `json:"software"`
	// Time when the objects were read, in UTC.
	Time time.Time `json:"time"`
	// Source says for people where the objects were read.
	Source string `json:"source"`
}

// entry is the line of an object. The hash is over its bytes as they stand in the line.
type entry struct {
	SHA256 string          `json:"sha256"`
	Object json.RawMessage `json:"object"`
}

// closing is the last line. The hash is over all bytes before it.
type closing struct {
	Objects *int   `json:"objects"`
	SHA256  string `json:"sha256"`
}

// WriteFile writes objects as a file.
func WriteFile(w io.Writer, source string, now time.Time, objects []api.Object) error {
	f := &writer{to: w, sum: sha256.New()}
	f.json(Header{format, store.Schema, version.String(), now.UTC().Truncate(time.Second), source})
	for _, obj := range objects {
		data, err := api.Encode(obj)
		if err != nil {
			return err
		}
		hash := sha256.Sum256(data)
		f.line(fmt.Appendf(nil, `{"sha256":"%x","object":%s}`, hash, data))
	}
	n := len(objects)
	f.json(closing{&n, hex.EncodeToString(f.sum.Sum(nil))})
	return f.err
}

// writer writes lines and keeps the hash of all, until the first error.
type writer struct {
	to  io.Writer
	sum hash.Hash
	err error
}

func (w *writer) json(v any) {
	data, err := json.Marshal(v)
	w.err = errors.Join(w.err, err)
	w.line(data)
}

func (w *writer) line(data []byte) {
	if w.err != nil {
		return
	}
	data = append(data, '\n')
	_, _ = w.sum.Write(data) // never fails (hash.Hash)
	_, w.err = w.to.Write(data)
}

// File is a file that was read: complete, each object with its hash.
type File struct {
	Header
	// Objects in the order in which they are to be written.
	Objects []api.Object
	// SHA256 is the closing hash in hexadecimal: it tells files apart.
	SHA256 string
}

// ReadFile reads a file. It returns all of it or an error, which names the line: a file that is damaged, cut off or of a newer weft is refused.
func ReadFile(r io.Reader) (File, error) {
	f := &reader{from: bufio.NewReader(r), sum: sha256.New(), seen: map[api.Key]int{}}
	for !f.closed {
		if err := f.next(); err != nil {
			return File{}, fmt.Errorf("line %d: %w", f.line, err)
		}
	}
	if _, err := f.from.ReadByte(); !errors.Is(err, io.EOF) {
		return File{}, fmt.Errorf("line %d: there is more after the closing line; the file was changed, take another backup", f.line+1)
	}
	sortForWriting(f.file.Objects)
	return f.file, nil
}

// reader reads a file line by line.
type reader struct {
	from   *bufio.Reader
	sum    hash.Hash // of the lines before this one
	line   int
	seen   map[api.Key]int // the line of an object
	file   File
	closed bool
}

func (r *reader) next() error {
	r.line++
	line, err := r.readLine()
	if err != nil {
		return err
	}
	switch {
	case r.line == 1:
		err = r.header(line)
	case bytes.HasPrefix(line, []byte(`{"objects":`)):
		err = r.close(line)
	default:
		err = r.entry(line)
	}
	_, _ = r.sum.Write(line) // never fails (hash.Hash)
	return err
}

// readLine returns the next line with its end.
func (r *reader) readLine() ([]byte, error) {
	var line []byte
	for {
		part, err := r.from.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case len(line) > maxLine:
			return nil, fmt.Errorf("is longer than %d MiB; this is no backup of weft", maxLine>>20)
		case errors.Is(err, io.EOF):
			return nil, errors.New("the file ends here, without its closing line: it was not written to its end, or was cut off; take another backup")
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (r *reader) header(line []byte) error {
	h := &r.file.Header
	if err := json.Unmarshal(line, h); err != nil || h.Format == 0 {
		return errors.New(`is not the beginning of a backup of weft, {"weftBackup": 1, ...}; manifests are written with "weft apply -f"`)
	}
	if h.Format > format {
		return fmt.Errorf("the file has format %d and this weft reads up to %d; use the weft that wrote it (%s), or a newer one", h.Format, format, h.Software)
	}
	return refuseNewer("the file, written by weft "+h.Software+",", h.Schema)
}

func (r *reader) entry(line []byte) error {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil || len(e.Object) == 0 {
		return errors.New("is no object with its hash: the file is damaged; take another backup")
	}
	if got := sha256.Sum256(e.Object); hex.EncodeToString(got[:]) != e.SHA256 {
		return errors.New("the object is not what its hash says: the file is damaged, or was edited; take another backup, or write edited objects with \"weft apply -f\"")
	}
	obj, err := api.DecodeLenient(e.Object)
	if err != nil {
		return err
	}
	key := api.KeyOf(obj)
	if first := r.seen[key]; first != 0 {
		return fmt.Errorf("%s is in line %d as well; take another backup", key, first)
	}
	r.seen[key] = r.line
	r.file.Objects = append(r.file.Objects, obj)
	return r.sameFields(key, obj, e.Object)
}

// sameFields refuses an object with a field that this weft does not know and would lose.
func (r *reader) sameFields(key api.Key, obj api.Object, data []byte) error {
	again, err := api.Encode(obj)
	if err != nil {
		return err
	}
	if bytes.Equal(again, data) {
		return nil
	}
	if _, err := api.Decode(data); err != nil {
		return fmt.Errorf("%s: %w; this weft would lose it: use the weft that wrote the file (%s)", key, err, r.file.Software)
	}
	return nil
}

func (r *reader) close(line []byte) error {
	var c closing
	if err := json.Unmarshal(line, &c); err != nil || c.Objects == nil {
		return errors.New("is no closing line: the file is damaged; take another backup")
	}
	if *c.Objects != len(r.file.Objects) || hex.EncodeToString(r.sum.Sum(nil)) != c.SHA256 {
		return fmt.Errorf("the closing line speaks of %d objects with another hash: lines before it are missing, moved or changed; take another backup", *c.Objects)
	}
	r.closed, r.file.SHA256 = true, c.SHA256
	return nil
}
