# install repro check test: each does its own set-up, in any order.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install repro check test

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 11))" \
	  || { echo "error: Python 3.11 or newer is needed: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "installing the pinned dependencies (two minutes and 2 GB with a CPU build of torch, more with CUDA)"
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt \
	  "torch==2.13.0" -e ".[sweep,serve,dev]"
	@touch $@

# DVC and the stages find their python through PATH
repro: install
	@PATH="$(CURDIR)/$(BIN):$$PATH" titer check
	@PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro

check: install
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/titer check

# a worker takes up to 3 GB and one core
test: install
	@PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 \
	  pytest -n logical --maxprocesses=4 --dist loadscope --no-loadscope-reorder
