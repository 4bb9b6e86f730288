# One command each. Every target makes the virtual environment if it is missing.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := OMP_NUM_THREADS=1 SCIPY_ARRAY_API=1 $(BIN)/python -m pytest

.PHONY: demo test test-slow test-gpu test-oldest lint format types docs bench bench-studies check clean

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

# make test COVERAGE=1 also checks that the tests reach 98 % of the code, which takes a fifth longer.
COVERAGE :=
test: lint types $(READY)
	rm -f .coverage .coverage.*
	$(PYTEST) -n 2 --dist worksteal -m "not slow" \
		$(if $(COVERAGE),--cov --cov-report=term --cov-fail-under=98) \
		--doctest-glob="*.md" README.md docs tests skcnn

test-slow: $(READY)
	$(PYTEST) -n 2 -m slow tests

# On a machine with a GPU: uses the Python that is given and installs nothing, for instance
# make test-gpu PYTHON=python3. DEVICE=pretended needs no GPU: tensors that say they are elsewhere.
DEVICE := cuda
WORKERS := 8
GPU_TESTS := tests/training tests/convnet tests/inspection tests/comparison tests/model_selection \
	tests/augmentation tests/persistence/test_convnets.py tests/recordings tests/report
test-gpu:
	SKCNN_TEST_DEVICE=$(DEVICE) PYTHONPATH=. OMP_NUM_THREADS=1 SCIPY_ARRAY_API=1 $(PYTHON) -m pytest \
		-q -n $(WORKERS) --dist worksteal -m "not slow" $(GPU_TESTS)

# The lower bounds of the dependencies, and the tests that use most of them.
OLDEST := .venv-oldest
OLDEST_TESTS := tests/test_oldest.py tests/utils tests/data tests/plotting tests/files \
	tests/files/test_values.py tests/persistence/test_convnets.py \
	tests/persistence/test_sklearn_types.py tests/persistence/test_golden_files.py \
	tests/convnet/test_sklearn_tools.py tests/convnet/test_training.py \
	tests/convnet/test_fitted_state.py tests/training/test_engine.py \
	tests/training/test_callbacks.py tests/training/test_eager_optimizers.py \
	tests/preprocessing/test_kernel_filter.py tests/comparison/test_metadata.py \
	tests/comparison/test_compare_models.py tests/comparison/test_rank_tests.py \
	tests/comparison/test_report.py tests/comparison/test_plot.py \
	tests/model_selection/test_callbacks.py tests/model_selection/test_search.py \
	tests/model_selection/test_search_scores.py tests/model_selection/test_search_objectives.py \
	tests/model_selection/test_samplers.py tests/model_selection/test_pruners.py \
	tests/model_selection/test_results.py tests/model_selection/test_plot.py \
	tests/model_selection/running/test_storage.py

$(OLDEST)/.ready: pyproject.toml constraints-oldest.txt
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --requirement constraints-oldest.txt
	$(OLDEST)/bin/python -m pip install --quiet --constraint constraints-oldest.txt --editable ".[all,postgresql]"
	touch $@

test-oldest: $(OLDEST)/.ready
	OMP_NUM_THREADS=1 SCIPY_ARRAY_API=1 $(OLDEST)/bin/python -m pytest -n 2 -m "not slow" $(OLDEST_TESTS)

# For instance make bench ARGS="--quick", or ARGS="--mnist mnist.npz --section accuracy"
# With PYTHON=python3 that Python runs it as it is, and nothing is installed but peers' environments.
ifeq ($(origin PYTHON),command line)
bench:
	PYTHONPATH=. $(PYTHON) tests/benchmarks/speed.py $(ARGS)
else
bench: $(READY)
	$(BIN)/python tests/benchmarks/speed.py $(ARGS)
endif

bench-studies: $(READY)
	$(BIN)/python tests/benchmarks/real_tasks.py
	$(BIN)/python tests/benchmarks/augmentation_throughput.py
	$(BIN)/python tests/benchmarks/augmentation_freshness.py
	$(BIN)/python tests/benchmarks/noughts_and_crosses.py
	$(BIN)/python tests/benchmarks/search_pruning.py
	$(BIN)/python tests/benchmarks/search_efficiency.py
	$(BIN)/python tests/benchmarks/architectures.py
	$(BIN)/python tests/benchmarks/transfer_speed.py
	$(BIN)/python tests/benchmarks/costs.py
	$(BIN)/python tests/benchmarks/growth.py
	$(BIN)/python tests/benchmarks/comparison_error_rates.py
	$(BIN)/python tests/benchmarks/model_comparison.py
	$(BIN)/python tests/benchmarks/onnx_export.py
	$(BIN)/python -m tests.benchmarks.kills

clean:
	rm -rf $(VENV) $(OLDEST) .bench-peers .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* dist
