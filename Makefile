# Every target that a person or CI needs. "make help" lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export CGO_ENABLED ?= 0

PACKAGES ?= ./...

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z\/-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build the shop and serve it with the demo catalogue, on files below ./data
	./bin/app serve --demo

.PHONY: build
build: ## build ./bin/app
	go build -ldflags="-s -w" -o bin/app ./cmd/app

.PHONY: test
test: ## prepare real servers, run every test, and say what could not run (PACKAGES=./… for some)
	@.ci/test $(PACKAGES)

.PHONY: test/containers
test/containers: ## what depends on versions of servers, on PostgreSQL 17 and RabbitMQ 4.0 in containers
	@.ci/containers

.PHONY: test/compose
test/compose: ## start docker-compose.yml for real, every wiring, and walk through the README against it
	@.ci/compose

.PHONY: images
images: ## our images, banyan:local and banyan-payments:local, with the Go of this machine (needs a Docker engine)
	@deploy/images

.PHONY: storm
storm: ## the tests of crash, contention, overload, the broker and wallets at full size (an hour; BANYAN_TEST_REQUIRE= where servers are missing)
	@BANYAN_TEST_REQUIRE="$${BANYAN_TEST_REQUIRE-all}" BANYAN_TEST_STORM=full .ci/test -p 1 -timeout 60m ./cmd/app/... ./internal/rabbit ./modules/wallet/...

.PHONY: broken
broken: ## break the shop in one way after the other, in a copy; the tests must notice each (ONLY=name)
	@.ci/with-servers go run ./cmd/app/broken --only=$(ONLY)

.PHONY: broken/doc
broken/doc: ## the same, and write into docs/broken-builds.md what caught what
	@.ci/with-servers go run ./cmd/app/broken --doc=docs/broken-builds.md --only=$(ONLY)

.PHONY: race
race: ## run the tests of the kit and the modules under the race detector (needs a C compiler; PACKAGES=./… for some)
	@CGO_ENABLED=1 .ci/test -race $(if $(filter ./...,$(PACKAGES)),./internal/... ./modules/...,$(PACKAGES))

FUZZTIME ?= 30s

.PHONY: fuzz
fuzz: ## fuzz every decoder, FUZZTIME=30s each (FUZZ=pattern of package or target for some)
	@.ci/fuzz $(FUZZTIME) '$(or $(FUZZ),.)'

.PHONY: arch
arch: ## check the boundaries between modules and rooms, and the decision records
	go test -count=1 ./internal/arch/...

.PHONY: contracts
contracts: build ## tell what the present contracts break (AGAINST=branch, tag or folder)
	@./bin/app contracts check $(if $(AGAINST),--against $(AGAINST))

.PHONY: pact
pact: ## what orders rely on is recorded, and payments keep it (needs a C compiler; gets Pact's library once)
	@pact=$$(.ci/pact) && eval "$$pact" && go test -count=1 -run '^TestPact' ./modules/orders/ordersmodule ./modules/payments/paymentsmodule

.PHONY: lint
lint: ## gofmt, go vet, and staticcheck
	@.ci/lint

.PHONY: lint/full
lint/full: ## golangci-lint with the rules of .golangci.yml (building it takes minutes, once)
	@test -x bin/golangci-lint || go build -C tools -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	./bin/golangci-lint run

# Servers of what is measured write to the disk for good, as a shop's must.
BENCH = BANYAN_TEST_FSYNC=on .ci/with-servers go run ./cmd/app/bench

.PHONY: bench
bench: ## measure what the shop costs beside what this machine can do (BENCH_FLAGS="--quick --only checkout")
	@$(BENCH) $(BENCH_FLAGS)

.PHONY: bench/full
bench/full: ## the same with more and longer rounds
	@$(BENCH) --full $(BENCH_FLAGS)

.PHONY: bench/doc
bench/doc: ## measure, and put the table into docs/performance.md
	@$(BENCH) --markdown docs/performance.md $(BENCH_FLAGS)

.PHONY: clean
clean: ## remove ./bin; ./data stays
	rm -rf bin
