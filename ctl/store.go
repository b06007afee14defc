// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/transfer"
)

func newStore(env *Env, options *datastoreOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Copy, back up and restore a datastore",
		Long: `Copy all objects of a datastore into another or a file, and back. What was written is read back and compared by hash, object by object; differences
are named and the exit status then is 4.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBackup(env, options), newRestore(env, options), newStoreCopy(env, options))
	return cmd
}

func newBackup(env *Env, options *datastoreOptions) *cobra.Command {
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write all objects of the datastore to a file",
		Long: `Write all objects of the datastore to a file, with a hash for each object and one over all. The file appears when it is complete and has been
read back. It holds no passwords of BGP peers: those are Kubernetes Secrets or files.`,
		Example: "  weft store backup cluster.weft\n  weft store backup - | age -r KEY > cluster.weft.age",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			side, err := options.side("")
			if err != nil {
				return err
			}
			objects, err := side.read(cmd.Context())
			if err != nil {
				return err
			}
			if args[0] == "-" {
				return transfer.WriteFile(env.Out, side.name, time.Now(), objects)
			}
			return writeBackup(env, args[0], side.name, objects, overwrite)
		},
	}
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace FILE if it exists")
	return cmd
}

// writeBackup writes a file that is complete or not there.
func writeBackup(env *Env, path, source string, objects []api.Object, overwrite bool) (err error) {
	if _, statErr := os.Stat(path); statErr == nil && !overwrite {
		return fmt.Errorf("%s exists; choose another name, or say --overwrite", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = errors.Join(transfer.WriteFile(f, source, time.Now(), objects), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	file, err := readBackup(env, f.Name())
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	differences, err := transfer.Compare(objects, file.Objects)
	if err != nil {
		return err
	}
	if len(differences) > 0 {
		return fmt.Errorf("read back, %s: %v; nothing was kept", f.Name(), differences)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	fmt.Fprintf(env.Out, "%s written to %s, sha256 %s\n", count(len(objects), "object"), path, file.SHA256)
	return nil
}

// readBackup reads a file, or standard input for "-".
func readBackup(env *Env, path string) (transfer.File, error) {
	from := env.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return transfer.File{}, err
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	file, err := transfer.ReadFile(from)
	if err != nil {
		return file, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

func newRestore(env *Env, options *datastoreOptions) *cobra.Command {
	var how copyFlags
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Write the objects of a backup to the datastore",
		Long: `Write the objects of a backup to the datastore, which has to be empty unless --merge or --overwrite is given. All of the file is checked before the
first write. Interrupted, the same command goes on where it was.`,
		Example: "  weft store restore cluster.weft --dry-run\n  weft store restore cluster.weft --kubeconfig admin.conf",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := readBackup(env, args[0])
			if err != nil {
				return err
			}
			target, err := options.side("")
			if err != nil {
				return err
			}
			return how.run(cmd.Context(), env, "backup "+file.SHA256, file.Objects, target)
		},
	}
	how.add(cmd)
	return cmd
}

func newStoreCopy(env *Env, options *datastoreOptions) *cobra.Command {
	var how copyFlags
	var from, to string
	cmd := &cobra.Command{
		Use:   "copy --to CONFIG",
		Short: "Copy all objects of the datastore to another one",
		Long: `Copy all objects of the datastore to another one, which has to be empty unless --merge or --overwrite is given. CONFIG is a file as for
--config, and only what it says counts. Interrupted, the same command goes on where it was. Afterwards the source is read again, too: what changed there
meanwhile is named.

A Kubernetes API keeps its own Namespaces, ServiceAccounts, Services and EndpointSlices; its Nodes get weft's fields.`,
		Example: "  weft store copy --etcd-endpoints http://10.0.0.1:2379 --to kubernetes.yaml --dry-run\n  weft store copy --from kubernetes.yaml --to etcd.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return usagef("say where to: --to CONFIG, a file with datastoreType and how to reach it")
			}
			target, err := options.side(to)
			if err != nil {
				return err
			}
			source, err := options.side(from)
			if err != nil {
				return err
			}
			if source.name == target.name {
				return usagef("both sides are %s; --to has to be another datastore", source.name)
			}
			return how.between(cmd.Context(), env, source, target)
		},
	}
	how.add(cmd)
	cmd.Flags().StringVar(&from, "from", "", "configuration file of the source (default: the datastore's flags, environment and configuration)")
	cmd.Flags().StringVar(&to, "to", "", "configuration file of the target")
	return cmd
}

// side is one end of a copy.
type side struct {
	options *datastoreOptions
	config  Datastore
	name    string
}

// side returns the datastore of a configuration file alone, or without one that of the command line.
func (o *datastoreOptions) side(file string) (side, error) {
	if file != "" {
		quiet := *o.env
		quiet.Getenv = func(string) string { return "" }
		o = &datastoreOptions{env: &quiet, config: file}
	}
	config, err := o.resolve()
	if err != nil {
		return side{}, err
	}
	return side{o, config, config.String()}, nil
}

// String names a datastore for people, without its secrets.
func (d Datastore) String() string {
	if d.Etcd != nil {
		return "etcd " + strings.Join(d.Etcd.Endpoints, ",")
	}
	k := d.Kubernetes
	return strings.TrimSpace("kubernetes " + cmp.Or(k.Server, k.Kubeconfig, "of this pod") + " " + k.Context)
}

// open runs f with the datastore open, for as long as it takes; each call is bounded by the datastore's client.
func (s side) open(f func(store.Store) error) error {
	opened, err := s.options.env.OpenStore(s.config)
	if err != nil {
		return err
	}
	return errors.Join(f(opened), opened.Close())
}

func (s side) read(ctx context.Context) (objects []api.Object, err error) {
	err = s.open(func(opened store.Store) error {
		objects, err = transfer.Read(ctx, opened)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return objects, nil
}

// copyFlags are what restore and copy share.
type copyFlags struct{ merge, overwrite, dryRun bool }

func (c *copyFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.merge, "merge", false, "add what the target lacks; refuse if it has something in another form")
	cmd.Flags().BoolVar(&c.overwrite, "overwrite", false, "add what the target lacks and replace what differs; what it has besides stays")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "say what would be done, but write nothing")
	cmd.MarkFlagsMutuallyExclusive("merge", "overwrite")
}

func (c *copyFlags) existing() transfer.Existing {
	switch {
	case c.merge:
		return transfer.Merge
	case c.overwrite:
		return transfer.Overwrite
	}
	return transfer.Refuse
}

// between copies, and reads the source again afterwards.
func (c *copyFlags) between(ctx context.Context, env *Env, source, target side) error {
	objects, err := source.read(ctx)
	if err != nil {
		return err
	}
	if err := c.run(ctx, env, source.name, objects, target); err != nil || c.dryRun {
		return err
	}
	now, err := source.read(ctx)
	if err != nil {
		return err
	}
	changed, err := transfer.Compare(objects, now)
	if err != nil {
		return err
	}
	return differ(env, "changed in "+source.name+" meanwhile", "the same command with --overwrite brings that along, deletions aside", changed)
}

// run copies objects to a target and says what was done.
func (c *copyFlags) run(ctx context.Context, env *Env, source string, objects []api.Object, target side) error {
	p := &progress{to: env.Err, live: terminal(env.Err)}
	var report transfer.Report
	err := target.open(func(opened store.Store) (err error) {
		report, err = transfer.Copy(ctx, objects, opened, transfer.Options{
			Source: source, Kubernetes: target.config.Kubernetes != nil, Existing: c.existing(), DryRun: c.dryRun, Progress: p.tell,
		})
		return err
	})
	p.end()
	for _, skipped := range report.Skipped {
		fmt.Fprintf(env.Out, "skipped: %s\n", skipped)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", target.name, err)
	}
	verb := map[bool]string{true: " (dry run)"}[c.dryRun]
	if report.Resumed {
		verb += ", an interrupted copy was gone on with"
	}
	fmt.Fprintf(env.Out, "%s: %d created, %d replaced, %d there already, %d skipped%s\n",
		target.name, report.Created, report.Replaced, report.Same, len(report.Skipped), verb)
	return differ(env, "differs in "+target.name, "somebody else writes there; stop that, and run the same command again", report.Differences)
}

// differ prints differences and turns them into an exit status.
func differ(env *Env, what, advice string, differences []transfer.Difference) error {
	if len(differences) == 0 {
		return nil
	}
	for _, d := range differences {
		fmt.Fprintf(env.Err, "weft: %s: %s\n", what, d)
	}
	fmt.Fprintf(env.Err, "weft: %s; %s\n", count(len(differences), "difference"), advice)
	return &exitError{ExitPartial, errSaid}
}

// progress keeps a line on a terminal up to date.
type progress struct {
	to   io.Writer
	live bool

	mu   sync.Mutex
	last int
}

// tell is safe for concurrent use. It writes for every hundredth part.
func (p *progress) tell(done, total int) {
	percent := 100 * done / total
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live && percent > p.last {
		p.last = percent
		fmt.Fprintf(p.to, "\r%d of %d objects, %d %%", done, total, percent)
	}
}

func (p *progress) end() {
	if p.last > 0 {
		fmt.Fprintln(p.to)
	}
}

// terminal tells whether somebody watches w.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
