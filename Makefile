# Two commands do everything on a fresh machine: make serve, make test. make help lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: help serve index test fault check format train clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Footnote needs Python 3.11 or newer: make serve PYTHON=python3.12'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Installing Footnote into $(VENV) (minutes, once) ...'
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Installing Footnote and its development tools into $(VENV) (minutes, once) ...'
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(STAMP)

serve: $(STAMP) ## index seeds/ into data/ and serve it on http://127.0.0.1:8000
	@$(BIN)/footnote serve --watch

index: $(STAMP) ## bring the index in data/ up to date with seeds/
	@$(BIN)/footnote index

test: $(DEV) ## run every test, a file at a time on each core, and hold the coverage of branches to its floor
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=

fault: $(DEV) ## try every fault as often as MINUTES=90 allow, and write docs/fault-record.md
	$(BIN)/python -m tests.faults.record --minutes $(or $(MINUTES),90)

check: $(DEV) ## lint, formatting, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV) ## put the code into its usual form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: $(DEV) ## make the reader anew from public sets: make train DATA=folder-of-sets [OUT=reader] (hours without a GPU)
	@test -n "$(DATA)" || { echo 'make train DATA=folder-of-sets; training/README.md names the sets'; exit 2; }
	$(BIN)/python -m training.train "$(DATA)" "$(or $(OUT),reader)" --workers $$(nproc)
	$(BIN)/python -m training.export "$(or $(OUT),reader)/checkpoint.pt" "$(or $(OUT),reader)/export"

clean: ## remove what was installed and built, but not data/
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
