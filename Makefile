# Everything from a fresh machine with Python 3.11 or later and a network: `make demo`, `make test`.
PYTHON ?= python3
EXTRAS ?= cpu,offline,serve,postgres,dev
comma  := ,
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready-$(subst $(comma),-,$(EXTRAS))

export TOKENIZERS_PARALLELISM ?= false

.DEFAULT_GOAL := help
.PHONY: help demo test wheel fuzz lint bench bench-gpu bench-quality docs clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# One resolve, so that torch, torchvision, timm and transformers agree; done again only when pyproject.toml changes.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mmreco needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Say: make PYTHON=python3.13 ...")'
	@echo "installing mmreco[$(EXTRAS)] into $(VENV): once, some minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@

demo: $(READY) ## the whole job on the synthetic shop: embed, train, index, evaluate, report
	$(BIN)/mmreco demo --json

test: export OMP_NUM_THREADS = 1
test: lint ## everything checked: style, types, tests, examples in the docstrings
	$(BIN)/python -m pytest --doctest-modules tests mmreco

wheel: $(READY) ## sdist and wheel built, the wheel installed into a clean environment and tried outside the clone
	sh tools/smoke_wheel.sh $(BIN)/python

fuzz: export OMP_NUM_THREADS = 1
fuzz: $(READY) ## the long run of random inputs: filters, tables, models' folders, index files (minutes)
	$(BIN)/python -m pytest -m fuzz --capture=no --durations=5 tests

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## retrieval speed, after equality with brute force; kept in .benchmarks/ and compared with the last
	$(BIN)/python -m pytest --benchmark-only --benchmark-disable-gc --benchmark-autosave \
	  $(if $(wildcard .benchmarks/*/*.json),--benchmark-compare) benchmarks

bench-gpu: $(READY) ## index, encoders and training on a CUDA device, if there is one
	$(BIN)/python benchmarks/gpu.py

QUALITY := $(BIN)/python benchmarks/quality
RESULTS := benchmarks/quality/results
bench-quality: export MMRECO_DATA := $(or $(DATA),$(MMRECO_DATA))
bench-quality: $(READY) ## recommendations against the published tables: make bench-quality DATA=folder (hours)
	for seed in 0 1 2; do $(QUALITY)/run.py beauty --seed $$seed --out $(RESULTS) || exit 1; done
	for question in cold strangers missing; do for set in beauty ml1m; do \
	  $(QUALITY)/reach.py $$question $$set --out $(RESULTS) || exit 1; done; done
	$(QUALITY)/speed.py --out $(RESULTS)
	$(QUALITY)/ablation.py --out $(RESULTS)
	$(BIN)/python examples/movielens.py
	$(QUALITY)/table.py

docs: $(READY) ## the pages as a site in site/
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	$(BIN)/python tools/api_page.py
	$(BIN)/zensical build --clean

clean: ## remove what the targets above made, the environment included
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist site demo-out
