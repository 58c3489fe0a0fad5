# Every target works from a fresh clone by itself: it makes .venv first, from the lock files.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements/bootstrap.txt requirements/dev.txt
# Named after what is installed, so that another lock installs again. An installation that was interrupted starts over.
INSTALLED := $(VENV)/installed-$(shell cat $(LOCKS) pyproject.toml | cksum | cut -d' ' -f1)

# Compiled bytecode makes every process start seconds earlier.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test test-large check docs prove reference audit sbom bench-write bench-scale bench-download fuzz chaos format lock clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Make the virtual environment; every other target does so by itself.

demo: setup ## Set everything up, make one export for real and check it.
	@$(BIN)/analytics-exports demo

serve: setup ## Keep the whole service up on the demo data until Ctrl-C.
	@$(BIN)/analytics-exports serve --demo

test: setup ## Run the test suite: what runs side by side, then the journeys. ARGS='-k name' goes to pytest.
	@$(BIN)/python -m analytics_exports_tests $(ARGS)

test-large: setup ## Write ten million rows in every format under a memory limit; takes many minutes.
	EXPORTS_LARGE_TESTS=1 $(BIN)/pytest -n 0 analytics_exports_tests/integration/test_writers_memory.py

bench-write: setup ## Measure how files are written against COPY, Polars, pandas and csv.DictWriter. ARGS='--rows 1000000'
	$(BIN)/python benchmarks/write.py $(ARGS)

check: setup ## Lint, format, types, import contracts, conventions, generated documents, migrations.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -n 0 --quiet analytics_exports_tests/conventions
	$(BIN)/python -m analytics_exports.cli.reference --check
	$(BIN)/python -m analytics_exports_tests.scratch -- sh -c '$(BIN)/alembic upgrade head && $(BIN)/alembic check'

docs: reference ## Build the site of the documents in build/site.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo 'Open build/site/index.html'

prove: setup ## Try to see other people's rows. EXAMPLES=20000 SEED=1
	@$(BIN)/python -m analytics_exports_tests.isolation $(if $(EXAMPLES),--examples $(EXAMPLES)) $(if $(SEED),--seed $(SEED))

reference: setup ## Write the generated documents: errors, the OpenAPI document, the command line, settings.
	$(BIN)/python -m analytics_exports.cli.reference

audit: setup ## Ask the databases of known vulnerabilities about every locked package; fails when they cannot be asked.
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement requirements/dev.txt

sbom: setup ## Write sbom.json: what is installed, as CycloneDX.
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/sbom
	$(BIN)/uv pip sync --quiet --python build/sbom --require-hashes requirements/sbom.txt
	build/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json $(BIN)/python

bench-download: setup ## One download beside nginx, and how fast a status is while 200 slow clients download.
	$(BIN)/python -m benchmarks.downloads

chaos: setup ## Break every part of a running service at random, and check all exports. SEED=1 ROUNDS=20
	@$(BIN)/python -m analytics_exports_tests.chaos --seed $(or $(SEED),1) --rounds $(or $(ROUNDS),20)

fuzz: setup ## Try CASES=10000 requests by two users against the demonstration, right and wrong ones; SEED=1.
	$(BIN)/python -m analytics_exports_tests.fuzzing --cases $(or $(CASES),10000) --seed $(or $(SEED),1)

bench-scale: setup ## Measure what grows with the service. ROWS=1000,1000000 (up to 10000000)
	@$(BIN)/python -m benchmarks.queueing
	@$(BIN)/python -m benchmarks.scale $(if $(ROWS),--rows $(ROWS))

bench-launch: setup ## Measure the way from a request to a file. EXPORTS=40 BURST=1000 BACKFILL=200 NAIVE=5 PARTITIONS=100000 ROWS=1000000
	@$(BIN)/python -m benchmarks.launch $(foreach size,EXPORTS BURST BACKFILL NAIVE PARTITIONS ROWS,$(if $($(size)),\
	  --$(shell echo $(size) | tr A-Z a-z) $($(size))))

format: setup ## Format the code.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: setup ## Resolve the dependencies of pyproject.toml anew; UPGRADE=1 takes the newest.
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  $(if $(UPGRADE),--upgrade) --extra server --extra demo --extra objects --extra engines --extra celery --extra dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  -c requirements/dev.txt --extra server --extra objects --extra engines --extra celery pyproject.toml -o requirements/server.txt
	printf 'setuptools>=80\nuv\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate -c requirements/dev.txt - -o requirements/bootstrap.txt
# Apart: with its schema libraries installed, every start of dbt takes a second longer.
	echo 'cyclonedx-bom>=7' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate $(if $(UPGRADE),--upgrade) - -o requirements/sbom.txt

clean: ## Remove the state folder with its database, and what tools left behind.
	@if [ -L .state/postgres ]; then rm -rf "$$(readlink .state/postgres)"; fi
	rm -rf .state .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(INSTALLED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed; name one with PYTHON=...' >&2; exit 1; }
	@if [ -e $(VENV)/unfinished ] || ! $(BIN)/uv --version >/dev/null 2>&1; then \
	  echo 'Making $(VENV)'; $(PYTHON) -m venv --clear $(VENV) && $(BIN)/python -m pip --quiet \
	  --disable-pip-version-check install --require-hashes --requirement requirements/bootstrap.txt; fi
	@touch $(VENV)/unfinished
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode $(LOCKS)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/unfinished $(VENV)/installed-*
	@touch $@
