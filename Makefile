# Two commands do everything on a fresh machine: `make demo` and `make test`.
# They need make and Python >= 3.11; what else is missing they install, or say what to install.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

BIN := .venv/bin
ARGS ?=

# pip is enough; uv, where it is on the PATH, does the same in a tenth of the time.
INSTALL = $(if $(shell command -v uv),uv pip install -q --python $(BIN)/python,$(BIN)/python -m pip install -q --disable-pip-version-check)

.PHONY: help
help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Where Docker will have to lend the RabbitMQ, the demo needs a package of the tests for it.
.PHONY: demo
demo:  ## a private RabbitMQ, a local HubSpot and the real service, live, from nothing
	@if [ -n "$${ORDERSYNC_RABBITMQ__URL:-}" ] || PATH="$$PATH:/usr/sbin" command -v rabbitmq-server >/dev/null \
	  || ! docker info >/dev/null 2>&1; then needs=run; else needs=dev; fi; \
	$(MAKE) --silent --no-print-directory .venv/.$$needs
	@$(BIN)/ordersync demo $(ARGS)

# Most of a test run is waiting: two workers, each with a RabbitMQ of its own, halve it. WORKERS=0 runs in one process.
WORKERS ?= 2
# WIRE_SEEDS=2000 runs the whole service over that many wires that stall, end, alarm and reorder (30 else).
.PHONY: test
test: .venv/.dev  ## the whole test suite, on a real RabbitMQ (ARGS="-k words" to choose)
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

# FAULT_SECONDS (a broker), FAULT_SEEDS, FAULT_BROKERS, FAULT_NAMES, FAULT_EVENTS, FAULT_GATEWAY: tests/faults/matrix.py.
.PHONY: test-faults
test-faults: .venv/.dev  ## everything that may break, broken: a table of what was lost (nothing)
	@$(BIN)/python -m tests.faults.matrix

# LOAD_SECONDS (600), LOAD_EVERY (30), LOAD_IN_FLIGHT (4000), LOAD_BROKER: tests/load/__main__.py.
.PHONY: test-load
test-load: .venv/.dev  ## real traffic at full speed for ten minutes: what grows (nothing), and the books
	@$(BIN)/python -m tests.load

.PHONY: test-dead-letters
test-dead-letters: .venv/.dev  ## dead letters in full: 50,000 to sieve, 1,000 to replay, every RabbitMQ at hand
	@DEAD_LETTERS=50000 REPLAYS=1000 $(BIN)/pytest tests/dead_letters --timeout 600 $(ARGS)

# LONG_LETTERS (200000), ARGS="-k 4.3" for one RabbitMQ; half an hour each.
.PHONY: test-long-replays
test-long-replays: .venv/.dev  ## a filtered replay of 200,000 dead letters beyond consumer_timeout, killed three times
	@LONG_LETTERS=$${LONG_LETTERS:-200000} $(BIN)/pytest tests/dead_letters/test_long_replays.py -s --timeout 3600 $(ARGS)

# RECONCILE_ORDERS (100000), RECONCILE_DAMAGED (500).
.PHONY: test-reconcile
test-reconcile: .venv/.dev  ## 100,000 orders against a file, 500 of them damaged in seven ways: found, mended, none false
	@RECONCILE_ORDERS=$${RECONCILE_ORDERS:-100000} RECONCILE_DAMAGED=$${RECONCILE_DAMAGED:-500} \
	  $(BIN)/pytest tests/reconcile -k damaged -s --show-capture=no $(ARGS)

.PHONY: test-fast
test-fast: .venv/.dev  ## the tests that need no broker
	@$(BIN)/pytest -m "not broker" $(ARGS)

.PHONY: test-seeds
test-seeds: .venv/.dev  ## the core's laws over 2,000 seeds of traffic, deaths, takeovers, crashes and outages (SEEDS=n)
	@CORE_SEEDS=$(or $(SEEDS),2000) $(BIN)/pytest tests/core/test_whole_core.py --timeout 900 $(ARGS)

.PHONY: bench
bench: .venv/.dev  ## measure speed, memory, latency, backfill, start, isolation and complete orders (ARGS=graph for one)
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: schemas
schemas: .venv/.dev  ## write schemas/, .env.example and the generated pages anew from the models
	@$(BIN)/python -m service.contract.reference
	@$(BIN)/python -m tests.core.hubspot_table

.PHONY: sessions
sessions: .venv/.dev  ## play the sessions that the pages show, and write what came
	@$(BIN)/python -m tests.sessions $(ARGS)

.PHONY: lint
lint: .venv/.dev  ## style, types, who may import whom, the Dockerfile
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile

.PHONY: format
format: .venv/.dev  ## mend what ruff can mend
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

# The locks name exact files by hash and no host, so that any index that has them will do.
LOCK := uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header

.PHONY: lock
lock:  ## write the locks anew from pyproject.toml (needs uv; ARGS=--upgrade for newer versions)
	$(LOCK) $(ARGS) pyproject.toml -o requirements.txt
	$(LOCK) $(ARGS) pyproject.toml --extra otel -c requirements.txt -o requirements-otel.txt
	$(LOCK) $(ARGS) pyproject.toml --group dev --all-extras -c requirements.txt -o requirements-dev.txt
	$(LOCK) $(ARGS) --group build -c requirements-dev.txt -o requirements-build.txt

IMAGE ?= ordersync

.PHONY: image
image:  ## build the image (IMAGE=name:tag; ARGS="--build-arg REQUIREMENTS=requirements-otel.txt" with traces)
	@tools/image $(IMAGE) $(ARGS)

.PHONY: test-image
test-image: .venv/.dev  ## build and run the image, confined, against a RabbitMQ container
	@if docker info >/dev/null 2>&1; then tools/image $(IMAGE) --quiet; fi
	@IMAGE=$(IMAGE) $(BIN)/pytest tests/image $(ARGS)

.PHONY: test-deploy
test-deploy: .venv/.dev  ## what kustomize renders, the alerts, the definitions on a real RabbitMQ
	@$(BIN)/pytest tests/deploy $(ARGS)

.PHONY: venv
venv: .venv/.dev  ## the Python environment for development

.PHONY: clean
clean:  ## remove the environment and everything generated
	rm -rf .venv dist .coverage coverage.xml
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find service tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. `.venv/.run` has what the service needs, `.venv/.dev` all of that and the tools;
# both are stamps, made again when a lock or the project's own metadata changed.

.venv/bin/python:
	@tools/venv .venv

.venv/.run: requirements.txt requirements-build.txt pyproject.toml | .venv/bin/python
	@echo "installing what the service needs"
	@$(INSTALL) --require-hashes -r requirements.txt -r requirements-build.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements-dev.txt pyproject.toml | .venv/bin/python
	@echo "installing what the tests and tools need"
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ .venv/.run
