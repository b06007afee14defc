// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/store"
)

// origin says where the objects come from that a question is about: the datastore, or files.
type origin struct {
	env       *Env
	options   *datastoreOptions
	offline   bool
	files     *[]string
	namespace string
}

// addOriginFlags adds --offline and -n beside -f.
func addOriginFlags(cmd *cobra.Command, env *Env, options *datastoreOptions) *origin {
	o := &origin{env: env, options: options, files: addFilesFlag(cmd)}
	cmd.Flags().BoolVar(&o.offline, "offline", false, "ask the files given with -f, not the datastore")
	cmd.Flags().StringVarP(&o.namespace, "namespace", "n", DefaultNamespace, "namespace of objects in files that name none")
	registerCompletion(cmd, "namespace", completeNamespaces(options))
	return o
}

// stored reads everything that policy can depend on from the datastore.
func (o *origin) stored(ctx context.Context) (c *cluster.Cluster, err error) {
	err = o.options.with(ctx, func(ctx context.Context, s store.Store) error {
		c, err = everything(ctx, o.env, s)
		return err
	})
	return c, err
}

// written reads the cluster that files describe.
func (o *origin) written(paths []string) (*cluster.Cluster, error) {
	objects, foreign, err := o.read(paths)
	if err != nil {
		return nil, err
	}
	return cluster.FromManifests(objects, foreign)
}

// read loads manifests. Those of foreign kinds come back apart; anything else wrong is an error, since a policy left out makes a wrong answer.
func (o *origin) read(paths []string) (objects []api.Object, foreign []api.Foreign, err error) {
	documents, err := load(o.env, paths)
	if err != nil {
		return nil, nil, err
	}
	own := documents[:0]
	for i := range documents {
		if f, ok := documents[i].Foreign(); ok {
			foreign = append(foreign, f)
			continue
		}
		own = append(own, documents[i])
	}
	problems, notes := examine(own)
	for _, p := range problems {
		fmt.Fprintln(o.env.Err, p)
	}
	again := twice(foreign)
	for _, text := range again {
		fmt.Fprintln(o.env.Err, text)
	}
	if len(problems)+len(again) > 0 {
		return nil, nil, errSaid
	}
	warn(o.env, notes)
	for _, d := range own {
		if api.KindOf(d.Object).Namespaced && d.Object.GetNamespace() == "" {
			d.Object.SetNamespace(o.namespace)
		}
		objects = append(objects, d.Object)
	}
	return objects, foreign, nil
}

// twice names the foreign objects that are there again.
func twice(foreign []api.Foreign) (out []string) {
	type object struct{ kind, namespace, name string }
	before := map[object]string{}
	for i := range foreign {
		f := &foreign[i]
		key := object{f.APIVersion + " " + f.Kind, f.Namespace, f.Name}
		if where, ok := before[key]; ok && f.Name != "" {
			out = append(out, fmt.Sprintf("%s: metadata.name: the same object is defined before, in %s", f, where))
		}
		before[key] = f.Where
	}
	return out
}
