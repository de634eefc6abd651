# Every target makes .venv ready first; when nothing changed that takes no time and no network.
#   make PYTHON=python3.12 test        use that interpreter
#   make JOBS=8 test                   as many tests side by side (2; each takes up to 5 GiB)
#   make XLA_FLAGS= test               programs optimised as users run them (twice the time)

SHELL := /bin/bash
BIN := .venv/bin
JOBS ?= 2
# Most of the time of the tests is XLA's compiler, and what it makes is run once: without its optimiser they take half.
XLA_FLAGS ?= --xla_backend_optimization_level=0
# A test that hangs ends its worker, and a worker that died ends the run: pytest-xdist 3.8 replaces it, and then waits for
# ever for tests that nobody runs.
DEAD_WORKERS := -o faulthandler_exit_on_timeout=true --max-worker-restart=0
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup demo run lint test bench constraints clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## the environment in .venv with all that mdweights needs
	@packaging/setup.sh

demo: setup ## the built-in example: in the window, or without one where there is no display
	$(BIN)/mdweights demo --out demo-output

run: setup ## the window
	$(BIN)/mdweights

lint: setup ## style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## lint, then all tests
	XLA_FLAGS="$(XLA_FLAGS)" $(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile $(DEAD_WORKERS)

bench: setup ## times and memory of the parts that take long
	$(BIN)/python -m pytest -o faulthandler_timeout=0 tests/benchmarks

constraints: ## new versions of all dependencies, for every supported Python, in packaging/constraints.txt
	rm -rf build/uv
	$(or $(PYTHON),python3) -m venv build/uv
	build/uv/bin/python -m pip install --quiet uv
	build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy requires-python --upgrade \
		--extra dev pyproject.toml -o packaging/constraints.txt
	rm -rf build/uv

clean: ## remove all that these targets made
	rm -rf .venv build dist demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find mdweights_core app resources tests -name __pycache__ -type d -exec rm -rf {} +
