# `make tune` and `make test` set up everything they need in .venv; a second run finds it there.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
STUDY ?= mlpf

.PHONY: tune test lint bench clean

tune: $(READY)
	$(BIN)/raise-hpo tune $(STUDY) $(ARGS)

test: $(READY_DEV)
	$(BIN)/python -m pytest $(ARGS)

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY_DEV)
	$(BIN)/python benchmarks/turnaround.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# torch goes first and alone: asked for by its exact version, a local CPU build serves where there is one.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

$(READY_DEV): $(READY)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,generate]'
	touch $@
