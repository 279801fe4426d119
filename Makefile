# Everything a user or developer does with this tree, in one word each. `make` alone lists them.
# Needs make and Python 3.11+ with its venv module; `scripts/find-python` says so when missing.

PYTHON ?=
ARGS ?=
# The tests wait as much as they compute: more of them at a time than there are processors.
JOBS ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1)))
# One number reproduces a run: the order of the tests and every random example of a long run.
ifndef SEED
SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
PYTEST := $(BIN)/python -m pytest --randomly-seed=$(SEED)

export PYTHON
# Hundreds of processes of the tests would each compile the same modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
ifndef AT_ONCE # the checks of `make check` do not disturb one another
.NOTPARALLEL:
endif
.PHONY: help install run test test-fast test-integration test-long torture check bench bridge wheels clean \
	lint format types import-rules house-rules system-packages

help: ## list what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

install: $(VENV)/.installed ## prepare .venv with the product, and nothing more
	@echo "Stayer is installed in .venv: $(BIN)/stayer --help"

run: install ## boot a genuine Mesos, start Stayer and an example app; Ctrl-C stops all of it
	@exec $(BIN)/stayer local --demo $(ARGS)

test: system-packages test-fast test-integration ## set up what the tests need and run all of them

test-fast: $(VENV)/.installed-dev ## only the tests that start no Mesos and no ZooKeeper
	@echo "Running the fast tests (again in the same order: make test SEED=$(SEED))"
	@$(PYTEST) tests --ignore=tests/integration -m "not long" -n $(JOBS) $(ARGS)

test-integration: system-packages $(VENV)/.installed-dev ## only the tests on a real Mesos and ZooKeeper
	@echo "Running the integration tests (again in the same order: make test SEED=$(SEED))"
	@# They wait more than they compute: three at a time keep two processors busy.
	@$(PYTEST) tests/integration -m "not long" -n 3 --dist worksteal $(ARGS)

test-long: system-packages $(VENV)/.installed-dev ## the longer forms: many seeds, many examples
	@echo "Running the long tests (the same again: make test-long SEED=$(SEED))"
	@STAYER_SEED=$(SEED) $(PYTEST) tests -m long --timeout=3600 \
		--hypothesis-profile=long --hypothesis-seed=$(SEED) -n $(JOBS) $(ARGS)

torture: system-packages $(VENV)/.installed-dev ## kill and cut off everything, for STAYER_TORTURE_SECONDS (600)
	@echo "Torturing (the same faults again: make torture SEED=$(SEED))"
	@STAYER_TORTURE_SECONDS=$${STAYER_TORTURE_SECONDS:-600} \
		$(PYTEST) tests/integration/test_torture.py -m "not long" -s $(ARGS)

# The longest first: types take as long as all the others.
CHECKS := types house-rules lint format import-rules

check: $(VENV)/.installed-dev ## lint, format, types, import rules and house rules: all of them, then fail
	@$(MAKE) --no-print-directory --keep-going --jobs=2 AT_ONCE=yes $(CHECKS)

lint: $(VENV)/.installed-dev
	@scripts/quietly "ruff check" $(BIN)/ruff check .

format: $(VENV)/.installed-dev
	@scripts/quietly "ruff format" $(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	@scripts/quietly "mypy" $(BIN)/mypy

import-rules: $(VENV)/.installed-dev
	@scripts/quietly "import rules" $(BIN)/lint-imports

house-rules: $(VENV)/.installed-dev
	@scripts/quietly "house rules" $(BIN)/python -m pytest -q tests/tidy

bench: $(VENV)/.installed-dev ## measure: all goals (a quarter of an hour), or ARGS="NAME ..." one of tests/bench
	@echo "Measuring $(or $(ARGS),everything)"
	@$(BIN)/python -m tests.bench $(ARGS)

bridge: $(VENV)/.installed ## build dist/stayer-bridge_VERSION_all.deb, the haproxy bridge for edge nodes
	@echo "Building the package for edge nodes"
	@$(BIN)/python scripts/build_bridge.py $(ARGS)

wheels: $(VENV)/.installed ## gather dist/wheels, what machines without a package index install
	@echo "Gathering wheels in dist/wheels"
	@$(BIN)/python docker-images/build.py --wheels dist/wheels $(ARGS)

clean: ## remove .venv and everything that was built or cached in this tree
	@echo "Removing .venv, builds and caches"
	@rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .ruff_cache .pytest_cache \
		.import_linter_cache .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

system-packages:
	@scripts/system-packages

$(VENV)/.created:
	@python=$$(scripts/find-python) && echo "Creating .venv with $$python" && \
		"$$python" -m venv $(VENV) && touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.created
	@echo "Installing Stayer and what it needs into .venv"
	@$(PIP) install --editable '.[local]' && touch $@

$(VENV)/.installed-dev: pyproject.toml docker-images/http-parser/pyproject.toml | $(VENV)/.created
	@echo "Installing the tools of developers into .venv"
	@$(PIP) install ./docker-images/http-parser --editable '.[dev]' && \
		touch $(VENV)/.installed $@
