# The commands of this repository. `make` alone prints them and changes nothing.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check -qq
INSTALL := $(PIP) install --constraint constraints.txt
WORKERS ?= 2

# The first of these that runs, is 3.12 or newer and can make environments. Where a version manager
# reads .python-version, `python3.13` and `python3` are the version named there.
PYTHONS ?= python3.13 python3 python3.12 python3.14
SUITS   := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))

.PHONY: help env demo app assets browser test lint types layers docs check bench wheel clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(VENV)/.for-development  ## build .venv with everything needed to run, test and document

demo: $(VENV)/.for-running  ## build .venv with what a run needs, and run the demonstration
	$(BIN)/offtake demo

app: $(VENV)/.for-development assets  ## open the interactive page
	$(BIN)/offtake app

assets: $(VENV)/.for-development  ## bring the page's front-end files with the npm client, once
	$(BIN)/python scripts/assets.py

browser:  ## install the browser that the page's tests drive, where apt-get may
	@if command -v chromium chromium-browser google-chrome > /dev/null; then echo "a browser is there"; \
	else apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends chromium > /dev/null; fi

test: $(VENV)/.for-development  ## run the tests
	HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-ci} $(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.for-development  ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.for-development  ## check types
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

layers: $(VENV)/.for-development  ## check that imports point downwards
	$(BIN)/lint-imports

docs: $(VENV)/.for-development  ## build the manual into site/, generated reference included
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "the manual is site/index.html"

check: lint types layers test docs  ## everything that must pass before a change lands

bench: $(VENV)/.for-development  ## run the benchmarks; the manual shows what they leave in benchmarks/measured
	for script in benchmarks/[!_]*.py; do $(MAKE) --no-print-directory "bench-$$(basename "$$script" .py)"; done

bench-%: $(VENV)/.for-development  # run one of them
	$(BIN)/python benchmarks/$*.py $(ARGS) | tee benchmarks/measured/$*.part
	mv benchmarks/measured/$*.part benchmarks/measured/$*.jsonl

wheel: $(VENV)/.for-running assets  ## build the wheel into dist/, with the page's front-end files
	rm -rf build dist
	$(PIP) wheel --no-deps --wheel-dir dist .
	@ls dist

clean:  ## remove what these commands made, and .venv
	rm -rf $(VENV) build dist site .browser offtake/app/assets .pytest_cache .hypothesis .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in $(PYTHONS); do \
	  if "$$python" -c '$(SUITS)' > /dev/null 2>&1; then \
	    echo "creating $(VENV) with $$("$$python" --version) ($$python)"; \
	    exec "$$python" -m venv $(VENV); \
	  fi; \
	done; \
	echo "offtake needs Python 3.12 or newer with venv and ensurepip; none of these is: $(PYTHONS)" >&2; \
	echo "install one, or name it: make env PYTHONS=/path/to/python3" >&2; \
	exit 1

$(VENV)/.for-running: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing offtake into $(VENV)"
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.for-development: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing offtake with its tests, checks and manual into $(VENV)"
	$(INSTALL) --editable '.[test,lint,docs,app]'
	@touch $@ $(VENV)/.for-running
