# The verbs of this repository: `make help`. Each is a few lines; the logic is in Python.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON3 ?= python3
CACHE := $(or $(OCEANID_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/oceanid-cluster)
VENV := $(CACHE)/venv-$(shell cat requirements.txt requirements-dev.txt | sha256sum | cut -c1-16)
READY := $(VENV)/ready
PYTHON := $(VENV)/bin/python
SANDBOX := $(PYTHON) -m sandbox
WORKERS ?= $(shell $(PYTHON3) -c 'import os; print((os.cpu_count() or 1) + 3)')
export SANDBOX_DIR OCEANID_CACHE TOOLS CHARTS BASE STACK

.PHONY: help up gitops health graph preview outputs env kubectl pulumi down reset test test-full unit soak lint diff docs lock bench

help: ## this list
	@echo "Verbs:"
	@sed -n 's/[$$][$$]/$$/g; s/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | \
	  while IFS='|' read -r verb text; do printf '  %-9s %s\n' "$$verb" "$$text"; done
	@echo "Variables:"
	@echo "  SANDBOX_DIR     where this sandbox lives; another folder is a second sandbox   (.sandbox)"
	@echo "  OCEANID_CACHE   tools, virtual environment, charts                (~/.cache/oceanid-cluster)"
	@echo "  TOOLS           auto, download or build: how missing tools are obtained               (auto)"
	@echo "  CHARTS          auto, upstream or local: the Helm charts of Flux and the operator     (auto)"
	@echo "  NAME            which output: make outputs NAME=labelStudioHostname                    (all)"
	@echo "  BASE, STACK     what make diff compares with, and for which stack             (main, every one)"
	@echo "  ARGS            arguments of the verb: make kubectl ARGS='get pods -A', make test ARGS='-k name'"
	@echo "  WORKERS         how many test processes run side by side, each with its own sandbox  (cores + 3)"
	@echo "  KEEP            a sandbox that is there, which the engine tests take and leave running"
	@echo "  SOAK            how many broken runs and histories make soak draws                        (50)"
	@echo "  RUNS            how many turns make bench takes                                            (3)"
	@echo "  PYTHON3         the Python that makes the virtual environment                      (python3)"

# A killed run leaves no $(READY), and the next one begins again; of two at once, one waits for the other.
$(READY):
	@$(PYTHON3) -c 'import sys; sys.version_info >= (3, 11) or \
	  sys.exit(f"error: Python 3.11 or newer is needed, this is {sys.version.split()[0]}")'
	@mkdir -p "$(CACHE)"
	@exec 9>"$(VENV).lock" && flock 9 && if [ ! -e "$@" ]; then \
	  echo "making the virtual environment $(VENV) (once)" >&2 && $(PYTHON3) -m venv --clear "$(VENV)" && \
	  "$(PYTHON)" -m pip install --disable-pip-version-check --no-warn-script-location --require-hashes \
	    -r requirements.txt -r requirements-dev.txt >&2 && touch "$@"; fi

up: $(READY) ## get the missing tools, start the cluster, run the program on it
	@$(SANDBOX) up $(ARGS)

gitops: $(READY) ## up, and then Git drives it: a repository on this machine, and the real controllers of Flux
	@$(SANDBOX) gitops $(ARGS)

health: $(READY) ## is everything in the sandbox ready
	@$(SANDBOX) health $(ARGS)

graph: $(READY) ## a picture of the sandbox, as Mermaid text: make graph > cluster.mmd
	@$(SANDBOX) graph $(ARGS)

preview: $(READY) ## what an up would change
	@$(SANDBOX) preview $(ARGS)

outputs: $(READY) ## the stack's outputs, or one: NAME=
	@$(SANDBOX) outputs $(NAME)

env: $(READY) ## for eval "$$(make -s env)": plain pulumi, kubectl and helm on the sandbox
	@$(SANDBOX) env

kubectl: $(READY) ## kubectl on the sandbox: ARGS='get pods -A'
	@$(SANDBOX) kubectl $(ARGS)

pulumi: $(READY) ## pulumi on the sandbox: ARGS='stack'
	@$(SANDBOX) pulumi $(ARGS)

down: $(READY) ## stop what up started, and nothing else
	@$(SANDBOX) down

reset: $(READY) ## stop the sandbox and delete it
	@$(SANDBOX) reset

PYTEST := $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(READY) lint ## every promise, the real engine included (a quarter of an hour); ARGS='-k name' for some
	@$(SANDBOX) tools >/dev/null
	@$(PYTEST) $(ARGS)

test-full: $(READY) lint ## the same, and the long variants of tests/tiers.py (half an hour)
	@$(SANDBOX) tools >/dev/null
	@$(PYTEST) --full $(ARGS)

unit: $(READY) ## the quick tests, which need no cluster and no Go (about a minute)
	@$(PYTHON) -m pytest -n auto --ignore=tests/engine -m 'not slow' $(ARGS)

soak: $(READY) ## break an up at fifty random places, and fuzz with new cases (about three quarters of an hour)
	@$(SANDBOX) tools >/dev/null
	@SOAK=$${SOAK:-50} $(PYTHON) -m pytest --full tests/test_fuzz.py tests/engine/test_crash.py tests/engine/test_histories.py $(ARGS)

lint: $(READY) ## format, lint, types, workflows
	@$(PYTHON) -m ruff format --check --quiet . || { echo "reformat it: $(PYTHON) -m ruff format ." >&2; exit 1; }
	@$(PYTHON) -m ruff check --quiet .
	@$(VENV)/bin/basedpyright --pythonpath $(PYTHON)
	@"$$($(SANDBOX) tools actionlint)"
	@$(VENV)/bin/zizmor --offline --quiet --persona pedantic .github

diff: $(READY) ## what the commits since BASE change in the cluster: objects, fields, and what that means (main)
	@$(PYTHON) -m sandbox.diff

docs: $(READY) ## bring Pulumi.example.yaml up to date, which has every key
	@$(PYTHON) -m docs.keys

lock: $(READY) ## pin requirements*.in with hashes
	@for set in requirements requirements-dev requirements-go; do \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version=3.11 --generate-hashes --no-emit-index-url \
	    --output-file=$$set.txt $$set.in || exit 1; done

bench: $(READY) ## how long a run takes, beside kubectl and the predecessor: docs/performance.md (RUNS=3)
	@$(PYTHON) -m tests.bench
