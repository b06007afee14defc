// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weftnet/weft/ctl/install"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/test/kube"
)

// InstallChart installs weft by its Helm chart as docs/install.md says, and waits until its pods are ready and the nodes, too.
func (c *Cluster) InstallChart(t testing.TB, values ...string) {
	t.Helper()
	c.Kubectl(t, "create", "namespace", install.DefaultNamespace)
	c.Kubectl(t, "label", "namespace", install.DefaultNamespace, "pod-security.kubernetes.io/enforce=privileged")
	c.helm(t, append([]string{"install", release, c.chart()}, set(values)...)...)
	c.awaitReady(t)
}

// UpgradeChart changes values of the chart, and waits likewise.
func (c *Cluster) UpgradeChart(t testing.TB, values ...string) {
	t.Helper()
	c.helm(t, append([]string{"upgrade", release, c.chart(), "--reuse-values"}, set(values)...)...)
	c.awaitReady(t)
}

// UninstallChart removes weft as docs/install.md says, with the namespace that was made for it and the definitions, too.
func (c *Cluster) UninstallChart(t testing.TB) {
	t.Helper()
	c.helm(t, "upgrade", release, c.chart(), "--reuse-values", "--set", "agent.uninstall=true")
	c.awaitWeft(t, "ds/weft-agent")
	c.helm(t, "uninstall", release, "--wait")
	c.Kubectl(t, "delete", "namespace", install.DefaultNamespace, "--timeout=180s")
	c.feed(t, must(t, c.weft("uninstall", "--print", "--crds")), "delete", "--ignore-not-found", "--timeout=180s", "-f", "-")
}

// release is what Helm calls an installation.
const release = "weft"

func (c *Cluster) chart() string { return filepath.Join(c.root, "deploy", "chart") }

func set(values []string) (args []string) {
	for _, v := range values {
		args = append(args, "--set", v)
	}
	return args
}

// helm runs Helm as the administrator in the namespace of weft, which must succeed.
func (c *Cluster) helm(t testing.TB, args ...string) {
	t.Helper()
	enter := []string{"--net=" + netns.Path(c.control.name), "--", c.binary("helm"), "--kubeconfig", c.admin, "--namespace", install.DefaultNamespace}
	cmd := exec.Command("nsenter", append(enter, args...)...)
	cmd.Env = append(os.Environ(), kube.HelmHome(t)...)
	must(t, cmd)
}
