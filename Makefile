# What there is to do. Every figure of the README comes from one of these.
.PHONY: build test race lint e2e bench scale ci clean

build: ## the program, into bin/
	go build -trimpath -o bin/ ./cmd/router

test: ## needs nothing but Go
	go test ./...

race:
	go test -race -shuffle=on ./...

lint:
	golangci-lint run ./...

e2e: ## needs npm servers: ROUTER_E2E_NPM names the folder they are installed in, see .ci/run
	go test -tags e2e -count=1 -v ./internal/e2e

bench: ## calls through the router beside direct ones
	go test -run '^$$' -bench . -benchtime 2s ./internal/bench

CATALOG ?= $(error give a recorded catalogue: make scale CATALOG=tools.jsonl.gz)
scale: ## thousands of recorded tools behind one router: start, search, memory
	go test -tags scale -count=1 -timeout 15m -v -run TestScale ./internal/e2e -catalog $(abspath $(CATALOG))

ci: ## all that has to hold before a change is merged
	.ci/run

clean:
	rm -rf bin
