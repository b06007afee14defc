// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cnibench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/sysctl"
)

// namespace is where the workloads live.
const namespace = "bench"

// policies is how many policies select the workloads.
const policies = 10

// policy is one of them.
const policy = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: bench-%[1]d, namespace: bench}
spec:
  selector: projectcalico.org/orchestrator == 'k8s'
  types: [Ingress, Egress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: app == 'client-%[1]d'}, destination: {ports: [%[2]d]}}
  egress:
  - {action: Allow}
---
`

// startWeft starts a node with an agent and a datastore of its own.
func startWeft(ctx context.Context, c Config, scratch string) (_ *side, clean func() error, err error) {
	l, err := lab.Up(ctx, lab.Spec{Name: "benchcni", Nodes: 1, Bin: c.Bin, Owned: true})
	if err != nil {
		return nil, nil, err
	}
	clean = func() error { return errors.Join(l.Close(), l.Down(context.WithoutCancel(ctx))) }
	s := &side{cni: newCNI(c.Bin, scratch, "weft")}
	if s.node, err = l.Namespace("n1"); err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	clean = func() error { return errors.Join(s.node.Close(), l.Close(), l.Down(context.WithoutCancel(ctx))) }
	s.list, err = libcni.NetworkConfFromFile(filepath.Join(l.NodeDir("n1"), "cni", "10-weft.conflist"))
	if err == nil {
		err = applyPolicies(ctx, l)
	}
	if err == nil { // one that stays: the policies are in the kernel already
		_, err = l.AddWorkload(ctx, lab.Workload{Node: "n1", Namespace: namespace, Name: "resident"})
	}
	if err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	return s, clean, nil
}

func applyPolicies(ctx context.Context, l *lab.Lab) error {
	text := "apiVersion: v1\nkind: Namespace\nmetadata: {name: bench}\n---\n"
	for i := range policies {
		text += fmt.Sprintf(policy, i, 8000+i)
	}
	docs, err := api.ReadDocuments(strings.NewReader(text), "bench")
	if err != nil {
		return err
	}
	var objs []api.Object
	for _, d := range docs {
		if bad := d.Check(api.Checks{}); len(bad) > 0 {
			return fmt.Errorf("%s: %w", d.Where(), bad)
		}
		objs = append(objs, d.Object)
	}
	return l.Apply(ctx, objs...)
}

// reference is the configuration of the other side: routed point to point links like weft's, addresses of both families.
const reference = `{
  "cniVersion": "1.0.0", "name": "reference",
  "plugins": [{
    "type": "ptp", "ipMasq": false,
    "ipam": {
      "type": "host-local", "dataDir": %q,
      "ranges": [[{"subnet": "10.88.0.0/16"}], [{"subnet": "fd88::/64"}]],
      "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    }
  }]
}`

// startReference makes a node for the reference plugins.
func startReference(c Config, scratch string) (_ *side, clean func() error, err error) {
	s := &side{cni: newCNI(c.Ref, scratch, "reference")}
	if s.list, err = libcni.ConfListFromBytes(fmt.Appendf(nil, reference, filepath.Join(scratch, "host-local"))); err != nil {
		return nil, nil, err
	}
	if s.node, err = netns.Create(fmt.Sprintf("weft-bench%d-reference", os.Getpid())); err != nil {
		return nil, nil, err
	}
	clean = func() error { return errors.Join(s.node.Close(), netns.Delete(s.node.Name())) }
	err = s.node.Do(func() error {
		return errors.Join(sysctl.Set("net/ipv4/ip_forward", "1"), sysctl.Set("net/ipv6/conf/all/forwarding", "1"), noDAD())
	})
	if err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	return s, clean, nil
}

// noDAD switches duplicate address detection off for the links that come: ptp would wait for it for more than a second, which is not
// what is to be compared.
func noDAD() error { return sysctl.Set("net/ipv6/conf/default/accept_dad", "0") }
