# Needs make and Python 3.10 or newer, nothing else. Environments are made under .venvs/.
#
# `make help` lists each target that has a `##` comment, below the last `##@ group` above it. A line of the list fits
# 80 columns where that comment has at most 61 characters.
PYTHON ?= python3
export ARGS ?=
SEEDS ?= 0+1000
SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help python demo test test-all test-scylla test-cassandra test-rust test-acsylla test-together test-fast test-versions test-servers reliability simulate fuzz accel differential example compatibility recipes bench bench-quick lint types docs release-check lock clean

##@ Start

help: ## list the targets
	@echo 'make TARGET [PYTHON=python3.12] [ARGS="-k paging"]   ARGS: options for pytest'
	@awk -F ':.*## ' '/^##@ / { print "\n" substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: python ## write and read all Unicode characters on a local Cassandra
	@$(PYTHON) scripts/project.py demo

test: python ## lint, types, docs, tests with both backends: 7 to 10 minutes
	@$(PYTHON) scripts/project.py test

##@ Test

test-all: python ## `make test`, then what takes longer: an hour in all
	@$(PYTHON) scripts/project.py test-all

test-scylla: python ## all tests with scylla-driver
	@$(PYTHON) scripts/project.py test-scylla --pytest="$$ARGS"

test-cassandra: python ## all tests with cassandra-driver
	@$(PYTHON) scripts/project.py test-cassandra --pytest="$$ARGS"

test-rust: python ## types, tests and conformance kit of coodie-rust
	@$(PYTHON) scripts/project.py test-rust --pytest="$$ARGS"

test-acsylla: python ## types, tests and conformance kit of coodie-acsylla
	@$(PYTHON) scripts/project.py test-acsylla --pytest="$$ARGS"

test-together: python ## the demo with all backends in one environment
	@$(PYTHON) scripts/project.py test-together --pytest="$$ARGS"

test-fast: python ## tests that need no server, with both backends
	@$(PYTHON) scripts/project.py test-fast

test-versions: python ## the tests with other interpreters on PATH
	@$(PYTHON) scripts/project.py test-versions --pytest="$$ARGS"

test-servers: python ## integration and kit with other versions of Cassandra
	@$(PYTHON) scripts/project.py test-servers --pytest="$$ARGS"

reliability: python ## tests of faults and killed nodes; writes their results
	@$(PYTHON) scripts/project.py reliability --pytest="$$ARGS"

simulate: python ## a simulated cluster by seed: SEEDS=17, SEEDS=0+5000
	@$(PYTHON) scripts/project.py simulate --pytest="$(SEEDS) $$ARGS"

fuzz: python ## bytes that servers never send: SECONDS=600 ARGS=rows
	@$(PYTHON) scripts/project.py fuzz --pytest="$(SECONDS) $$ARGS"

accel: python ## build the C accelerator and run its tests
	@$(PYTHON) scripts/project.py accel --pytest="$$ARGS"

differential: python ## all ways to send requests, compared; COODIE_SEEDS=0-999
	@$(PYTHON) scripts/project.py differential --pytest="$$ARGS"

example: python ## types and tests of the example packages
	@$(PYTHON) scripts/project.py example --pytest="$$ARGS"

compatibility: python ## packages and an object mapper that others made
	@$(PYTHON) scripts/project.py compatibility --pytest="$$ARGS"

recipes: python ## recipes with FastAPI, Flask, Django, gunicorn, Celery, Dask
	@$(PYTHON) scripts/project.py recipes --pytest="$$ARGS"

##@ Write code

lint: python ## ruff check and ruff format --check
	@$(PYTHON) scripts/project.py lint

types: python ## mypy --strict and pyright
	@$(PYTHON) scripts/project.py types

docs: python ## build the documentation and serve it until Ctrl-C
	@$(PYTHON) scripts/project.py docs

clean: python ## remove environments, caches and build results
	@$(PYTHON) scripts/project.py clean

##@ Measure

bench: python ## all benchmarks; ARGS="--workloads … --rounds …", ARGS=--help
	@$(PYTHON) scripts/project.py bench --pytest="$$ARGS"

bench-quick: python ## the most important benchmarks, in a few minutes
	@$(PYTHON) scripts/project.py bench-quick --pytest="$$ARGS"

##@ Release

release-check: python ## build wheels and sdists, install them, run the demo
	@$(PYTHON) scripts/project.py release-check

lock: python ## choose new versions and pin them in requirements/
	@$(PYTHON) scripts/project.py lock

python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo 'make: "$(PYTHON)" is missing. Install Python 3.10 or newer, or name one: make PYTHON=/path/to/python3 …' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "make: Python 3.10 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo 'Install a newer one, or name one that is there: make PYTHON=python3.12 …' >&2; exit 1; }
