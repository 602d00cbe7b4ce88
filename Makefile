# What a newcomer runs; everything is installed into .venv and local/tools.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NPM_CONFIG_UPDATE_NOTIFIER := false

.PHONY: setup demo down test test-e2e bench cost lint

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

# Units, templates, and the workflow end to end on the deployed local stack.
test: lint
	$(BIN)/pytest -n 2 -q tests/unit tests/infra \
	  tests/e2e/test_workflow.py::test_one_message_changes_the_live_site \
	  tests/e2e/test_workflow.py::test_the_second_command_of_a_session_builds_on_the_first \
	  tests/e2e/test_workflow.py::test_nothing_to_change_is_an_answer_too

# From send to response against the same work by hand (N commands each way), container starts with and without a workspace
# that stays, and how soon an interrupt comes through. Some ten minutes; one of them: python -m local.bench --only starts
N ?= 7
bench: setup
	$(BIN)/python -m local.bench --count $(N)

# Counts the calls and seconds of a few messages and writes docs/cost.md. Some two minutes.
cost: setup
	$(BIN)/python -m local.cost

# All end-to-end tests: also interrupts, several sessions and sites, failures, killed containers. Some five minutes more.
test-e2e: setup
	$(BIN)/pytest -n 2 -v tests/e2e
