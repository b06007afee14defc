// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestUsualEndpointsAreValid takes usual endpoints, with anything in one field, or in one field of a port: those that are usual still have nothing
// wrong by the tags.
func TestUsualEndpointsAreValid(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	usual, wrong := 0, 0
	try := func(edit func(*WorkloadEndpointSpec) reflect.Value) {
		e := &WorkloadEndpoint{Spec: WorkloadEndpointSpec{
			Node: "n1", Orchestrator: "k8s", Pod: "p", Endpoint: "eth0", IPNetworks: []string{"10.0.0.1/32", "fd00::1/128"}, InterfaceName: "cali1",
			Profiles: []string{"kns.a"}, Ports: []WorkloadEndpointPort{{Name: "web", Protocol: intstr.FromString("TCP"), Port: 80}},
		}}
		conceive(random, edit(&e.Spec), 0)
		var found FieldErrors
		ValidateTags(e, Checks{}, &found)
		switch {
		case e.Spec.usual() && len(found) > 0:
			t.Fatalf("%+v is usual, but: %v", e.Spec, found)
		case e.Spec.usual():
			usual++
		case len(found) > 0:
			wrong++
		}
	}
	for range 300 {
		for i := range reflect.TypeFor[WorkloadEndpointSpec]().NumField() {
			try(func(s *WorkloadEndpointSpec) reflect.Value { return reflect.ValueOf(s).Elem().Field(i) })
		}
		for i := range reflect.TypeFor[WorkloadEndpointPort]().NumField() {
			try(func(s *WorkloadEndpointSpec) reflect.Value { return reflect.ValueOf(&s.Ports[0]).Elem().Field(i) })
		}
	}
	if usual < 500 || wrong < 500 {
		t.Errorf("%d endpoints are usual and %d are wrong, which proves little", usual, wrong)
	}
}
