# Every target covers all modules of the repository, each one as others get it:
# outside the workspace.
export GOWORK := off

GOLANGCI_VERSION := v2.15.0
BENCHSTAT_VERSION := v0.0.0-20260908200009-22c9c6c9d4da

FUZZTIME  ?= 5s
BENCH     ?= .
BENCHTIME ?= 1s
SOAKTIME  ?= 10m

TOOLS    := $(CURDIR)/.tools/bin
GOLANGCI := $(TOOLS)/golangci-lint
EACH     := scripts/each.sh

.DEFAULT_GOAL := help
.PHONY: help check test race fuzz bench compare soak lint fmt tidy tools

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check: lint test ## everything a change must pass

test: ## install what the tests need, then run all tests with the race detector
	scripts/testdeps.sh
	$(EACH) go test -race ./...
	go test -run '^TestAllocs|^TestSizes' ./broker ./rules ./rules/sql ./shadow ./auth/certs # the race detector allocates

race: ## run all tests anew and in random order, RACECOUNT times (default 3)
	scripts/testdeps.sh
	$(EACH) go test -race -shuffle=on -count=$(or $(RACECOUNT),3) ./...

fuzz: ## run each fuzz target for FUZZTIME (default 5s)
	scripts/fuzz.sh $(FUZZTIME)

bench: ## run the benchmarks that match BENCH (default all) for BENCHTIME (default 1s)
	scripts/bench.sh '$(BENCH)' $(BENCHTIME)

compare: ## measure beside other brokers: ROUNDS (default 1), ONLY=scenarios, BROKERS=names
	scripts/testdeps.sh
	scripts/compare.sh $(or $(ROUNDS),1) '$(ONLY)' '$(BROKERS)'

soak: ## run the long tests (build tag soak), each for SOAKTIME (default 10m)
	scripts/testdeps.sh
	THINGHUB_SOAK=$(SOAKTIME) $(EACH) go test -tags soak -run '^TestSoak' -count=1 -timeout 2h ./...

lint: $(GOLANGCI) ## formatting, go vet, golangci-lint, go.mod files, builds for other systems
	$(GOLANGCI) fmt --diff
	$(EACH) go vet ./...
	$(EACH) $(GOLANGCI) run
	$(EACH) go mod tidy -diff
	scripts/cross.sh

fmt: $(GOLANGCI) ## format all Go files
	$(GOLANGCI) fmt

tidy: ## tidy all go.mod files
	$(EACH) go mod tidy

tools: $(GOLANGCI) $(TOOLS)/benchstat ## install the development tools into .tools/bin

# The Makefile carries the versions, so a newer one rebuilds the tool.
$(GOLANGCI): Makefile
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@touch $@

$(TOOLS)/benchstat: Makefile
	GOBIN=$(TOOLS) go install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION)
	@touch $@
