// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"

	"github.com/weftnet/weft/agent/inputcache"
	"github.com/weftnet/weft/agent/lastgood"
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc"
)

// written are the watched resources that people write, and may write wrongly. Of the others there may be very many, and programs write them.
var written = slices.DeleteFunc(slices.Clone(watched), func(r api.Resource) bool {
	return slices.Contains([]api.Resource{api.WorkloadEndpoints, api.Services, api.EndpointSlices, api.Namespaces, api.ServiceAccounts, api.Nodes, api.BlockAffinities}, r)
})

func isWritten(r api.Resource) bool { return slices.Contains(written, r) }

// goodKeeper has the last valid version of an object on disk while its newest one is invalid, so that a restarted agent enforces what the one
// before did. Of an object that turned invalid while no agent ran the version among the inputs on disk is the last valid one.
type goodKeeper struct {
	dir   *lastgood.Dir
	log   *slog.Logger
	valid map[api.Key]api.Object // newest valid versions
	kept  map[api.Key]error      // on disk, or why not
	// unseen are those from disk that the datastore has not spoken of yet.
	unseen map[api.Key]struct{}
	// lost are the names of damaged files, with whether the datastore has an object for one that is still invalid.
	lost map[string]bool
	// before are the inputs of the agent before, until the datastore has been read; nil: there are none.
	before *inputcache.Earlier
	read   map[api.Key]api.Object // from before; nil: not needed yet
	// blind, until the datastore has been read: there are no inputs of an agent before, or they cannot be read, so that nothing is known of what is invalid.
	blind bool
}

func newGoodKeeper(dir *lastgood.Dir, log *slog.Logger) *goodKeeper {
	return &goodKeeper{dir: dir, log: log, valid: map[api.Key]api.Object{}, kept: map[api.Key]error{}, unseen: map[api.Key]struct{}{}, lost: map[string]bool{}}
}

// restore returns what an earlier agent has left. What is damaged is lost: see [goodKeeper.amend].
func (k *goodKeeper) restore() ([]calc.Change, error) {
	objects, damaged, err := k.dir.Load()
	for name, why := range damaged {
		k.lose(name, why)
	}
	var out []calc.Change
	for _, obj := range objects {
		key := api.KeyOf(obj)
		k.valid[key], k.kept[key], k.unseen[key] = obj, nil, struct{}{}
		revision, _ := strconv.ParseUint(obj.GetResourceVersion(), 10, 64) // none counts as the oldest
		out = append(out, calc.Change{Key: key, Object: obj, Revision: revision})
	}
	return out, err
}

// refuse is told of a restored version that is not valid any more, by other rules than those by which it was kept.
func (k *goodKeeper) refuse(key api.Key) {
	delete(k.valid, key)
	delete(k.kept, key)
	k.lose(k.dir.Name(key), errors.New("this version of weft finds it invalid"))
}

func (k *goodKeeper) lose(name string, why error) {
	k.lost[name] = false
	k.log.Error("a last good version is lost: unless the object is valid by now, it denies all that it governs, as far as that is known; the file says so until then",
		"file", name, "error", why)
}

// amend says of a change of an object whose last good version is lost what takes the place of an invalid one.
func (k *goodKeeper) amend(c *calc.Change) {
	if len(k.lost) == 0 || !isWritten(c.Key.Resource) {
		return
	}
	if _, c.Lost = k.lost[k.dir.Name(c.Key)]; c.Lost {
		c.Closing = lastgood.Closing(c.Key, c.Object)
	}
}

// open opens the inputs of the agent before, if there are any.
func (k *goodKeeper) open(config Config) {
	var err error
	k.before, err = inputcache.OpenEarlier(config.CacheDir, config.Node)
	k.blind = err != nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.log.Error(unknownBefore, "error", err)
	}
}

const unknownBefore = "of objects that have turned invalid while no agent ran here no last good version is known: they deny all that they govern, as far as that is known"

// loseUnknown gives up the last good version of an object that this agent has only seen invalid, if there is nothing to look for it in and something can
// close in its place: it may have denied things.
func (k *goodKeeper) loseUnknown(invalid *calc.Change) (lost bool) {
	key := invalid.Key
	if !k.blind || k.valid[key] != nil || len(lastgood.Closing(key, invalid.Object)) == 0 {
		return false
	}
	k.lose(k.dir.Name(key), errors.New("there are no readable inputs of an agent before"))
	if err := k.dir.Lose(key); err != nil {
		k.log.Error("nothing of an invalid object will be in force after a restart", "error", err)
	}
	return true
}

// earlier returns the version of an object that the agent before knew, for one that this agent has only seen invalid.
func (k *goodKeeper) earlier(key api.Key) (calc.Change, bool) {
	if k.before == nil || !isWritten(key.Resource) || k.valid[key] != nil {
		return calc.Change{}, false
	}
	if k.read == nil {
		k.readBefore()
	}
	obj := k.read[key]
	if obj == nil {
		return calc.Change{}, false
	}
	revision, _ := strconv.ParseUint(obj.GetResourceVersion(), 10, 64) // none counts as the oldest
	return calc.Change{Key: key, Object: obj, Revision: revision}, true
}

func (k *goodKeeper) readBefore() {
	k.read = map[api.Key]api.Object{}
	s, err := k.before.Read(isWritten)
	if err != nil {
		k.blind = true
		k.log.Error(unknownBefore, "error", err)
	}
	for _, e := range s.Events {
		k.read[e.Key] = e.Object
	}
}

// note takes account of a change that the calculation has taken, or refused.
func (k *goodKeeper) note(c *calc.Change, refused bool) {
	if !isWritten(c.Key.Resource) {
		return
	}
	delete(k.unseen, c.Key)
	if c.Lost {
		k.lost[k.dir.Name(c.Key)] = true
		if !refused {
			k.forget(k.dir.Name(c.Key))
		}
	}
	_, kept := k.kept[c.Key]
	switch good := k.valid[c.Key]; {
	case refused && good != nil && !kept:
		k.keep(c.Key, good)
	case refused:
	case c.Object == nil:
		delete(k.valid, c.Key)
		k.drop(c.Key)
	default:
		k.valid[c.Key] = c.Object
		k.drop(c.Key)
	}
}

// gone returns the removal of what the datastore, read completely, does not have any more.
func (k *goodKeeper) gone() (out []calc.Change) {
	k.close()
	for name, invalid := range k.lost {
		if !invalid {
			k.forget(name)
		}
	}
	for key := range k.unseen {
		out = append(out, calc.Change{Key: key})
	}
	return out
}

// close lets go of the inputs of the agent before.
func (k *goodKeeper) close() {
	k.blind = false
	if k.before == nil {
		return
	}
	if err := k.before.Close(); err != nil {
		k.log.Error("inputs of an earlier run", "error", err)
	}
	k.before, k.read = nil, nil
}

// problems are the versions that could not be kept.
func (k *goodKeeper) problems() (out []calc.Problem) {
	for key, err := range k.kept {
		if err != nil {
			out = append(out, calc.Problem{Key: key, Reason: err.Error() + "; nothing of the object will be in force when the agent starts anew"})
		}
	}
	return out
}

// forget gives a damaged file up.
func (k *goodKeeper) forget(name string) {
	delete(k.lost, name)
	if err := k.dir.Remove(name); err != nil {
		k.log.Error("a damaged file stays; should its object be invalid at the next start, it denies all that it governs", "error", err)
	}
}

func (k *goodKeeper) keep(key api.Key, good api.Object) {
	k.kept[key] = k.dir.Put(good)
	if err := k.kept[key]; err != nil {
		k.log.Error("the last good version will not be in force after a restart", "error", err)
	}
}

func (k *goodKeeper) drop(key api.Key) {
	if _, kept := k.kept[key]; !kept {
		return
	}
	delete(k.kept, key)
	if err := k.dir.Delete(key); err != nil {
		k.log.Error("an older version may be in force for a moment after a restart", "error", err)
	}
}
