# "make help" lists the tasks.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS   := -s -w -X main.version=$(VERSION) -X main.revision=$(REVISION)
CA_BUNDLE ?= /etc/ssl/certs/ca-certificates.crt
BENCH     ?= .
COUNT     ?= 5
FUZZTIME  ?= 30s
DEMO_FOR  ?= 60s
# In CI a test that skips itself is a failure.
SUMMARY   := bin/tools/testsum $(if $(CI),-no-skips)
# The product's own packages; test/ holds what needs servers or the built binary.
PACKAGES   = $$(go list ./... | grep -v '/rotatord/test')

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the static binary bin/rotatord
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/rotatord ./cmd/rotatord

.PHONY: image-root
image-root: build ## Lay out what goes into the container image, for the stage prebuilt of the Dockerfile
	rm -rf dist/image
	mkdir -p dist/image/var/lib/rotatord
	install -D -m 0755 bin/rotatord dist/image/usr/bin/rotatord
	install -D -m 0644 $(CA_BUNDLE) dist/image/etc/ssl/certs/ca-certificates.crt

.PHONY: packages
packages: bin/tools/release/.built ## Build the Debian and RPM packages into dist/packages
	rm -rf dist/packages
	tools/release/build dist/packages packages

.PHONY: release
release: bin/tools/release/.built ## Build what is released into dist/release: archives, packages, SBOMs, checksums
	rm -rf dist/release
	tools/release/build dist/release

.PHONY: reproducible
reproducible: bin/tools/release/.built ## Build a release twice, in two folders with two build caches, and compare every byte
	tools/release/reproducible

.PHONY: test
test: bin/tools/testsum bin/tools/release/.built ## Run all tests, with the real servers they need; as root, for networks and disks to break
	test/servers/install-apt
	for name in vault helm compose kube-apiserver; do test/servers/build $$name; done
	test/servers/install-axe
	go test -json -timeout 30m ./... | $(SUMMARY)

.PHONY: check
check: fmt vet lint race runtime-secret tools-test generate-check unit dashboards imports vuln ## Everything that needs no server: format, lint, race, generated files, unit, vulnerabilities

.PHONY: fmt
fmt: ## Fail if gofmt would change a file
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l)
	if [ -n "$$unformatted" ]; then echo "gofmt -w is needed on:"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet: ## Run go vet
	go vet ./...

.PHONY: lint
lint: bin/tools/.built ## Run the linters of .golangci.yml
	bin/tools/golangci-lint run ./...

.PHONY: race
race: bin/tools/testsum ## Run the tests of the packages under the race detector
	go test -race -json -timeout 20m $(PACKAGES) | $(SUMMARY)

.PHONY: runtime-secret
runtime-secret: ## Build with GOEXPERIMENT=runtimesecret, which erases what the seal used, and test the seal so
	GOEXPERIMENT=runtimesecret CGO_ENABLED=0 go build -trimpath -o bin/rotatord-runtimesecret ./cmd/rotatord
	GOEXPERIMENT=runtimesecret go vet ./rotator/seal
	GOEXPERIMENT=runtimesecret go test -count=1 ./rotator/seal ./rotator/engine

.PHONY: tools-test
tools-test: ## Test the programs in tools/
	cd tools && go vet ./... && go test ./...

.PHONY: generate
generate: ## Write the generated files: reference, schema
	go generate ./...

.PHONY: generate-check
generate-check: ## Fail if a generated file is not fresh
	tools/generate-check

.PHONY: unit
unit: ## Check the systemd unit: verify it, exposure at most 1.5
	test/servers/install-apt
	deploy/systemd/check

.PHONY: dashboards
dashboards: ## Check the dashboards against Grafana's types
	test/servers/install-apt
	deploy/grafana/schema/check

.PHONY: imports
imports: ## Check which package may import which, which licences are linked, and how the network is reached
	go test ./test -run 'TestImports|TestLicences|Rules|TheClock'

.PHONY: model
model: ## Check the model of the stages and of the lease with spin
	test/servers/install-apt
	test/model/run

.PHONY: simulate
simulate: ## Play worlds that nobody has seen, until a guarantee breaks (SIMULATE_FOR=5m)
	SIMULATE_FOR=$${SIMULATE_FOR:-5m} go test ./simulator -run TestGuaranteesHoldInFreshWorlds -count 1 -v -timeout 60m

.PHONY: mutants
mutants: ## Take one guard of the daemon away at a time, and see whether fresh worlds notice (MUTANT=part of a name)
	go test -tags mutants ./simulator/mutants -run TestMutantsAreNoticed -count 1 -v -timeout 90m

.PHONY: vuln
vuln: bin/tools/.built ## Look for known vulnerabilities; says so when the database is out of reach
	tools/vuln bin/tools/govulncheck

.PHONY: bench
bench: bin/tools/.built ## Run the benchmarks (BENCH=pattern COUNT=5) and sum them up
	mkdir -p dist
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -timeout 60m ./... | tee dist/bench.txt
	bin/tools/benchstat dist/bench.txt

.PHONY: demo
demo: build ## Run the demo: emulator, daemon, keys that live minutes (DEMO_FOR=60s)
	bin/rotatord demo --for $(DEMO_FOR)

.PHONY: fuzz
fuzz: ## Run each fuzz target (FUZZTIME=30s), as many at once as there are processors
	tools/fuzz $(FUZZTIME)

.PHONY: licences
licences: ## Write docs/licences.md; fail on a licence that the binary may not hold
	go test ./test -run 'TestLicences' -count 1 -update

.PHONY: tools
tools: bin/tools/.built ## Build the pinned tools into bin/tools

bin/tools/.built: tools/go.mod tools/go.sum tools/testsum/main.go
	mkdir -p bin/tools
	(cd tools && go build -o ../bin/tools/ tool ./testsum)
	touch $@

bin/tools/testsum: tools/testsum/main.go
	(cd tools && go build -o ../bin/tools/testsum ./testsum)

bin/tools/release/.built: tools/release/go.mod tools/release/go.sum
	mkdir -p bin/tools/release
	(cd tools/release && go build -o ../../bin/tools/release/ tool)
	touch $@

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist
