// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IPReservation keeps addresses out of automatic assignment.
type IPReservation struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec lists what is reserved.
	Spec IPReservationSpec `json:"spec,omitzero"`
}

// IPReservationSpec lists what is reserved.
type IPReservationSpec struct {
	// ReservedCIDRs lists CIDRs or addresses. Whoever holds one of them keeps it, and explicit requests still get them.
	ReservedCIDRs []string `json:"reservedCIDRs,omitzero" format:"net"`
}

// IPAMConfiguration tunes address management. There is one, named "default".
type IPAMConfiguration struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the configuration.
	Spec IPAMConfigurationSpec `json:"spec,omitzero"`
}

// IPAMConfigurationSpec is the cluster's address management policy.
type IPAMConfigurationSpec struct {
	// StrictAffinity forbids taking addresses from another node's block.
	StrictAffinity *bool `json:"strictAffinity,omitempty" default:"false"`
	// AutoAllocateBlocks lets nodes claim blocks as they need them. False needs strictAffinity.
	AutoAllocateBlocks *bool `json:"autoAllocateBlocks,omitempty" default:"true"`
	// MaxBlocksPerHost limits the blocks of one node; 0 means the built-in 20. Over 0 needs strictAffinity.
	MaxBlocksPerHost *int `json:"maxBlocksPerHost,omitempty" default:"0" min:"0" max:"1000000"`
	// KubeVirtVMAddressPersistence lets a virtual machine keep its address over restart and migration.
	KubeVirtVMAddressPersistence string `json:"kubeVirtVMAddressPersistence,omitempty" default:"Enabled" enum:"Enabled Disabled" later:"virtual machines are not told apart from pods yet"`
	// IPCooldownSeconds is the time, in seconds, before a freed address is used again.
	IPCooldownSeconds *int `json:"ipCooldownSeconds,omitempty" default:"0" min:"0" max:"1200"`
}

// IPAMBlock is written by weft: one block of a pool and who holds each of its addresses. Its name is the CIDR with '.',
// ':' and '/' replaced by '-'.
type IPAMBlock struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the block's state.
	Spec IPAMBlockSpec `json:"spec"`
}

// IPAMBlockSpec is the block's state.
type IPAMBlockSpec struct {
	// CIDR of the block.
	CIDR string `json:"cidr" format:"cidr"`
	// Affinity is the owner, "host:<node>" or "virtual:load-balancer"; absent for a block without owner.
	Affinity *string `json:"affinity,omitempty"`
	// AffinityClaimTime is when the owner took the block.
	AffinityClaimTime *metav1.Time `json:"affinityClaimTime,omitempty"`
	// Allocations has one entry for each address: null, or an index into attributes.
	Allocations []*int `json:"allocations"`
	// Unallocated lists the free addresses by their place in the block, first freed first.
	Unallocated []int `json:"unallocated"`
	// Attributes describe the holders of addresses.
	Attributes []AllocationAttribute `json:"attributes"`
	// SequenceNumber grows with each change.
	SequenceNumber uint64 `json:"sequenceNumber"`
	// SequenceNumberForAllocation gives for an address, by its place, the sequence number of the block when it was assigned. It keeps a late
	// release from freeing an address that has a new holder.
	SequenceNumberForAllocation map[string]uint64 `json:"sequenceNumberForAllocation,omitempty"`
	// Deleted marks a block that is being removed.
	Deleted bool `json:"deleted,omitempty"`
	// StrictAffinity is the value of IPAMConfiguration when the block was made. Deprecated, still written.
	StrictAffinity bool `json:"strictAffinity,omitempty"`
}

// AllocationAttribute says who holds an address.
type AllocationAttribute struct {
	// HandleID is the handle that the address belongs to.
	HandleID *string `json:"handle_id,omitempty"`
	// Secondary describes the owner, as in node, namespace and pod.
	Secondary map[string]string `json:"secondary,omitempty"`
	// AlternateOwnerAttrs describes the owner after a migration.
	AlternateOwnerAttrs map[string]string `json:"alternateOwnerAttrs,omitempty"`
	// ReleasedAt is set while a freed address cools down.
	ReleasedAt *metav1.Time `json:"releasedAt,omitempty"`
}

// BlockAffinity is written by weft: a node's claim on a block.
type BlockAffinity struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the claim.
	Spec BlockAffinitySpec `json:"spec"`
}

// BlockAffinitySpec is the claim.
type BlockAffinitySpec struct {
	// State is pending while the block is being claimed, confirmed when it is owned, pendingDeletion while it is given back.
	State string `json:"state"`
	// Node that claims.
	Node string `json:"node"`
	// Type is host or virtual.
	Type string `json:"type,omitempty"`
	// CIDR of the block.
	CIDR string `json:"cidr" format:"cidr"`
	// Deleted marks a claim that is being removed.
	Deleted bool `json:"deleted,omitempty"`
}

// IPAMHandle is written by weft: all addresses of one owner, counted by block.
type IPAMHandle struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the handle's state.
	Spec IPAMHandleSpec `json:"spec"`
}

// IPAMHandleSpec is the handle's state.
type IPAMHandleSpec struct {
	// HandleID identifies the owner.
	HandleID string `json:"handleID"`
	// Block gives for the CIDR of a block how many of its addresses the owner holds.
	Block map[string]int `json:"block"`
	// Deleted marks a handle that is being removed.
	Deleted bool `json:"deleted,omitempty"`
}
