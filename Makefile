# One command each. Every target makes the virtual environment if it is missing.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := OMP_NUM_THREADS=1 SCIPY_ARRAY_API=1 $(BIN)/python -m pytest

.PHONY: demo test test-slow lint format types docs bench bench-studies check clean

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

demo: $(READY)
	$(BIN)/python -m skcnn demo

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(READY)
	$(BIN)/mypy

docs: $(READY)
	$(PYTEST) -q tests/test_documentation.py --doctest-glob="*.md" README.md docs

test: lint types $(READY)
	rm -f .coverage .coverage.*
	$(PYTEST) -n 2 -m "not slow" --cov --cov-report=term --cov-fail-under=98 --doctest-glob="*.md" tests skcnn README.md docs

test-slow: $(READY)
	$(PYTEST) -n 2 -m slow tests

# For instance make bench ARGS="--quick", or ARGS="--mnist mnist.npz --section accuracy"
bench: $(READY)
	$(BIN)/python tests/benchmarks/speed.py $(ARGS)

bench-studies: $(READY)
	$(BIN)/python tests/benchmarks/real_tasks.py
	$(BIN)/python tests/benchmarks/augmentation_throughput.py
	$(BIN)/python tests/benchmarks/augmentation_freshness.py
	$(BIN)/python tests/benchmarks/noughts_and_crosses.py
	$(BIN)/python tests/benchmarks/search_pruning.py
	$(BIN)/python tests/benchmarks/search_efficiency.py
	$(BIN)/python tests/benchmarks/comparison_error_rates.py
	$(BIN)/python tests/benchmarks/model_comparison.py

clean:
	rm -rf $(VENV) .bench-peers .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* dist
