# What a newcomer runs; everything is installed into .venv and local/tools.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NPM_CONFIG_UPDATE_NOTIFIER := false

.PHONY: setup demo down test lint

setup: .venv/.done local/tools/node_modules/.done

.venv/.done: requirements.txt requirements-dev.txt container/requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

local/tools/node_modules/.done: local/tools/package-lock.json .venv/.done
	cd local/tools && npm ci --silent --no-audit --no-fund
	touch $@

demo: setup
	$(BIN)/python -m local.demo

down:
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m cli.main down; fi

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy app.py contracts stacks lambdas container/workspace local cli

test: lint
	$(BIN)/pytest -n 2 --dist loadfile -q
