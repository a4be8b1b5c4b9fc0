# Everything here needs Go, git and make, and nothing else. `make help` lists the targets.

GOLANGCI_LINT := 2.15.0
GOVULNCHECK   := 1.9.0

# Where `make run` keeps its data, and where it listens.
DATA   ?= bin/data
LISTEN ?= 127.0.0.1:8080

# How long `make fuzz` gives to each target, and what else `make bench` is told (see `go run ./bench -h`).
FUZZTIME  ?= 20000x
BENCHARGS ?=

# How long `make soak` lasts.
FOR ?= 30m

# How many random lists `make test/metamorphic` runs.
SEEDS ?= 200

# How often `make test/crash` kills the server, and over how many candidates at least.
KILLS      ?= 20
CANDIDATES ?= 20000

# The same for its run over webhooks that are told one call after the other.
MESSAGES ?= 2000

# Where real brokers are installed, for what is tested and measured over them.
BROKERS ?= $(CURDIR)/bin/brokers

# The database of vulnerabilities that `make vuln` reads; VULNDB=file:///path is a copy, where vuln.go.dev cannot be reached.
VULNDB ?= https://vuln.go.dev

VERSION  = $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
TOOLS   := $(CURDIR)/bin/tools
LINT    := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT)
VULN    := $(TOOLS)/govulncheck-$(GOVULNCHECK)

# The race detector needs cgo and a C compiler; without them the tests run all the same.
RACE = $(shell command -v $$(go env CC) >/dev/null 2>&1 && [ "$$(CGO_ENABLED=$${CGO_ENABLED:-1} go env CGO_ENABLED)" = 1 ] && echo -race)

.DEFAULT_GOAL := help
.PHONY: help demo run build test test/short test/crash test/fleet test/metamorphic test/sabotage test/transports transports/adapters transports/elsewhere \
	brokers lint fmt check fuzz vuln bench bench/latency bench/isolation bench/idle \
	bench/backlog bench/webhooks bench/history bench/disk bench/retention bench/fairness bench/overload bench/transports soak clean FORCE

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z\/]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## Show one candidate's way: an engine, a receiver, a call delivered, one retried. Ctrl-C ends it.
	go run ./cmd/posthorn demo

run: ## Serve on LISTEN with the data in DATA, in development mode.
	go run ./cmd/posthorn serve --dev --data $(DATA) --listen $(LISTEN)

build: bin/posthorn ## Build bin/posthorn, stamped with the version and optimised by the profile of a benchmark.

# Go knows better than make what has changed. The profile saves about a twentieth of the processor time; it is of `make bench`'s load,
# taken with net/http/pprof, and only makes a binary slower to build and a little faster to run as the code moves away from it.
bin/posthorn: FORCE
	go build -trimpath -pgo=bench/engine.pgo -ldflags '-X main.version=$(VERSION)' -o $@ ./cmd/posthorn

# With the race detector every process lingers for a second at its end, in case another thread is still reporting; the tests start thousands.
test: export GORACE ?= atexit_sleep_ms=0
test: ## Run all tests, with the race detector where there is a C compiler.
	$(if $(RACE),,@echo 'no C compiler, or cgo is off: the tests run without the race detector')
	go test $(RACE) -timeout 20m ./...

test/short: ## Run the tests without the race detector and without the long ones.
	go test -short ./...

test/metamorphic: ## Run SEEDS random lists of commands in every setting: all leave the same rows (about 2 minutes).
	go test -run '^TestMetamorphic$$' -count 1 -timeout 30m ./engine -seeds $(SEEDS)

test/crash: build ## Kill the server KILLS times over CANDIDATES candidates, then over MESSAGES told in order, and hold what it tells against what was seen (about 3 minutes).
	go run ./bench crash --kills $(KILLS) --candidates $(CANDIDATES) $(BENCHARGS)
	go run ./bench crash --sequential 16 --kills $(KILLS) --candidates $(MESSAGES) $(BENCHARGS)

brokers: ## Install real Kafka and SQS (needs a JDK and Maven) and nats-server into BROKERS, where they are missing.
	internal/broker/install.sh kafka $(BROKERS)
	internal/broker/install.sh sqs $(BROKERS)
	internal/broker/install.sh nats $(BROKERS)

# These tests mostly wait: for a broker that was killed, for what an ended subscriber has not acknowledged. One after the other they take twice as long,
# and leave two thirds of two processors unused.
test/transports: brokers ## Run over real brokers what `make test` runs over stand-ins (about 5 minutes; also needs redis-server).
	$(MAKE) -j 2 transports/adapters transports/elsewhere

transports/adapters:
	POSTHORN_BROKERS=$(BROKERS) go test -count 1 -p 2 -timeout 15m ./internal/broker ./adapters/kafka ./adapters/sqs ./adapters/nats

transports/elsewhere:
	POSTHORN_BROKERS=$(BROKERS) go test -count 1 -timeout 15m -run '^TestScriptsOverTransports$$/^real' ./cmd/posthorn
	POSTHORN_BROKERS=$(BROKERS) go test -count 1 -timeout 5m -run '^TestOutside$$/^redis$$' .

test/fleet: build brokers ## Kill an engine, its dispatchers and their broker, over Kafka, NATS and SQS, and make the account (about 8 minutes).
	go run ./bench fleet --transport kafka --candidates 20000 --kills 12 --brokers $(BROKERS) $(BENCHARGS)
	go run ./bench fleet --transport nats --candidates 5000 --kills 12 --brokers $(BROKERS) $(BENCHARGS)
	go run ./bench fleet --transport sqs --candidates 5000 --kills 12 --brokers $(BROKERS) $(BENCHARGS)

lint: $(LINT) ## Check form and habits with the pinned golangci-lint.
	$(LINT) run ./...

fmt: $(LINT) ## Rewrite the sources in the form that lint asks for.
	$(LINT) fmt ./...

test/sabotage: ## Break each promise in its ways, and see its test fail (about 10 minutes).
	go test -run '^TestSabotages$$' -count 1 -timeout 60m -v . -sabotage

check: lint test test/metamorphic vuln ## Run all gates that a change must pass: lint, test, test/metamorphic, vuln.

# A count, for a time can end a target that found nothing with "context deadline exceeded" (go.dev/issue/75804).
fuzz: ## Run each fuzz target for FUZZTIME, a count like 20000x or a time.
	@list=$$(go test -list '^Fuzz' ./...) || { echo "$$list"; exit 1; }; echo "$$list" | \
	awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, names[i]; n = 0 }' | \
	while read -r pkg name; do \
		echo "fuzz $$pkg $$name for $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) "$$pkg" || exit 1; \
	done

# Only a database that cannot be reached is forgiven; a vulnerability found, or a scan that broke, is not.
vuln: $(VULN) ## Look for known vulnerabilities in what is called, if the database can be reached.
	@out=$$($(VULN) -db '$(VULNDB)' ./... 2>&1); code=$$?; \
	case "$$code $$out" in \
	'1 '*'fetching vulnerabilities'*) echo 'vuln: NOT CHECKED, the database $(VULNDB) cannot be reached; give a copy with VULNDB=file:///path' ;; \
	*) echo "$$out"; exit $$code ;; \
	esac

# What is measured and how to read it: docs/benchmarks.md, and `go run ./bench -h`. They end with 1 when a judgement fails.
bench: build ## Measure delivered/s against raw net/http, three interleaved runs (about 3 minutes).
	go run ./bench rate $(BENCHARGS)

bench/transports: build brokers ## Measure delivered/s over each transport beside Go channels in the same run (about 10 minutes).
	go run ./bench transports --brokers $(BROKERS) $(BENCHARGS)

bench/latency: build ## Judge accept and arrival at 100/s and 1,000/s, open loop (about 2 minutes).
	go run ./bench latency $(BENCHARGS)

bench/isolation: build ## Judge a healthy webhook beside hanging and dead ones (about 5 minutes).
	go run ./bench isolation $(BENCHARGS)

bench/idle: build ## Judge memory and processor time of an idle engine (about 90 seconds).
	go run ./bench idle $(BENCHARGS)

bench/backlog: build ## Judge a restart with 1,000,000 ready calls after as many that have come and gone (about 3 minutes, 2 GB).
	go run ./bench backlog $(BENCHARGS)

bench/webhooks: build ## Judge memory with 100,000 webhooks, each told one message (about 2 minutes).
	go run ./bench webhooks $(BENCHARGS)

bench/history: build ## Judge that accepts, calls and pages cost the same at 1,000,000 ended calls as at 100,000 (about 3 minutes, 1 GB; --most 10000000 takes 15 and 6 GB).
	go run ./bench history $(BENCHARGS)

bench/disk: ## Measure the bytes on the disk for an ended call (about 2 minutes, 1 GB).
	go run ./bench disk $(BENCHARGS)

bench/retention: build ## Judge the disk of an engine that forgets calls as fast as it gets them (about 12 minutes, 1 GB).
	go run ./bench retention $(BENCHARGS)

bench/fairness: build ## Judge a small company beside one that floods (about 3 minutes).
	go run ./bench fairness $(BENCHARGS)

bench/overload: build ## Judge refusals, memory and losses at 4 times the sustainable rate (about 2 minutes).
	go run ./bench overload $(BENCHARGS)

soak: ## Judge that nothing grows under a mixed load, faults and kills, for FOR.
	go run ./bench soak --for $(FOR) $(BENCHARGS)

clean: ## Remove what was built; the data of `make run` stays.
	rm -rf bin/posthorn bin/tools

$(LINT):
	$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_LINT))

$(VULN):
	$(call install,golang.org/x/vuln/cmd/govulncheck@v$(GOVULNCHECK))

# A tool is named with its version, so that a new pin is a new file. $(1) is the package to install as $@.
define install
	@mkdir -p $@.new
	GOBIN=$@.new go install $(1)
	@mv $@.new/* $@ && rmdir $@.new
endef
