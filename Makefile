# What people and CI run. Everything that must pass is behind "make test".

GO ?= go

.PHONY: run test oracles lint vet race fuzz build bench generate

run: ## build and serve the demo on 127.0.0.1:8080, with its data under ./data
	$(GO) run ./cmd/bahi serve --demo --log-level warn

build: ## one static binary, ./bahi
	CGO_ENABLED=0 $(GO) build -trimpath -o bahi ./cmd/bahi

# Fast checks first, so that a mistake shows in a minute.
test: oracles lint race fuzz

# The tests hold the exported journals against the programs that they are for.
oracles:
	@command -v hledger >/dev/null && command -v bean-check >/dev/null && command -v bean-query >/dev/null || \
		{ apt-get update -q && apt-get install -y -q --no-install-recommends hledger beancount; }

lint:
	@unformatted=$$(gofmt -l api banks cmd ledger migrations); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# Under the race detector runs what has goroutines of its own, or is used by several at
# once; it makes all slow, so that some try less there and are first run without. What only
# reads, writes and computes is run without alone.
alone := ./banks/endtoend ./banks/simulate ./ledger/address ./ledger/audit/file ./ledger/export ./ledger/privacy/mark ./ledger/reconcile ./ledger/reconcile/statement ./ledger/report ./ledger/settle
race:
	$(GO) test ./ledger ./ledger/audit $(alone)
	$(GO) test -run TestGrammar ./ledger/postgres
	$(GO) test -race -timeout 18m $$($(GO) list ./... | grep -v -x -F "$$($(GO) list $(alone))")

# Each fuzz target looks for new inputs for some seconds. It is a number of tries,
# since a time that ends on busy cores can fail the run (golang/go#75804).
FUZZTIME ?= 40000x
fuzz:
	@set -e; for package in ./ledger ./ledger/address ./ledger/audit/file ./ledger/reconcile/statement; do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

bench: build ## the figures of the README, on this machine
	./bahi bench --workload all --book 5000000
	@set -e; for workload in wallet shop bank; do ./bahi bench --workload $$workload --pgbench; done
	./bahi bench --workload bank --banks 200 --hanging 20 --seconds 30
	./bahi bench --workload batch --concurrency 8 --pgbench
	./bahi bench --workload wallet --concurrency 1 --pgbench
	@set -e; for engine in sqlite postgres; do ./bahi bench --workload log --engine $$engine --book 1000000; done

generate: ## the Go side of api/openapi.yaml
	$(GO) generate ./...
