# `make demo` and `make test` do all their own set-up.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
IMAGES ?= 1000

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench lock clean

help: ## say what there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

demo: $(VENV)/.pipeline ## draw plates, build a dataset of them, correct 20 labels, build again
	test -f $(DEMO)/plates/plates.csv || { rm -rf $(DEMO)/plates && \
	  $(BIN)/python -m pipeline demo $(DEMO)/plates --images $(IMAGES); }
	rm -rf $(DEMO)/drops
	$(BIN)/python -m pipeline build --manifest $(DEMO)/plates/plates.csv --out $(DEMO)/drops
	@echo; echo "An expert corrects labels: $(DEMO)/plates/corrections.csv. The same command again:"; echo
	$(BIN)/python -m pipeline build --manifest $(DEMO)/plates/plates.csv --out $(DEMO)/drops \
	  --labels-from $(DEMO)/plates/corrections.csv

test: $(VENV)/.test check ## check style and types, run all tests
	tests/install_browser
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(VENV)/.test ## check style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.test ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test ## measure what docs/benchmarks.md reports
	$(BIN)/python -m benchmarks.build

lock: $(VENV)/.test ## write constraints.txt anew from what is installed
	$(BIN)/pip freeze --exclude-editable > constraints.txt

clean: ## remove everything that make made
	rm -rf $(VENV) $(DEMO)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.pipeline: $(VENV)/bin/python setup.py constraints.txt
	$(BIN)/pip install --quiet --editable . --constraint constraints.txt
	touch $@

$(VENV)/.test: $(VENV)/.pipeline
	$(BIN)/pip install --quiet --editable '.[test]' --constraint constraints.txt
	touch $@
