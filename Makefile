# One entry for every habit; CI calls the same names. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCRIPTS := .ci/run examples/host/install.sh examples/host/uninstall.sh tests/host/init.sh
RELEASE = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup up down status test faults fuzz bench chart chart-files images kind kind-down node node-down lint format api-docs unit lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A stamp a requirement file: the environment is made once and again only when its lock file changes.
$(VENV)/.local: requirements/local.txt requirements/build.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'deplite needs Python 3.11 or newer: install it, or name it with "make PYTHON=python3.12 …".' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo 'Python has no venv module: install it (Debian: apt-get install python3-venv).' >&2; exit 1; }
	@test -x $(BIN)/python || { echo 'Making the virtual environment …'; $(PYTHON) -m venv $(VENV); }
	@echo 'Installing the pinned packages …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/local.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.local requirements/dev.txt
	@echo 'Installing the pinned test tools …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.local ## make the virtual environment and get the programs (built once, then cached)
	@$(BIN)/deplite setup

up: $(VENV)/.local ## start everything on this machine and run a deploy (Ctrl-C stops it)
	@$(BIN)/deplite up $(ARGS)

down: ## stop what `make up ARGS=--detach` started
	@$(BIN)/deplite down

status: ## show the parts that run on this machine
	@$(BIN)/deplite status

images: ## the three images, with Docker: deplite/apiserver, deplite/operator, deplite/agent
	@for part in apiserver operator agent; do \
		docker build -f $$part/Dockerfile -t deplite/$$part:$(RELEASE) . || exit 1; \
	done

# Twice helm: the first install brings the kinds, the second makes the Organization (docs/helm.md).
kind: images ## a cluster in Docker (needs docker, kind, kubectl and helm) with our images and the chart
	@kind get clusters | grep -qx deplite || kind create cluster --config kind-config.yaml
	@kind load docker-image --name deplite $(foreach part,apiserver operator agent,deplite/$(part):$(RELEASE))
	@for time in first second; do \
		helm upgrade --install deplite charts/deplite --kube-context kind-deplite --values charts/kind.yaml \
			--namespace deplite-system --create-namespace || exit 1; \
	done
	@kubectl --context kind-deplite -n deplite-system rollout status --timeout 5m \
		deployment/deplite-apiserver deployment/deplite-operator

kind-down: ## remove that cluster
	@kind delete cluster --name deplite

node: $(VENV)/.dev ## a real Kubernetes on this machine, without Docker, with our images (Linux, root)
	@$(BIN)/python -m tests.node up $(ARGS)

node-down: $(VENV)/.dev ## stop it; nothing of it is left
	@$(BIN)/python -m tests.node down

lint: $(VENV)/.dev ## formatting, style, types, import contracts and shell scripts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/shellcheck --external-sources --check-sourced --source-path SCRIPTDIR $(SCRIPTS)

unit: $(VENV)/.dev ## only the tests that need no process
	@$(BIN)/pytest tests/unit tests/meta

test: $(VENV)/.dev lint ## everything: lint, unit, the real control plane, the walkthrough
	@$(BIN)/python -m tests.tools
	@$(BIN)/python -m tests.node.images
	@$(BIN)/python -m tests.auditing --begin
	@$(if $(ARGS),$(BIN)/pytest $(ARGS),$(BIN)/python -m tests.sessions)
	@$(if $(ARGS),true,$(BIN)/python -m tests.auditing)

chart: $(VENV)/.dev ## the Helm chart: lint, rendered, judged and installed by the real Helm and kube-apiserver
	@$(BIN)/deplite setup
	@$(BIN)/python -m tests.chart.helm
	@$(BIN)/pytest tests/chart $(ARGS)

chart-files: $(VENV)/.local ## write what the chart has from crds/, deplite/rights and its schema
	@$(BIN)/python charts/generated.py

faults: $(VENV)/.dev ## the whole fault suite with its soak (about an hour)
	@$(BIN)/deplite setup
	@$(BIN)/pytest -m 'full or not full' $(or $(ARGS),tests/faults tests/e2e/test_files.py tests/kube/jobs/test_exit.py tests/kube/operating/test_walk.py)

fuzz: $(VENV)/.dev ## 500 examples of every operation of the API, with every kind of credential
	@$(BIN)/deplite setup
	@$(BIN)/pytest -m full $(or $(ARGS),tests/kube/edge/test_fuzz.py)

bench: $(VENV)/.local ## dispatch, accepted runs, replicas and open streams, beside the floor of the same machine
	@$(BIN)/deplite setup
	@$(BIN)/python -m bench $(ARGS)

api-docs: $(VENV)/.local ## write docs/api.md from the code
	@$(BIN)/python -m deplite_apiserver.reference > docs/api.md

format: $(VENV)/.dev ## put the code into its one form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(VENV)/.dev ## renew the lock files (needs uv on the PATH)
	@uv pip compile -q -U --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --extra local pyproject.toml -o requirements/local.txt
	@uv pip compile -q -U --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --extra local --extra dev -c requirements/local.txt pyproject.toml -o requirements/dev.txt
	@for part in apiserver operator agent; do \
		uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --extra $$part -c requirements/local.txt pyproject.toml -o requirements/$$part.txt || exit 1; \
	done
	@printf 'editables\nhatchling\n' | uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 -c requirements/dev.txt - -o requirements/build.txt

clean: ## remove what was built here (not the data of `make up`)
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
