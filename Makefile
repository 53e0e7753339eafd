# Two commands do everything on a fresh machine: make serve, make test. make help lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev
FUZZ   := $(VENV)/.installed-fuzz
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q

# What is installed is what lock/ says, which is complete: wheels alone, each with a hash that is known. make serve LOCK=
# goes by the versions of constraints.txt without hashes, for a platform that has no wheels of them.
LOCK   ?= lock
LOCKS  := constraints.txt $(wildcard lock/*.txt)
LOCKED := $(PIP) install --require-hashes --only-binary :all: --no-deps
# Torch without CUDA where pip finds the build that lock/ knows, else the index's, which on Linux comes with gigabytes of
# NVIDIA's libraries.
TORCH   = $$($(LOCKED) --dry-run --ignore-installed -r lock/torch-cpu.txt >/dev/null 2>&1 \
	  && echo lock/torch-cpu.txt || echo lock/torch.txt)
ifeq ($(LOCK),)
install = $(PIP) install -c constraints.txt -e '$(2)'
else
install = $(LOCKED) $(foreach part,$(1),-r lock/$(part).txt) -r $(TORCH) \
	  && $(PIP) install --no-deps --no-build-isolation -e . \
	  || { echo 'These wheels do not install here. Try: make $(or $(MAKECMDGOALS),serve) LOCK='; exit 1; }
endif

.PHONY: help serve index test fault check audit format lock sbom train clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Footnote needs Python 3.11 or newer: make serve PYTHON=python3.12'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml $(LOCKS) | $(BIN)/python
	@echo 'Installing Footnote into $(VENV) (minutes, once) ...'
	$(call install,runtime,.)
	@touch $@

$(DEV): pyproject.toml $(LOCKS) | $(BIN)/python
	@echo 'Installing Footnote and its development tools into $(VENV) (minutes, once) ...'
	$(call install,runtime dev,.[dev])
	@touch $@ $(STAMP)

$(FUZZ): lock/fuzz.txt $(DEV)
	@$(LOCKED) -r lock/fuzz.txt || echo 'The fuzzer does not install here; the tests that use it will be skipped.'
	@touch $@

serve: $(STAMP) ## index seeds/ into data/ and serve it on http://127.0.0.1:8000
	@$(BIN)/footnote serve --watch

index: $(STAMP) ## bring the index in data/ up to date with seeds/
	@$(BIN)/footnote index

test: $(DEV) ## run every test, a file at a time on each core, and hold the coverage of branches to its floor
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report= -m 'not alone'
	$(BIN)/python -m pytest --cov --cov-append --cov-report= -m alone

fault: $(DEV) $(FUZZ) ## try every fault as often as MINUTES=90 allow, and write docs/fault-record.md
	$(BIN)/python -m tests.faults.record --minutes $(or $(MINUTES),90)

check: $(DEV) audit ## lint, formatting, types, layers and known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(DEV) ## ask whether a version in lock/ has a known vulnerability; says so where nobody can be asked
	@$(BIN)/python -m tools.audit

lock: $(DEV) ## bring lock/ up to date with pyproject.toml and constraints.txt
	$(LOCKED) --target $(VENV)/uv --upgrade -r lock/lock.txt
	PATH="$(VENV)/uv/bin:$$PATH" $(BIN)/python -m tools.lock

sbom: $(DEV) ## write sbom.json, the list of what Footnote runs with (CycloneDX)
	$(BIN)/python -m tools.sbom > sbom.json

format: $(DEV) ## put the code into its usual form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: $(DEV) ## make the reader anew from public sets: make train DATA=folder-of-sets [OUT=reader] (hours without a GPU)
	@test -n "$(DATA)" || { echo 'make train DATA=folder-of-sets; training/README.md names the sets'; exit 2; }
	$(BIN)/python -m training.train "$(DATA)" "$(or $(OUT),reader)" --workers $$(nproc)
	$(BIN)/python -m training.export "$(or $(OUT),reader)/checkpoint.pt" "$(or $(OUT),reader)/export"

clean: ## remove what was installed and built, but not data/
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
