# `make tune` and `make test` set up everything they need in .venv; a second run finds it there.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
BENCH_VENV := .venv-bench
READY_BENCH := $(BENCH_VENV)/.ready
STUDY ?= mlpf
TEST_WORKERS ?= 2

.PHONY: tune test test-slurm lint bench bench-env clean

tune: $(READY)
	$(BIN)/raise-hpo tune $(STUDY) $(ARGS)

test: $(READY_DEV)
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --no-loadscope-reorder $(ARGS)

# Also the long drills on a real Slurm of three nodes, which needs root, and Debian's packages or leave to install them.
test-slurm: $(READY_DEV)
	$(BIN)/python -m pytest tests/slurm --slurm-drills $(ARGS)

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY_DEV)
	$(BIN)/python benchmarks/turnaround.py

# The other packages that benchmarks/search.py races against, in an environment of their own.
bench-env: $(READY_BENCH)

clean:
	rm -rf $(VENV) $(BENCH_VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# torch goes first and alone: asked for by its exact version, a local CPU build serves where there is one.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

$(READY_DEV): $(READY)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,export,generate]'
	touch $@

$(READY_BENCH): benchmarks/requirements-peers.txt constraints.txt
	test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BENCH_VENV)/bin/pip install --quiet -c constraints.txt -r benchmarks/requirements-peers.txt
	$(BENCH_VENV)/bin/pip install --quiet --no-deps DEHB==0.1.2
	$(BENCH_VENV)/bin/pip install --quiet --no-deps -e .
	touch $@
