# Every command of the kit.  `make` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Options to pass on, for example: make test PYTEST='tests/server -x', make lab LAB=--no-browser,
# make kernel KERNEL=--remove
PYTEST ?=
LAB ?=
KERNEL ?=
NEWEST ?= newest
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help install tutorial check test test-all timings lab kernel serve notebooks site bench lock newest

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

install: $(INSTALLED) ## build .venv with the packages of requirements.lock

tutorial: $(INSTALLED) ## run notebooks 00 to 05 at smoke scale and print what came out
	@$(BIN)/workshop run -p project=sweep-workshop

check: $(INSTALLED) ## check style, spelling, types, and what is generated, in a minute
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/codespell
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/pytest --quiet --no-header --durations=0 --durations-min=5 tests/repository

test: $(INSTALLED) ## run the tests, several at a time
	@$(BIN)/pytest -n auto $(PYTEST)

test-all: $(INSTALLED) ## run the slow tests as well: hub, Open OnDemand, long stories, campaigns
	@$(BIN)/python -m slipcover -m pytest -n auto --runslow $(PYTEST)

timings: $(INSTALLED) ## run all tests and write down where the time goes
	@$(BIN)/pytest -n auto --runslow --timings $(PYTEST)

lab: $(INSTALLED) ## open the notebooks in JupyterLab, with the local W&B server running
	@$(BIN)/workshop lab $(LAB)

kernel: $(INSTALLED) ## register the kit as a kernel of a JupyterLab that is already there
	@$(BIN)/workshop kernel $(KERNEL)

serve: $(INSTALLED) ## run the local W&B server until Ctrl-C, to look at its pages
	@$(BIN)/workshop server

notebooks: $(INSTALLED) ## execute the notebooks and store their outputs in them
	@$(BIN)/workshop notebooks

site: $(INSTALLED) ## build the site of documents and notebooks in site/html/
	@$(BIN)/python -m sphinx --quiet --fail-on-warning -c docs/site -d site/doctrees . site/html
	@echo "Open site/html/index.html in a browser"

bench: $(INSTALLED) ## measure the local server, beside its peers
	@$(BIN)/python -m benchmarks.server $(BENCH)

lock: $(BIN)/uv ## write requirements.lock and environment.yml anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --extra hub --group dev --universal --python-version 3.11 \
	    --generate-hashes --upgrade --quiet --custom-compile-command 'make lock' -o requirements.lock
	@$(BIN)/python -m maintenance.conda_environment

newest: ## try a copy with the newest release of every dependency, and write a report
	@$(PYTHON) -m maintenance.newest $(NEWEST)

$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/uv
	@echo "Installing the packages of requirements.lock into $(VENV) (7 GB, so this takes a few minutes)"
	@# Compiled once here; else each process would do it anew where it may not write, for seconds.
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes \
	    -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q workshop sweepserver
	@touch $@

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "error: $(PYTHON) is older than Python 3.11; name a newer one, as in: make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
