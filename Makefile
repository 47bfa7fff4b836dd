# The two commands that matter are `make demo` and `make test`. `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv lab lab-down demo provision test test-long test-core lint lint-collection unit molecule docs lock benchmark benchmark-data clean

LAB_DIR := $(or $(CODETR_LAB_DIR),$(CURDIR)/.lab)
PYTHON ?= python3
VENV := .venv
# The lock that `make venv` installs: requirements/core-2.21.txt for a controller with Python 3.12 or newer.
REQUIREMENTS ?= requirements.txt
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
# The tools that check the collection as Ansible Galaxy does, apart from what users install.
COLLECTION := .venvs/collection
# Ours first: another copy of the collection, in the home directory say, must not be what runs.
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/playbooks/collections:$(HOME)/.ansible/collections:/usr/share/ansible/collections
export PATH := $(BIN):$(PATH)
LAB := PYTHONPATH=$(CURDIR)/molecule/shared $(PYTHON) -m lab
UP := PYTHONPATH=$(CURDIR)/src $(BIN)/python -m codetr_provision up

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(STAMP) ## Install what the controller needs into .venv, by hash

$(STAMP): $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The controller needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11.")'
	@echo "Installing the controller's packages into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(REQUIREMENTS)
	@touch $@

lab: ## Start the lab: images, mirror, stand-ins for upstreams that do not answer
	@$(LAB) doctor
	@$(LAB) tools
	@$(MAKE) --no-print-directory venv
	@PYTHONPATH=$(CURDIR)/molecule/shared $(BIN)/python -m lab up

lab-down: ## Stop the lab; images and caches stay
	@$(LAB) down

demo: lab ## Provision a throw-away host in the lab, train on it, show a table and report/index.html
	@$(LAB) host destroy demo >/dev/null
	@$(LAB) host create demo
	@$(UP) -i $(LAB_DIR)/inventory -i $(LAB_DIR)/hosts/demo.yml --upstreams $(LAB_DIR)/upstreams.json --report report $(ARGS)
	@$(if $(KEEP),echo "The host demo stays: ssh -F $(LAB_DIR)/ssh_config demo",$(LAB) host destroy demo >/dev/null)

provision: venv ## Provision this machine (or ARGS="-i your/inventory") for real
	@$(UP) $(ARGS)

test: ## Lint, unit tests and every Molecule scenario; ROLE=codetr_repo for one scenario
ifdef ROLE
	@$(MAKE) --no-print-directory molecule
else
	@$(MAKE) --no-print-directory lab
	@echo "Lint, the collection's checks and the unit tests run side by side; the output of each comes when it has ended."
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target --keep-going lint lint-collection unit
	@$(MAKE) --no-print-directory molecule
endif

test-long: test ## As test, and what takes longer
	@CODETR_LAB_IS_UP=1 $(BIN)/python tools/scenarios.py --long

test-core: lab ## Playbooks, lint, tests and scenario default with each ansible-core and Python; PAIRS=2.21:3.13 for one
	@$(BIN)/python tools/core_matrix.py $(PAIRS)

lint: venv ## ansible-lint (production), yamllint, ruff, mypy, generated files
	@$(BIN)/python tools/generate.py --check
	@$(BIN)/ruff check .
	@$(BIN)/yamllint --strict .
	@$(BIN)/mypy
	@$(BIN)/ansible-lint --offline --profile production --strict

lint-collection: $(COLLECTION)/.installed ## ansible-test sanity, galaxy-importer, antsibull, ansible-builder; CHECKS="docs importer" for some
	@$(COLLECTION)/bin/python tools/collection_checks.py --home $(LAB_DIR)/ansible-test $(CHECKS)

$(COLLECTION)/.installed: requirements/collection.txt
	@$(PYTHON) -m venv $(COLLECTION)
	@$(COLLECTION)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/collection.txt
	@touch $@

# Most of their time is waiting (servers that stall, back-offs), so there are more processes than cores; a file's tests stay in one of them.
unit: venv ## Tests of the Python; PYTEST_ARGS="-n 0 -k fetch" for some, in one process
	@$(BIN)/pytest --quiet --numprocesses 3 --dist loadfile --junit-xml=reports/unit.xml $(PYTEST_ARGS)

molecule: lab ## Molecule scenarios, with their seconds
	@CODETR_LAB_IS_UP=1 $(BIN)/python tools/scenarios.py $(ROLE)

docs: venv ## Write defaults, role READMEs and the list of variables from the argument specs
	@$(BIN)/python tools/generate.py

lock: venv ## Write requirements.txt and the stacks' locks anew, with hashes
	@$(BIN)/python tools/lock.py

benchmark: lab ## A second run on a finished host against fact gathering alone
	@benchmarks/noop.sh

benchmark-data: venv ## The guide's lines for the data, ours, and the floor, against a local nginx; ROUNDS=3 (needs wget, unzip, aria2, nginx, 15 GB)
	@$(BIN)/python benchmarks/datasets/run.py $(LAB_DIR)/benchmark

clean: lab-down ## Stop the lab and remove everything that was made here
	@rm -rf $(VENV) .venvs .lab report reports
