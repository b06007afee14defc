// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Node is a machine with containerd, kubelet and kube-proxy.
type Node struct {
	*machine
	Name    string
	cluster *Cluster
}

// containerd is its configuration. Every image is imported, so that nothing is pulled. restrict_oom_score_adj is for machines where root may not protect
// processes from the killer of a kernel that is out of memory.
const containerd = `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + Agnhost + `"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`

// kubelet is its configuration but for the control group of the node. Who may call it is not what is tested here.
const kubelet = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: /%s
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
localStorageCapacityIsolation: false
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%, nodefs.inodesFree: 1%%}
imageGCHighThresholdPercent: 100
maxPods: 200
resolvConf: ""
clusterDNS: [10.96.0.10]
nodeStatusUpdateFrequency: 2s
`

// proxy is the configuration of kube-proxy.
const proxy = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: %s
clientConnection: {kubeconfig: /etc/kube/proxy}
conntrack: {maxPerCore: 0}
`

// startNode starts all that runs on a node, without a network for pods.
func (c *Cluster) startNode(t testing.TB, m *machine, name string) *Node {
	t.Helper()
	n := &Node{machine: m, Name: name, cluster: c}
	m.write(t, "etc/containerd/config.toml", containerd)
	m.write(t, "etc/kube/kubelet.yaml", fmt.Sprintf(kubelet, m.name))
	m.write(t, "etc/kube/kubelet", c.kubeconfig("system:node:"+name))
	m.write(t, "etc/kube/proxy.yaml", fmt.Sprintf(proxy, name))
	m.write(t, "etc/kube/proxy", c.kubeconfig("system:kube-proxy"))
	n.StartContainerd(t)
	for _, image := range c.images {
		n.importImage(t, image)
	}
	n.StartKubelet(t)
	n.StartProxy(t)
	return n
}

// importImage makes the image of an archive known to containerd.
func (n *Node) importImage(t testing.TB, archive string) {
	t.Helper()
	must(t, n.command("ctr", "--namespace", "k8s.io", "images", "import", archive))
}

// Path is where on this machine a file of the node is that lies in /run, /etc, /opt, /var/lib or /var/log.
func (n *Node) Path(path string) string { return filepath.Join(n.dir, path) }

// StartContainerd starts containerd and waits until it answers.
func (n *Node) StartContainerd(t testing.TB) {
	t.Helper()
	n.start(t, "containerd")
	eventually(t, "containerd of "+n.Name, time.Minute, func() error { return n.command("ctr", "version").Run() })
}

// StartKubelet starts the kubelet and waits until it says that it is well. As systemd does it starts one again that has ended: containerd answers before its
// part for kubelets does, and without that a kubelet gives up.
func (n *Node) StartKubelet(t testing.TB) {
	t.Helper()
	start := func() {
		n.start(t, n.cluster.binary("kubelet"), "--config", "/etc/kube/kubelet.yaml", "--kubeconfig", "/etc/kube/kubelet",
			"--hostname-override", n.Name, "--node-ip", n.v4.String()+","+n.v6.String())
	}
	start()
	eventually(t, "kubelet of "+n.Name, time.Minute, func() error {
		if n.ended("kubelet") {
			n.Stop(t, "kubelet")
			start()
		}
		return n.command("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/10248").Run() // healthzPort
	})
}

// StartProxy starts kube-proxy.
func (n *Node) StartProxy(t testing.TB) {
	t.Helper()
	n.start(t, n.cluster.binary("kube-proxy"), "--config", "/etc/kube/proxy.yaml")
}

// Stop ends a program of the node as kill -9 does: containerd, kubelet or kube-proxy. Containers go on.
func (n *Node) Stop(t testing.TB, program string) {
	t.Helper()
	n.stop(t, program, syscall.SIGKILL)
}
