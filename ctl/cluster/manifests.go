// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/pods"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

// DefaultNamespace is that of objects which name none.
const DefaultNamespace = "default"

// Unscheduled stands for the node of pods that have none.
const Unscheduled = "unscheduled"

// addresses are those that were made up.
type addresses map[netip.Addr]bool

// FromManifests returns the cluster that manifests describe, where an object may stand on another that only a real cluster has. Foreign
// objects are read if they are Pods or Nodes. [Cluster.Notes] says what was assumed and left out.
//
// A pod without an address gets one that no policy can mean by accident, out of a range that nobody uses; [Cluster.Made] tells.
func FromManifests(objects []api.Object, foreign []api.Foreign) (*Cluster, error) {
	c := New(objects)
	left := map[string]int{}
	for _, f := range foreign {
		var err error
		switch {
		case f.APIVersion == "v1" && f.Kind == "Pod":
			err = c.addPod(&f)
		case f.APIVersion == "v1" && f.Kind == "Node":
			err = c.addKubeNode(&f)
		default:
			left[f.Kind]++
		}
		if err != nil {
			return nil, err
		}
	}
	c.notes = c.assume()
	c.nameNamespaces()
	for _, kind := range slices.Sorted(maps.Keys(left)) {
		note := fmt.Sprintf("%d of kind %s left out", left[kind], kind)
		if slices.Contains(templates, kind) {
			note += ": what they start is only known as Pods"
		}
		c.notes = append(c.notes, note)
	}
	return c, nil
}

// templates are the kinds that start pods.
var templates = []string{"CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"}

// decode reads an object of Kubernetes, or says which field is wrong.
func decode(f *api.Foreign, into any) error {
	err := json.Unmarshal(f.JSON, into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		err = fmt.Errorf("%s: is a %s where a value of type %s is expected", wrong.Field, wrong.Value, wrong.Type)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f, err)
	}
	return nil
}

func (c *Cluster) addPod(f *api.Foreign) error {
	pod := &corev1.Pod{}
	if err := decode(f, pod); err != nil {
		return err
	}
	for _, text := range pods.Addresses(pod) {
		if _, err := v3.ParseIP(text); err != nil {
			return fmt.Errorf("%s: status.podIP: %w", f, err)
		}
	}
	if pod.Namespace == "" {
		pod.Namespace = DefaultNamespace
	}
	if pod.Spec.NodeName == "" {
		pod.Spec.NodeName = Unscheduled
	}
	endpoint, ok := pods.Endpoint(pod)
	if !ok {
		c.addHostPod(pod)
		return nil
	}
	if wrong := api.Validate(endpoint, api.Checks{}); len(wrong) > 0 {
		return fmt.Errorf("%s: %w", f, wrong.Err())
	}
	if over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed; len(endpoint.Spec.IPNetworks) == 0 && !over {
		for _, addr := range c.makeAddrs() {
			endpoint.Spec.IPNetworks = append(endpoint.Spec.IPNetworks, desired.HostPrefix(addr).String())
		}
	}
	c.put([]api.Object{endpoint})
	return nil
}

// makeAddrs makes an IPv4 address out of the reserved class E (RFC 1112) and an IPv6 address out of the discard-only prefix (RFC 6666).
func (c *Cluster) makeAddrs() []netip.Addr {
	n := uint32(len(c.made)/2 + 1)
	v4 := binary.BigEndian.AppendUint32(nil, 240<<24|n)
	v6 := append([]byte{1, 15: 0}[:12], v4...)
	out := []netip.Addr{netip.AddrFrom4([4]byte(v4)), netip.AddrFrom16([16]byte(v6))}
	for _, addr := range out {
		c.made[addr] = true
	}
	return out
}

// addHostPod notes a pod that has no endpoint of its own.
func (c *Cluster) addHostPod(pod *corev1.Pod) {
	texts := pods.Addresses(pod)
	for _, ip := range pod.Status.HostIPs {
		texts = append(texts, ip.IP)
	}
	c.host(pod.Spec.NodeName, texts)
	own := &HostPod{Node: pod.Spec.NodeName}
	for _, text := range texts {
		if addr, err := v3.ParseIP(text); err == nil && !slices.Contains(own.Addrs, addr) {
			own.Addrs = append(own.Addrs, addr)
		}
	}
	if len(own.Addrs) == 0 {
		own.Addrs = c.makeAddrs()
	}
	sortAddrs(own.Addrs)
	c.pods[podKey{pod.Namespace, pod.Name}] = own
}

func (c *Cluster) addKubeNode(f *api.Foreign) error {
	node := &corev1.Node{}
	if err := decode(f, node); err != nil {
		return err
	}
	var texts []string
	for _, a := range node.Status.Addresses {
		texts = append(texts, a.Address) // host names are no addresses and fall out
	}
	c.host(node.Name, texts)
	if own := (api.Key{Resource: api.Nodes, Name: node.Name}); c.objects[own] == nil {
		c.put([]api.Object{nodeOf(node)})
	}
	return nil
}

// nodeOf is the Node that the agent and the controllers keep for a node of Kubernetes, as far as policies see it.
func nodeOf(node *corev1.Node) *v3.Node {
	out := &v3.Node{ObjectMeta: metav1.ObjectMeta{Name: node.Name, Labels: node.Labels}}
	for _, a := range node.Status.Addresses {
		if _, err := v3.ParseIP(a.Address); err == nil {
			out.Spec.Addresses = append(out.Spec.Addresses, v3.NodeAddress{Address: a.Address, Type: string(a.Type)})
		}
	}
	return out
}

// assume adds the namespaces and service accounts that objects belong to and that every cluster would have.
func (c *Cluster) assume() (notes []string) {
	var namespaces, accounts []string
	for _, key := range slices.Clone(c.order) {
		if key.Namespace == "" {
			continue
		}
		if own := (api.Key{Resource: api.Namespaces, Name: key.Namespace}); c.objects[own] == nil {
			namespaces = append(namespaces, key.Namespace)
			c.put([]api.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: key.Namespace}}})
		}
		w, ok := c.objects[key].(*v3.WorkloadEndpoint)
		if !ok || w.Spec.ServiceAccountName == "" {
			continue
		}
		meta := metav1.ObjectMeta{Namespace: key.Namespace, Name: w.Spec.ServiceAccountName}
		if own := (api.Key{Resource: api.ServiceAccounts, Namespace: meta.Namespace, Name: meta.Name}); c.objects[own] == nil {
			accounts = append(accounts, meta.Namespace+"/"+meta.Name)
			c.put([]api.Object{&corev1.ServiceAccount{ObjectMeta: meta}})
		}
	}
	if len(namespaces) > 0 {
		slices.Sort(namespaces)
		notes = append(notes, "not in the files, assumed without labels but "+corev1.LabelMetadataName+": namespace "+strings.Join(namespaces, ", "))
	}
	accounts = slices.DeleteFunc(accounts, func(name string) bool { return strings.HasSuffix(name, "/"+pods.DefaultServiceAccount) })
	if len(accounts) > 0 {
		slices.Sort(accounts)
		notes = append(notes, "not in the files, assumed without labels: service account "+strings.Join(accounts, ", "))
	}
	return notes
}

// nameNamespaces gives namespaces the label with their name, as Kubernetes does.
func (c *Cluster) nameNamespaces() {
	for key, obj := range c.objects {
		if ns, ok := obj.(*corev1.Namespace); ok && ns.Labels[corev1.LabelMetadataName] != ns.Name {
			ns = api.Clone(ns)
			if ns.Labels == nil {
				ns.Labels = map[string]string{}
			}
			ns.Labels[corev1.LabelMetadataName] = ns.Name
			c.objects[key] = ns
		}
	}
}
