# `make demo` and `make test` need only Python 3.11 or newer and make: they set up their own environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: setup demo test lint check docs tables clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/whenabouts demo --out demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

docs: setup
	$(BIN)/python docs/make_settings.py
	$(BIN)/mkdocs build --strict

# All tables of benchmarks/results, or some: make tables ONLY="loop relevance". About nine hours of one core in all.
tables: setup
	$(BIN)/python benchmarks/tables.py $(ONLY)

clean:
	rm -rf $(VENV) demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
