# Rollcall. The two commands to start with:
#
#   make run     build the registry and see it work on this machine
#   make test    everything that continuous integration runs
#
# Both need Go, make and git, nothing else: what else they use they install, from Debian packages and from pinned
# Go modules. `make help` lists the rest.

GO ?= go
export GO

# Time per fuzz target, in `make test` and in `make fuzz`.
SHORT_FUZZTIME ?= 5s
FUZZTIME       ?= 10m

# How many runs `make sim` makes, and the seed of the first.
SIM_SEEDS ?= 5000
SIM_FIRST ?= 1

# How many times each test of `make kills` kills.
KILLS ?= 200

# How long `make soak` goes on.
SOAK ?= 10m

# Flags of the benchmarks, for example: make bench BENCHFLAGS='-only put -rounds 3' CLUSTERBENCHFLAGS='-only latency'.
BENCHFLAGS        ?=
CLUSTERBENCHFLAGS ?=
LBSYNCBENCHFLAGS  ?=
DASHBOARDSFLAGS   ?=

GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
DEADCODE := $(GO) run golang.org/x/tools/cmd/deadcode@v0.52.0
VULNCHECK := $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Tests under the race detector run with this toolchain where it can be had: Go 1.26's dies now and then, or at once, when two
# threads run timers of one synctest bubble (golang/go#78156).
RACE_TOOLCHAIN := go1.27.4
RACE_GO = $(if $(shell GOTOOLCHAIN=$(RACE_TOOLCHAIN) $(GO) version 2>/dev/null),GOTOOLCHAIN=$(RACE_TOOLCHAIN)) CGO_ENABLED=1 $(GO)

# For the chart: helm is built when it is first used, into .cache; the schemas of Kubernetes come from a module.
HELM_VERSION := v3.22.0
KUBE_SCHEMAS_VERSION := v0.0.4
KUBE_SCHEMAS_SUM := h1:tGKuv0awYHn11Cb6KPsZKxUmHgavF46K3NvVH0Nse9U=
CHARTFLAGS ?=

# Programs that the tests start or that the race detector needs; .ci/install-tools knows the package of each.
TEST_TOOLS  := haproxy nginx etcd etcdctl promtool ip nft cc systemd-analyze systemd-nspawn curl openssl
BENCH_TOOLS := etcd wrk ip
LBSYNC_TOOLS := haproxy nginx

# Debian keeps haproxy, nginx, ip and nft where only root looks.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help run build test check audit bench bench-cluster bench-lbsync dashboards sim kills soak mutants fuzz release try-deb try-rpm install-tools clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: build ## Build, and show it at work: a node, lbsync, HAProxy, three frontends. Ctrl-C stops all.
	@.ci/install-tools haproxy || echo "==> going on without HAProxy"
	@exec bin/registry demo

build: ## Build bin/registry.
	@echo "==> build bin/registry"
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/registry ./cmd/registry

# The tests come last, so that the last lines are theirs.
test: ## Install what the tests need, check the code, fuzz briefly, run all tests.
	@.ci/install-tools $(TEST_TOOLS)
	@$(MAKE) --no-print-directory check
	@.ci/fuzz $(SHORT_FUZZTIME)
	@$(MAKE) --no-print-directory chart-tools
	@echo "==> go test -race"
	@$(RACE_GO) test -race -shuffle=on -timeout=15m ./...

check: ## Look at the code without running it: vet, linters, formatting, go.mod.
	@echo "==> go vet"
	@$(GO) vet ./...
	@echo "==> go mod tidy -diff"
	@$(GO) mod tidy -diff
	@echo "==> golangci-lint $(GOLANGCI_VERSION) (its first build takes minutes)"
	@$(GOLANGCI) version >/dev/null 2>&1 || $(GOLANGCI) version
	@$(GOLANGCI) run ./...

audit: ## Look for code that nothing uses and for known vulnerabilities; needs vuln.go.dev.
	@echo "==> deadcode"
	@$(DEADCODE) -test ./...
	@echo "==> govulncheck"
	@$(VULNCHECK) ./...

bench: build ## Compare speed and memory with etcd and a bare handler; prints a table. Then bench-cluster.
	@.ci/install-tools $(BENCH_TOOLS)
	@$(GO) build -trimpath -o bin/bench ./cmd/registry/bench/httpapi
	@mkdir -p .cache
	@bin/bench -registry bin/registry -dir .cache $(BENCHFLAGS)
	@$(MAKE) --no-print-directory bench-cluster

bench-cluster: build ## Measure replication between three nodes, beside three of etcd; prints a table.
	@.ci/install-tools $(BENCH_TOOLS)
	@$(GO) build -trimpath -o bin/cluster-bench ./cmd/registry/bench/cluster
	@mkdir -p .cache
	@bin/cluster-bench -registry bin/registry -dir .cache $(CLUSTERBENCHFLAGS)

bench-lbsync: build ## Measure lbsync with real balancers under load, beside confd's way of working; prints a table.
	@.ci/install-tools $(LBSYNC_TOOLS)
	@$(GO) build -trimpath -o bin/lbsync-bench ./cmd/registry/bench/lbsync
	@bin/lbsync-bench -registry bin/registry $(LBSYNCBENCHFLAGS)

dashboards: build ## Run a cluster with a Prometheus, see that every panel has data, and draw docs/dashboards.svg.
	@.ci/install-tools promtool haproxy
	@$(GO) run ./cmd/registry/bench/dashboards $(DASHBOARDSFLAGS)

sim: ## Simulate many clusters under faults, with the race detector: make sim SIM_SEEDS=5000 SIM_FIRST=1.
	@$(RACE_GO) test -race -run '^TestSimulation$$' -count=1 -failfast -timeout=24h ./cmd/registry \
		-sim.seeds=$(SIM_SEEDS) -sim.first=$(SIM_FIRST)

kills: ## Kill nodes under load, alone and of three, and see that nothing acknowledged is lost: make kills KILLS=200.
	@$(RACE_GO) test -race -run '^TestKill(One|OfThree)$$' -count=1 -v -timeout=2h ./cmd/registry -kill.rounds=$(KILLS)

soak: ## Run one node and three under mixed load with kills for long: make soak SOAK=10m.
	@$(GO) test -run '^TestSoak$$' -count=1 -v -timeout=48h ./cmd/registry -soak.for=$(SOAK)

mutants: ## Break replication, configuration and more in many ways, one at a time, and see that the tests notice.
	@$(GO) run .ci/mutants.go .ci/mutants_command.go

fuzz: ## Fuzz each target for long: make fuzz FUZZTIME=10m.
	@.ci/fuzz $(FUZZTIME)

release: ## Make binaries, Debian and RPM packages and checksums in dist: make release VERSION=v1.2.3.
	@.ci/release $(VERSION)

try-deb: ## Install, start, upgrade, remove and purge the Debian package in a booted Debian of its own; needs root.
	@.ci/try-package deb

try-rpm: ## The same with the RPM package and Debian's rpm.
	@.ci/try-package rpm

install-tools: ## Install all that test, run and bench use.
	@.ci/install-tools $(TEST_TOOLS) $(BENCH_TOOLS)
	@$(GOLANGCI) version

.PHONY: chart chart-tools
chart: chart-tools ## Check the Helm chart, its alerts and dashboards: make chart CHARTFLAGS=-update after a change.
	@.ci/install-tools promtool haproxy
	@$(GO) test -count=1 ./charts $(CHARTFLAGS)

chart-tools: .cache/helm-$(HELM_VERSION)/helm

.cache/helm-$(HELM_VERSION)/helm:
	@echo "==> build helm $(HELM_VERSION) (the first time it takes minutes)"
	@CGO_ENABLED=0 GOFLAGS= GOBIN=$(CURDIR)/$(@D) $(GO) install -ldflags="-s -w" helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

clean: ## Remove what these targets have built.
	rm -rf bin dist .cache
