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

demo: $(VENV)/.trainer ## draw plates, build a dataset, correct labels, build again; train, evaluate, predict
	test -f $(DEMO)/plates/plates.csv || { rm -rf $(DEMO)/plates && \
	  $(BIN)/python -m pipeline demo $(DEMO)/plates --images $(IMAGES); }
	rm -rf $(DEMO)/drops
	$(BIN)/python -m pipeline build --manifest $(DEMO)/plates/plates.csv --out $(DEMO)/drops
	@echo; echo "An expert corrects labels: $(DEMO)/plates/corrections.csv. The same command again:"; echo
	$(BIN)/python -m pipeline build --manifest $(DEMO)/plates/plates.csv --out $(DEMO)/drops \
	  --labels-from $(DEMO)/plates/corrections.csv
	@echo; echo "A small network learns from it (two minutes), and is asked about plates it never saw:"; echo
	rm -rf $(DEMO)/runs $(DEMO)/report
	$(BIN)/python -m trainer train --data $(DEMO)/drops/1.0.1 --out $(DEMO)/runs/crystalnet --events text \
	  --arch crystalnet --width 0.25 --recipe modern --learning-rate 0.001 --epochs 25
	$(BIN)/python -m trainer evaluate $(DEMO)/runs/crystalnet
	$(BIN)/python -m trainer report $(DEMO)/runs/crystalnet --out $(DEMO)/report
	test -f $(DEMO)/unseen/plates.csv || { rm -rf $(DEMO)/unseen && \
	  $(BIN)/python -m pipeline demo $(DEMO)/unseen --images 60 --seed 1; }
	$(BIN)/python -m trainer predict $(DEMO)/runs/crystalnet $(DEMO)/unseen/plates.csv \
	  --out $(DEMO)/predictions.csv --html $(DEMO)/gallery.html

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

bench: $(VENV)/.test ## measure what the tables of docs/ report
	$(BIN)/python -m benchmarks.build
	$(BIN)/python -m benchmarks.regenerate
	$(BIN)/python -m benchmarks.input
	$(BIN)/python -m benchmarks.step

lock: $(VENV)/.test ## write constraints.txt anew from what is installed
	$(BIN)/pip freeze --exclude-editable > constraints.txt

clean: ## remove everything that make made
	rm -rf $(VENV) $(DEMO)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.pipeline: $(VENV)/bin/python setup.py constraints.txt
	$(BIN)/pip install --quiet --editable . --constraint constraints.txt
	touch $@

$(VENV)/.trainer: $(VENV)/.pipeline
	$(BIN)/pip install --quiet --editable '.[trainer]' --constraint constraints.txt
	touch $@

$(VENV)/.test: $(VENV)/.pipeline
	$(BIN)/pip install --quiet --editable '.[test]' --constraint constraints.txt
	touch $@
