# Needs make and Python 3.10 or newer, nothing else. Environments are made under .venvs/.
PYTHON ?= python3
export ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help python demo test test-scylla test-cassandra test-fast reliability plugins accel example recipes bench bench-quick lint types docs release-check lock clean

help: ## show this
	@echo 'make TARGET [PYTHON=python3.12] [ARGS="-k paging"]'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r target text; do \
		printf '%-16s %s\n' "  $$target" "$$text"; done

demo: python ## run the demo on a local Cassandra, or on the server that COODIE_HOSTS names
	@$(PYTHON) scripts/project.py demo

test: python ## lint, types, all tests on a real Cassandra with both backends, docs
	@$(PYTHON) scripts/project.py test

test-scylla: python ## all tests with scylla-driver; ARGS go to pytest
	@$(PYTHON) scripts/project.py test-scylla --pytest="$$ARGS"

test-cassandra: python ## all tests with cassandra-driver; ARGS go to pytest
	@$(PYTHON) scripts/project.py test-cassandra --pytest="$$ARGS"

test-fast: python ## the tests that need no server, with both backends
	@$(PYTHON) scripts/project.py test-fast

reliability: python ## all tests of what happens when things break, with both backends, and their table; ARGS go to pytest
	@$(PYTHON) scripts/project.py reliability --pytest="$$ARGS"

plugins: python ## the long tests with packages built, installed and broken, with both backends, and the example; ARGS go to pytest
	@$(PYTHON) scripts/project.py plugins --pytest="$$ARGS"

accel: python ## build the optional accelerator, which takes a C compiler, and run its tests with both backends; ARGS go to pytest
	@$(PYTHON) scripts/project.py accel --pytest="$$ARGS"

example: python ## the example of a third party's backend: types, the conformance kit; ARGS go to pytest
	@$(PYTHON) scripts/project.py example --pytest="$$ARGS"

recipes: python ## the recipes with FastAPI, Flask, Django, gunicorn and Celery; ARGS go to pytest
	@$(PYTHON) scripts/project.py recipes --pytest="$$ARGS"

bench: python ## all benchmarks, against a stub server that C makes; ARGS="--contestants … --workloads … --rounds …", --help
	@$(PYTHON) scripts/project.py bench --pytest="$$ARGS"

bench-quick: python ## the benchmarks that matter most, in some minutes; ARGS as for bench
	@$(PYTHON) scripts/project.py bench-quick --pytest="$$ARGS"

lint: python ## ruff check, ruff format --check
	@$(PYTHON) scripts/project.py lint

types: python ## mypy --strict with each backend installed
	@$(PYTHON) scripts/project.py types

docs: python ## build the documentation, and serve it on this machine until Ctrl-C
	@$(PYTHON) scripts/project.py docs

release-check: python ## build wheels and sdists, install them into clean environments, run the demo from there
	@$(PYTHON) scripts/project.py release-check

lock: python ## choose new versions and pin them in requirements/
	@$(PYTHON) scripts/project.py lock

clean: python ## remove environments, caches and what was built
	@$(PYTHON) scripts/project.py clean

python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo 'make: "$(PYTHON)" is missing. Install Python 3.10 or newer, or name one: make PYTHON=/path/to/python3 …' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "make: Python 3.10 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo 'Install a newer one, or name one that is there: make PYTHON=python3.12 …' >&2; exit 1; }
