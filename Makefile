# Targets for people: run, test. The rest is for those who work on the code.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.version=$(VERSION)

.PHONY: help
help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: build
build: ## bin/stentor, bin/stentor-bench, bin/wsecho
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: run
run: build ## a node to try out, on loopback
	bin/stentor serve --dev

.PHONY: fmt
fmt: ## format the code
	gofmt -w cmd engine stomp bench

.PHONY: lint
lint: ## formatting, vet, staticcheck
	@test -z "$$(gofmt -l cmd engine stomp bench)" || { gofmt -l cmd engine stomp bench; echo 'run make fmt'; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# A real Apache Kafka: kafka/dev/deps.sh installs what it needs. KAFKA_BOOTSTRAP=host:port takes yours instead.
KAFKA_TESTS ?= ./kafka/...
WITH_KAFKA   = $(if $(KAFKA_BOOTSTRAP),,bin/kafka-dev -quick)

.PHONY: kafka
kafka: bin/kafka-dev ## a Kafka to develop with, until Ctrl-C
	@exec bin/kafka-dev

.PHONY: test-kafka
test-kafka: bin/kafka-dev ## the tests that need a Kafka
	$(WITH_KAFKA) $(GO) test -tags kafka -count 1 -p 1 $(KAFKA_TESTS)

.PHONY: bin/kafka-dev
bin/kafka-dev:
	@$(GO) build -o $@ ./kafka/dev
