# Every command sets up what it needs. `make demo` and `make test` are the two to know.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Most of a test's time on real servers is waiting: more processes than cores.
PROCESSES ?= 4
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
SEED ?= 1
MINUTES ?= 10
ALL ?=
FAULTS ?=
RQ ?= on
FAILED ?=
MODELS ?=

.PHONY: help demo lint check test audit storm bench evaluate models fix lock clean

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	@echo "==> Python packages into $(VENV) (about 90 s the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 12) else "Streamscout needs Python 3.11: set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --progress-bar on -r requirements.lock | { grep -E '^(Collecting|Installing|Successfully)' || true; }
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m pip check
	@touch $@

demo: $(STAMP) ## Start everything and watch posts become a searchable creator index (ARGS=--once ends and cleans up)
	@$(BIN)/streamscout demo $(ARGS)

lint: $(STAMP) ## Format, lint, types, import rules
	@echo "==> format, lint, types, imports"
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint ## The fast tests: lint, then unit and contract tests
	@echo "==> unit and contract tests"
	@$(BIN)/python -m pytest tests/unit tests/contract -m "not real" -q -n 2

test: lint ## All tests, the real servers included
	@echo "==> all tests, on real Kafka, Schema Registry, Triton and Weaviate"
	@$(BIN)/python -m pytest -n $(PROCESSES) --durations=10 $(ARGS)

audit: $(STAMP) ## Known vulnerabilities of the locked versions (asks the package index's advisories; needs the network)
	@test -x $(VENV)/audit/bin/pip-audit || ($(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/python -m pip install --disable-pip-version-check --quiet pip-audit)
	@$(VENV)/audit/bin/pip-audit --requirement requirements.lock --disable-pip

storm: $(STAMP) ## Kill, freeze and lose things while events come in; compare with the oracle (SEED=1 MINUTES=10, ALL=1, FAILED=1, RQ=off, FAULTS=1)
	@$(BIN)/python -m $(if $(FAULTS),tests.storm.planted --seed $(SEED),tests.storm --seed $(SEED) --minutes $(MINUTES) $(if $(ALL),--all) $(if $(FAILED),--failed) $(if $(filter off,$(RQ)),--quantizer none))

bench: $(VENV)/.models ## How fast and how fresh, against what this machine can do: reports/bench.json and .html (ARGS="--only ROW"; about 22 minutes on 2 quiet cores)
	@$(BIN)/python -m tests.bench $(ARGS)

# One thread for each process of the simulation: two at once would wait for each other's.
evaluate: $(STAMP) ## How well creators are matched, against baselines and the truth: reports/evaluate.json and a page (ARGS=--keep, "--only ROW", --quick)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.evaluate $(ARGS)

models: $(VENV)/.models ## Build and check five architectures and SigLIP with random weights (MODELS="RN50 …")
	@$(BIN)/python -m tests.models $(MODELS)

$(VENV)/.models: $(STAMP)
	@echo "==> torch, open_clip and OpenVINO into $(VENV) (5.5 GB)"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-build-isolation -e '.[models]'
	@$(BIN)/python -m pip check
	@touch $@

fix: $(STAMP) ## Format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/python -m workers.domain.avro_schema

lock: ## Resolve requirements.lock anew (needs uv)
	@uv pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url --python-version 3.11 -o requirements.lock

clean: ## Remove what is built here (not the servers' cache)
	@rm -rf $(VENV) build reports .mypy_cache .ruff_cache .pytest_cache .hypothesis
