# What people and CI run. Everything stays in this checkout: .venv/ (editable), .wheel-venv/ (the built wheel), build/ and dist/.
# Packages come from the lock files in requirements/, by hash, through pip as you have set it up.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:

# Python may keep what it has compiled: it is in this checkout too, and else each command and each test worker would compile it again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
ARGS ?=
TESTS ?=
WORKERS ?= 4  # on two processors: many tests wait for a server

DEV := .venv/bin
WHEEL := .wheel-venv/bin
BUILD := build/venv/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-input
# --no-deps: the lock is whole, and pip would look for the newest of what another package asks for with extras.
LOCKED := $(PIP_INSTALL) --no-deps --require-hashes --only-binary :all: -r
SOURCES := $(shell find rotator plugins -type f ! -name '*.pyc') pyproject.toml README.md CHANGELOG.md LICENSE

# All tests are measured, a selection is not. What must be whole stands in pyproject.toml, under tool.coverage.
ALL = -m "not soak and not proof" --cov --cov-report=
SELECTED = $(if $(findstring /,$(TESTS)),$(TESTS),$(if $(strip $(TESTS)),-k "$(TESTS)",$(ALL)))
PYTEST = PYTHONSAFEPATH=1 TEST_AGAINST=wheel $(WHEEL)/pytest -n $(WORKERS)

.PHONY: help setup demo test proofs kill teeth lint format bench docs package soak lock image clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.stamp  ## make .venv: rotator in place, and every tool

demo: .venv/.stamp  ## rotate real local systems before your eyes
	$(DEV)/python -m rotator.testing.demo $(ARGS)

kill: .venv/.stamp  ## kill runs at every step, look whether each heals
	$(DEV)/python -m rotator.testing.kill $(ARGS)

teeth: .venv/.stamp  ## plant mistakes in a copy of the source, look whether each is seen
	$(DEV)/python -m tests.teeth $(ARGS)

bench: .venv/.stamp  ## measure
	$(DEV)/python -m rotator.testing.bench $(ARGS)

soak: .venv/.stamp  ## the long proofs: random histories, every kill, the slow tests; writes RELIABILITY.md, goes on where it ended
	$(DEV)/python -m rotator.testing.soak $(ARGS)

test: .wheel-venv/.stamp  ## test the built wheel; TESTS=tests/engine or TESTS=words of a name: only these
	rm -f .coverage .coverage.*
	$(PYTEST) $(SELECTED) $(ARGS)
ifeq ($(strip $(TESTS)),)
	@echo 'Coverage of what must be whole, every branch:'
	@$(WHEEL)/coverage report --fail-under=100
endif

proofs: .wheel-venv/.stamp  ## the built wheel as a whole: leaks, dry-runs, kills, broken disks, CI jobs, the docs followed word by word
	$(PYTEST) -m "proof and not soak" $(ARGS)

lint: .venv/.stamp  ## ruff, mypy, import-linter
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/mypy
	$(DEV)/lint-imports

format: .venv/.stamp  ## let ruff mend what it can
	$(DEV)/ruff check --fix .
	$(DEV)/ruff format .

docs: .venv/.stamp  ## the docs say what the code does
	$(DEV)/pytest tests/docs $(ARGS)

package:  ## sdist and wheel in dist/, and whether all is in them
	rm -f dist/.stamp
	$(MAKE) --no-print-directory dist/.stamp
	$(BUILD)/python scripts/check_package.py dist

lock: build/lock/.stamp  ## resolve requirements/*.txt anew; UPGRADE=1: to the newest versions
	scripts/lock.sh $(if $(UPGRADE),--upgrade)

image:  ## build the container image (as root; see deploy/build-image.sh)
	deploy/build-image.sh

clean:  ## remove all that make made
	rm -rf .venv .wheel-venv build dist .coverage .coverage.* .mypy_cache .ruff_cache .import_linter_cache

# ---- environments, made once and again when what they are made of has changed

.venv/bin/python .wheel-venv/bin/python build/venv/bin/python build/lock/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "rotator needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(patsubst %/bin/python,%,$@)

.venv/.stamp: requirements/dev.txt pyproject.toml | .venv/bin/python
	$(DEV)/python $(LOCKED) requirements/dev.txt
	$(DEV)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

build/venv/.stamp: requirements/build.txt | build/venv/bin/python
	$(BUILD)/python $(LOCKED) requirements/build.txt
	touch $@

build/lock/.stamp: | build/lock/bin/python
	build/lock/bin/python $(PIP_INSTALL) 'uv>=0.9'
	touch $@

# `python -m build` makes the wheel from the sdist, so a file that is missing there is missing in what is tested.
dist/.stamp: $(SOURCES) build/venv/.stamp
	rm -rf dist
	$(BUILD)/python -m build --no-isolation --outdir dist . > build/build.log || { cat build/build.log; exit 1; }
	touch $@

# --no-index: the lock must hold all that wheel[test] asks for.
.wheel-venv/.stamp: requirements/test.txt dist/.stamp | .wheel-venv/bin/python
	$(WHEEL)/python $(LOCKED) requirements/test.txt
	$(WHEEL)/python $(PIP_INSTALL) --no-index --no-deps --force-reinstall dist/*.whl
	$(WHEEL)/python $(PIP_INSTALL) --no-index "$$(ls dist/*.whl)[test]"
	touch $@
