# make demo   sets everything up and runs the main job on the embedded archive, offline
# make test   sets everything up and runs lint, types and all tests
# make docs   sets everything up and builds the documentation: build/site/index.html
# make smoke-aws   tries the Lambda engine on a real account, for some cents
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types tests docs bench smoke-aws clean

demo: $(VENV)/.full
	$(BIN)/fieldwren demo --out demo

test: lint types tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/basedpyright

tests: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST)

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# On a real account, at a cost of some cents: needs `fieldwren setup` to have been run.
smoke-aws: $(VENV)/.dev
	FIELDWREN_SMOKE_AWS=1 $(BIN)/python -m pytest -m smoke_aws tests/test_aws_smoke.py $(PYTEST)

bench: $(VENV)/.dev
	$(BIN)/python bench/reading.py
	$(BIN)/python bench/season.py
	$(BIN)/python bench/lambda_calls.py

# A machine whose Python lacks ensurepip (Debian without python3-venv) still has pip.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fieldwren needs Python 3.11 or newer; this is " + sys.version)'
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  $(PYTHON) -m pip install --quiet --target build/virtualenv virtualenv && \
	  PYTHONPATH=build/virtualenv $(PYTHON) -m virtualenv --quiet $(VENV); }

$(VENV)/.full: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[full]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.full

clean:
	rm -rf $(VENV) build dist demo .pytest_cache .ruff_cache .hypothesis
