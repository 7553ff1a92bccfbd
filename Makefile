# MonitorMe. `make` alone prints the list of targets.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDFLAGS     := -s -w -X main.version=$(VERSION)
BUILD        = CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)'
WARD        ?= ward
comma       := ,
DATA        ?= data$(if $(filter-out ward,$(WARD)),-$(subst $(comma),-,$(WARD)))
ADDR        ?= 127.0.0.1:8080
SEED        ?= 1

.DEFAULT_GOAL := help
.PHONY: help run build web test test-go test-web lint bench fuzz cross clean influxd

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  settings   DATA=$(DATA) ADDR=$(ADDR) SEED=$(SEED) RECORDINGS=DIR WARD=$(WARD) (make run; WARD=devices: a bed"
	@echo "             for each device family; WARD=nonin,masimo: for each of these drivers)"

run: build ## start everything: the cloud and a ward of 20 simulated beds; Ctrl-C stops it
	@exec bin/monitorme-ward -cloud bin/monitorme-cloud -edge bin/monitorme-edge -data '$(DATA)' -addr '$(ADDR)' -seed '$(SEED)' -ward '$(WARD)' $(if $(RECORDINGS),-recordings '$(RECORDINGS)')

build: web ## build bin/monitorme-edge, bin/monitorme-cloud, bin/monitorme-ward and bin/monitorme-simulator
	@$(BUILD) -o bin/monitorme-edge ./edge
	@$(BUILD) -o bin/monitorme-cloud ./cloud
	@$(BUILD) -o bin/monitorme-ward ./scripts/ward
	@$(BUILD) -o bin/monitorme-simulator ./drivers/simulator

web: cloud/web/dist/index.html ## build the web app that monitorme-cloud embeds

WEB_SOURCES := $(shell find cloud/web/src cloud/web/public -type f 2>/dev/null) $(wildcard cloud/web/*.json cloud/web/*.mjs cloud/web/*.html)
cloud/web/dist/index.html: $(WEB_SOURCES)
	@scripts/need.sh node npm
	@cd cloud/web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build

test: build test-web test-go ## run every test, those in a browser included

test-web:
	@cd cloud/web && npm test --silent

test-go:
	@scripts/need.sh chromium
	@$(GO) test -race -timeout 20m ./...
	@[ -z "$${MONITORME_TEST_INFLUX_URL:-}" ] || echo 'The contract suite of the InfluxDB store ran against a real server.'
	@[ -n "$${MONITORME_TEST_INFLUX_URL:-}" ] || echo 'The contract suite of the InfluxDB store did not run: MONITORME_TEST_INFLUX_URL is not set (make influxd builds one).'

lint: web ## gofmt, go vet, staticcheck, tsc
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt: $$out"; exit 1; }
	@$(GO) vet ./...
	@$(GO) run $(STATICCHECK) ./...
	@cd cloud/web && npm run --silent check

bench: build ## print the figures of docs/PERFORMANCE.md
	@scripts/bench.sh

fuzz: ## fuzz every target for FUZZTIME (default 30s) each
	@scripts/fuzz.sh $${FUZZTIME:-30s}

cross: web ## build the release binaries for linux/arm64 and linux/amd64 into build/
	@for arch in arm64 amd64; do for c in edge cloud; do \
	  GOOS=linux GOARCH=$$arch $(BUILD) -o build/linux-$$arch/monitorme-$$c ./$$c; done; done
	@ls -l build/*/

influxd: ## build a real InfluxDB 2 for the store's contract suite into a cache; prints its path
	@scripts/influxd/build.sh

clean: ## delete what was built; data/ stays
	@rm -rf bin build cloud/web/node_modules
	@find cloud/web/dist -mindepth 1 ! -name .keep -delete
