# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0

.DEFAULT_GOAL := help
GO     ?= go
BIN    := bin
COMMIT := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/weftnet/weft/internal/version.Commit=$(COMMIT)

.PHONY: help build demo test test-vm modes lint bench generate kube e2e e2e-kube soak judge clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/weft and bin/weft-cni
	@mkdir -p $(BIN)
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/weft ./cmd/weft-cni

demo: ## a three-node cluster with real traffic, BGP and policy, in network namespaces
	@tools/setup.sh demo
	@$(MAKE) --no-print-directory build
	@$(BIN)/weft lab demo

test: ## all tests: unit, kernel, interop, faults (root, Debian packages)
	@tools/setup.sh
	@$(MAKE) --no-print-directory build
	@[ -x $${WEFT_KUBE:-$(BIN)/kube}/kubelet ] || echo "test: no programs of Kubernetes in $${WEFT_KUBE:-$(BIN)/kube}: no real API server, no kubelets; make kube builds them, once, in some ten minutes"
	@$(GO) test -p 1 -timeout 30m ./...
	@test/vm.sh short

test-vm: ## every way to run a cluster with IP-in-IP or WireGuard, on Debian's stock kernel in QEMU, which has them; CELLS=ipip/ipv4 chooses
	@tools/setup.sh vm
	@$(MAKE) --no-print-directory build
	@test/vm.sh

modes: ## every way to run a cluster that this kernel has: matrix, captures, kill -9 and a change to each other mode, under traffic; CELLS=vxlan/ipv6 chooses
	@tools/setup.sh
	@$(MAKE) --no-print-directory build
	@WEFT_SCENARIOS=all $(GO) test -p 1 -timeout 120m -run 'TestScenarios$(if $(CELLS),/$(CELLS),|TestModeChange)' -v ./test/e2e

lint: ## formatting, static checks, generated files up to date
	@tools/lint.sh

bench: ## benchmarks, each figure beside its peer; ROW=cni,path runs these sections only
	@tools/setup.sh
	@$(MAKE) --no-print-directory build
	@bench/run.sh -only "$(ROW)"

generate: ## CRDs, reference docs, the manifest and the Helm chart from the Go types and templates
	@$(GO) generate ./...

e2e: ## the slow end-to-end suites in full length
	@tools/setup.sh
	@$(MAKE) --no-print-directory build
	@WEFT_LONG=1 $(GO) test -p 1 -timeout 170m ./test/...

kube: ## a Kubernetes of this machine's own, from source, for the tests that want one: ten minutes the first time, bin/kube or WEFT_KUBE
	@tools/kube.sh all

e2e-kube: kube ## the datastore against the API server of that Kubernetes, and a cluster with kubelets, containerd and runc, in full length
	@$(MAKE) --no-print-directory build
	@WEFT_LONG=1 $(GO) test -p 1 -count=1 -timeout 60m -v ./store/kubestore ./test/kube/...

soak: ## two hours of random connects, kills and policy changes
	@tools/setup.sh
	@$(MAKE) --no-print-directory build
	@WEFT_SOAK=$${WEFT_SOAK:-2h} $(GO) test -p 1 -timeout 0 -run TestSoak -v ./test/chaos

judge: ## an hour of random policies and packets on each driver, compared with the judge (WEFT_JUDGE=10m, WEFT_SEED=...)
	@tools/setup.sh
	@WEFT_JUDGE=$${WEFT_JUDGE:-1h} $(GO) test -p 1 -timeout 0 -run 'TestConformance/.*/random' -v ./dataplane/...

clean: ## remove what was built
	@rm -rf $(BIN)
