// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/controllers/hostendpoint"
	"github.com/weftnet/weft/lab"
)

// refused bounds a connection attempt that policy drops.
const refused = 300 * time.Millisecond

// TestAutomaticHostEndpoints switches automatic host endpoints on: policy that selects them protects the nodes. Switched off, those and only those are gone,
// and the nodes are open again.
func TestAutomaticHostEndpoints(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "autohost", Nodes: 2, Controllers: true})
	byHand := &v3.HostEndpoint{ObjectMeta: v3.ObjectMeta{Name: "by-hand"}, Spec: v3.HostEndpointSpec{Node: "n2", InterfaceName: "other0"}}
	tcp := intstr.FromString("TCP")
	guard := &v3.GlobalNetworkPolicy{ObjectMeta: v3.ObjectMeta{Name: "guard"}, Spec: v3.GlobalNetworkPolicySpec{
		Selector: fmt.Sprintf("%s == '%s'", hostendpoint.CreatedByLabel, hostendpoint.CreatedBy), Types: []v3.PolicyType{v3.Ingress},
		Ingress: []v3.Rule{
			{Action: v3.Deny, Protocol: &tcp, Destination: &v3.EntityRule{Ports: []intstr.IntOrString{intstr.FromInt(8080)}}}, {Action: v3.Allow},
		},
	}}
	c.apply(byHand, guard)
	closed, open := c.listen("n1", 8080), c.listen("n1", 8081)
	if err := errors.Join(c.reach("n2", closed), c.reach("n2", open)); err != nil {
		t.Fatalf("before: %v", err)
	}
	c.apply(autoHosts("Enabled"))
	c.eventually("the node is protected", func() error {
		if c.reach("n2", closed) == nil {
			return errors.New("port 8080 is open")
		}
		return nil
	})
	if err := c.reach("n2", open); err != nil {
		t.Errorf("another port: %v", err)
	}
	if got := c.hostEndpoints(); !slices.Equal(got, []string{"by-hand", "n1-auto-hep", "n2-auto-hep"}) {
		t.Errorf("host endpoints %v", got)
	}
	c.apply(autoHosts("Disabled"))
	c.eventually("the automatic ones are gone", func() error {
		if got := c.hostEndpoints(); !slices.Equal(got, []string{"by-hand"}) {
			return fmt.Errorf("host endpoints %v", got)
		}
		return c.reach("n2", closed)
	})
}

func autoHosts(autoCreate string) api.Object {
	return &v3.KubeControllersConfiguration{ObjectMeta: v3.ObjectMeta{Name: "default"}, Spec: v3.KubeControllersConfigurationSpec{
		Controllers: v3.ControllersConfig{Node: &v3.NodeControllerConfig{HostEndpoint: &v3.AutoHostEndpointConfig{AutoCreate: autoCreate}}},
	}}
}

// listen opens a port of a node and returns where it is.
func (c *cluster) listen(node string, port uint16) netip.AddrPort {
	c.t.Helper()
	s, err := c.status(node)
	if err != nil || len(s.Address.Value) == 0 {
		c.t.Fatalf("address of %s: %v, %v", node, s.Address, err)
	}
	addr := netip.AddrPortFrom(netip.MustParsePrefix(s.Address.Value[0]).Addr(), port)
	var listener net.Listener
	if err := c.within(node, func() (err error) { listener, err = net.Listen("tcp", addr.String()); return err }); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = listener.Close() })
	return addr
}

// reach is an error unless a connection from a node comes about.
func (c *cluster) reach(from string, to netip.AddrPort) error {
	return c.within(from, func() error {
		conn, err := net.DialTimeout("tcp", to.String(), refused)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (c *cluster) hostEndpoints() (names []string) {
	c.t.Helper()
	s, err := c.Store()
	if err != nil {
		c.t.Fatal(err)
	}
	list, err := s.List(c.t.Context(), api.HostEndpoints, "")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, obj := range list.Items {
		names = append(names, obj.GetName())
	}
	return names
}
