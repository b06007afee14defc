// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"
	"fmt"

	"github.com/weftnet/weft/sys/xtables"
)

// Facts is what is known of one flavour when one is to be chosen.
type Facts struct {
	Missing error // why it cannot be used; nil: it can
	xtables.Others
}

// Choice is a flavour, why it is the one, and why the other is not.
type Choice struct {
	Flavour  xtables.Flavour
	Reason   string
	Rejected string
}

// String is the choice in one line, for a status.
func (c Choice) String() string {
	return fmt.Sprintf("iptables-%s: %s; not iptables-%s: %s", c.Flavour, c.Reason, otherFlavour(c.Flavour), c.Rejected)
}

func otherFlavour(f xtables.Flavour) xtables.Flavour {
	if f == xtables.NFT {
		return xtables.Legacy
	}
	return xtables.NFT
}

// Choose picks a flavour, so that all rules of the host are in one: the one that is wanted ("" if none is); else the only one that can be used; else
// the one with Kubernetes' chains; else the one with more rules of others; else nft.
func Choose(wanted xtables.Flavour, legacy, nft Facts) (Choice, error) {
	switch {
	case wanted == xtables.Legacy && legacy.Missing != nil || wanted == xtables.NFT && nft.Missing != nil:
		return Choice{}, fmt.Errorf("iptables-%s is asked for and cannot be used: %w", wanted, pick(wanted, legacy, nft).Missing)
	case wanted != "":
		return Choice{wanted, "it is asked for", "the other is asked for"}, nil
	case legacy.Missing != nil && nft.Missing != nil:
		return Choice{}, fmt.Errorf("iptables cannot be used: legacy: %w; nft: %w", legacy.Missing, nft.Missing)
	case legacy.Missing != nil:
		return Choice{xtables.NFT, "it can be used", legacy.Missing.Error()}, nil
	case nft.Missing != nil:
		return Choice{xtables.Legacy, "it can be used", nft.Missing.Error()}, nil
	case legacy.Kube && !nft.Kube:
		return Choice{xtables.Legacy, "Kubernetes' chains are there", "they are not there"}, nil
	case nft.Kube && !legacy.Kube:
		return Choice{xtables.NFT, "Kubernetes' chains are there", "they are not there"}, nil
	case legacy.Rules > nft.Rules:
		return Choice{xtables.Legacy, rules(legacy), rules(nft)}, nil
	case nft.Rules > legacy.Rules:
		return Choice{xtables.NFT, rules(nft), rules(legacy)}, nil
	}
	return Choice{xtables.NFT, "it is the newer, and nothing speaks for one of them", rules(legacy)}, nil
}

func pick(f xtables.Flavour, legacy, nft Facts) Facts {
	if f == xtables.Legacy {
		return legacy
	}
	return nft
}

func rules(f Facts) string { return fmt.Sprintf("%d rules of others are there", f.Rules) }

// Here picks the flavour for the network namespace of the calling thread when none is asked for.
func Here(ctx context.Context) (Choice, error) { return choose(ctx, "") }

// choose looks at the network namespace of the calling thread and picks a flavour for a driver. A failed look counts as no flavour.
func choose(ctx context.Context, wanted xtables.Flavour) (Choice, error) {
	look := func(f xtables.Flavour) Facts {
		if wanted != "" {
			_, err := xtables.Path(f)
			return Facts{Missing: err}
		}
		if there, err := xtables.LegacyTables(); f == xtables.Legacy && err == nil && !there {
			_, err := xtables.Path(f) // the legacy tools would make the tables that they look for
			return Facts{Missing: err}
		}
		others, err := xtables.LookAtOthers(ctx, f)
		return Facts{err, others}
	}
	if wanted != "" && wanted != xtables.Legacy && wanted != xtables.NFT {
		return Choice{}, fmt.Errorf("flavour %q: want %q, %q or none", wanted, xtables.Legacy, xtables.NFT)
	}
	return Choose(wanted, look(xtables.Legacy), look(xtables.NFT))
}
