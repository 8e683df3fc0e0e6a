# Targets for people: run, test. The rest is for those who work on the code.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS := -X main.version=$(VERSION) -X main.revision=$(REVISION)

SOURCES := cmd engine stomp bench kafka tuning clients/go clients/java

.PHONY: help
help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: build
build: page ## bin/stentor, bin/stentor-bench, bin/wsecho
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: page
page: # what the console loads and the tree does not have: npm fetches the library of its charts, and what bundles the client library
	@engine/admin/uplot.sh || echo 'without uPlot the console draws plain curves'
	@engine/admin/library.sh || echo 'without the client library the console tries messages with a client of its own'

.PHONY: run
run: build ## a node to try out, with an identity provider to try, on loopback
	bin/stentor serve --dev --provider 127.0.0.1:8082

.PHONY: fmt
fmt: ## format the code
	gofmt -w $(SOURCES)

.PHONY: formatted
formatted: # says what is not
	@test -z "$$(gofmt -l $(SOURCES))" || { gofmt -l $(SOURCES); echo 'run make fmt'; exit 1; }

.PHONY: lint
lint: formatted ## formatting, vet, golangci-lint (.golangci.yml), which is built the first time
	$(GO) vet ./... && $(GO) vet -tags kafka ./kafka/... && $(GO) vet -tags vm ./bench/machine/vm ./tuning && $(GO) vet -tags attacks ./engine/attack && $(GO) vet -tags clients ./clients/... ./engine/e2e
	$(GO) tool -modfile=.ci/golangci.mod golangci-lint run --allow-parallel-runners --timeout 10m

.PHONY: check
check: build formatted ## the first minute of feedback: formatting, vet, the quick tests of the core packages
	$(GO) vet ./cmd/... ./engine/... ./kafka/... ./stomp/...
	$(GO) test ./stomp/... ./engine/auth ./engine/bus ./engine/destination ./engine/fifo ./engine/proxyproto ./engine/refusal ./engine/session ./engine/websocket ./cmd/stentor/config
	$(GO) test ./engine -run Imports

# Many packages and tests wait more than they compute: one more at a time than there are processors keeps these busy.
SIDE_BY_SIDE := $(shell expr $$(nproc) + 1)

.PHONY: test
test: lint e2e-deps tuning-deps check-clients ## every test: codecs, sessions, simulation, real clients, faults; with the race detector
	$(GO) test -race -p $(SIDE_BY_SIDE) -timeout 9m $$($(GO) list ./... | grep -v /e2e)
	$(GO) test -timeout 9m -parallel $(SIDE_BY_SIDE) ./engine/e2e

MESSAGES ?= 100000
.PHONY: test-clients
test-clients: build bin/kafka-dev e2e-deps ## the client library as npm packs it, against real nodes and a cluster: drops, kills, ends of tokens, and the clients in Java and Go; clients with compression; MESSAGES=20000 for a short run
	kafka/dev/deps.sh
	clients/js/deps.sh
	cd clients/js && npm run --silent build && npm run --silent docs && node e2e/install.js && STENTOR_MESSAGES=$(MESSAGES) node --test --test-concurrency 2 --test-reporter spec e2e/*.test.js
	cd clients/js && $(if $(KAFKA_BOOTSTRAP),,$(CURDIR)/bin/kafka-dev -quick) node --test --test-reporter spec e2e/cluster/*.test.js
	$(GO) test -tags clients -count 1 ./clients/go ./clients/java
	$(GO) test -tags clients -count 1 -run Compression ./engine/e2e

ATTACK ?=
.PHONY: test-attacks
test-attacks: ## hostile clients against a real node, about 10 minutes: what another tenant feels, what memory it takes; ATTACK=resume for some
	$(GO) test -tags attacks -count 1 -timeout 40m ./engine/attack $(if $(ATTACK),-run 'TestAttacks/(alone|$(ATTACK))' -v)

.PHONY: check-clients
check-clients: ## the client library: types, size, unit tests
	clients/js/deps.sh
	cd clients/js && npm run --silent types && npm run --silent build && npm run --silent size && npm run --silent test

.PHONY: e2e-deps
e2e-deps: # the clients that the end-to-end tests drive: Node packages, Chromium
	engine/e2e/deps.sh

.PHONY: tuning-deps
tuning-deps: # nginx, HAProxy, and what checks the scripts
	tuning/deps.sh

SEED ?=
.PHONY: sim
sim: ## the fan-out over simulated sockets and time: make sim SEED=7, make sim FILE=failed.ops, or minutes of new seeds
	$(GO) test ./engine/shard -run $(if $(FILE)$(SEED),^TestSim$$,Sim) -count=1 -timeout 60m $(if $(FILE),-sim.file=$(abspath $(FILE)) -sim.trace=200 -v,$(if $(SEED),-sim.seed=$(SEED) -v,-sim.time=5m))

.PHONY: fuzz
fuzz: ## each fuzz target for a minute
	@set -e; for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime 60s $$p; done; done

.PHONY: bench
bench: ## Go benchmarks of the delivery path
	$(GO) test -run '^$$' -bench . -benchmem ./stomp ./engine/websocket ./engine/session ./engine/shard ./engine/tls13

.PHONY: bench-node
bench-node: build ## a whole node against a bare write(2) loop, about 15 minutes; prints what docs/benchmarks.md shows
	bin/stentor-bench node --stentor bin/stentor

CONNECTIONS ?= 1000000
AFTER ?= 4m
.PHONY: million
million: build vm-deps ## the proof: a million connections to one server, in a virtual machine; CONNECTIONS=100000 for a short run
	bin/stentor-bench vm million --connections $(CONNECTIONS) --after $(AFTER) --stentor bin/stentor --out million

.PHONY: million-tls
million-tls: CONNECTIONS = 100000
million-tls: build vm-deps ## the same with TLS in the server, for 100,000 connections
	bin/stentor-bench vm million --tls --connections $(CONNECTIONS) --after $(AFTER) --stentor bin/stentor --out million/tls

VIA ?= unix
.PHONY: million-leave
million-leave: CONNECTIONS = 100000
million-leave: build vm-deps ## SIGTERM to a server with 100,000 connections, a broadcast on its way, in a virtual machine
	bin/stentor-bench vm million --leave --connections $(CONNECTIONS) --stentor bin/stentor --out million/leave

.PHONY: million-nginx
million-nginx: CONNECTIONS = 70000
million-nginx: build vm-deps tuning-deps ## 70,000 connections through one nginx, in a virtual machine; VIA=unix, ports or sources
	bin/stentor-bench vm million --after 0 --via $(VIA) --connections $(CONNECTIONS) --stentor bin/stentor --out million/$(VIA)

.PHONY: test-vm
test-vm: vm-deps tuning-deps ## the tests that boot something: a virtual machine (LVS and nginx with real traffic among them), systemd in namespaces
	$(GO) test -tags vm -count 1 -timeout 30m ./bench/machine/vm
	$(GO) test -tags vm -count 1 -timeout 30m -run AsManager ./tuning

.PHONY: vm-deps
vm-deps: # qemu, busybox, a kernel
	@bench/machine/vm/deps.sh

.PHONY: bench-kafka
bench-kafka: build bin/kafka-dev ## a node with a real Kafka, about 12 minutes; BENCH=--quick for two
	$(if $(KAFKA_BOOTSTRAP),,bin/kafka-dev) bin/stentor-bench kafka --stentor bin/stentor $(BENCH)

.PHONY: bench-cluster
bench-cluster: build bin/kafka-dev ## three nodes, a registry and a real Kafka: nodes killed, restarted, added, brokers away; about 10 minutes; BENCH='--only rolling' and the like
	$(if $(KAFKA_BOOTSTRAP),,bin/kafka-dev) bin/stentor-bench cluster --stentor bin/stentor $(BENCH)

.PHONY: bench-browsers
bench-browsers: build ## what clients of every kind cost a node beside plain WebSockets: keys of identity providers, SockJS, compression; about 15 minutes; BENCH=--quick and the like
	bin/stentor-bench browsers --stentor bin/stentor $(BENCH)

.PHONY: bench-spring
bench-spring: build ## the same load on a node and on a Spring Boot simple broker, about 7 minutes; BENCH='--connections 2000' and the like
	bench/suite/spring/deps.sh
	mvn -q -B -f bench/suite/spring/app/pom.xml package
	bin/stentor-bench spring --stentor bin/stentor $(BENCH)

.PHONY: bench-tls
bench-tls: build ## TLS in the node against its targets: CPU, memory, handshakes, strangers, about 8 minutes; BENCH=--quick for two
	$(GO) test -run '^$$' -bench TLSMemory -benchtime 1x ./engine
	bin/stentor-bench tls --stentor bin/stentor $(BENCH)

.PHONY: bench-proxies
bench-proxies: build tuning-deps ## what nginx and HAProxy in front of a node cost, about 5 minutes; BENCH='--connections 1000' and the like
	bin/stentor-bench proxies --stentor bin/stentor $(BENCH)

# A real Apache Kafka: kafka/dev/deps.sh installs what it needs. KAFKA_BOOTSTRAP=host:port takes yours instead.
KAFKA_TESTS ?= ./kafka/...
WITH_KAFKA   = $(if $(KAFKA_BOOTSTRAP),,bin/kafka-dev -quick)

.PHONY: kafka
kafka: bin/kafka-dev ## a Kafka to develop with, until Ctrl-C
	@exec bin/kafka-dev

.PHONY: test-kafka
test-kafka: bin/kafka-dev tuning-deps ## the tests that need a Kafka
	$(WITH_KAFKA) sh -c '$(GO) test -tags kafka -count 1 -p 1 $(KAFKA_TESTS) && $(GO) test -tags kafka -count 1 -run ToKafka ./bench/gen/load'

.PHONY: bin/kafka-dev
bin/kafka-dev:
	@$(GO) build -o $@ ./kafka/dev

.PHONY: release
release: ## a tarball of static binaries for Linux on amd64, and its checksum: make release VERSION=1.2.3
	.ci/release '$(VERSION)'

.PHONY: test-release
test-release: ## builds a release twice, in two places with two caches, and compares the bytes
	@set -e; dir=$$(mktemp -d); trap 'chmod -R u+w "$$dir"; rm -rf "$$dir"' EXIT; \
	.ci/release 0.0.0-test "$$dir/a"; \
	TMPDIR="$$dir" GOCACHE="$$dir/cache" .ci/release 0.0.0-test "$$dir/b"; \
	cmp "$$dir/a/stentor-0.0.0-test-linux-amd64.tar.gz" "$$dir/b/stentor-0.0.0-test-linux-amd64.tar.gz"; \
	tar -xzf "$$dir/a/stentor-0.0.0-test-linux-amd64.tar.gz" -C "$$dir"; \
	"$$dir/stentor-0.0.0-test-linux-amd64/stentor" version
