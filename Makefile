# Every command works on a fresh machine: each needs only what it says.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Processes that tests run in, each with control planes of its own; 1 is for debuggers.
PARTS ?= 2
PYTEST = $(if $(filter 1,$(PARTS)),$(BIN)/pytest,$(BIN)/python -m tests.support.parts $(PARTS))

# Tests start Python some hundred times, which would compile the engine anew each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test setup check quick tools bench bench-large fix lock crds golden walk soak differential fuzz wheels image clean

demo: setup ## the main job on the embedded API server; needs Python 3.11+ and a package index
	@$(BIN)/lockstep demo $(ARGS)

test: setup tools ## every test; needs Go and git too
	$(PYTEST) -q $(ARGS)

setup: $(STAMP) ## the virtual environment with the locked dependencies

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Lockstep needs Python 3.11 or newer: set PYTHON=..." >&2; exit 1; }
	@echo "Setting up $(VENV) with the locked dependencies: one or two minutes." >&2
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

tools: setup ## test tools built from Go modules into the cache: the real control plane
	$(BIN)/python -m tests.controlplane.build

check: setup ## format, lint, import contracts, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

quick: setup ## unit, property and golden tests but the slow ones, laws with a quarter of the examples
	LOCKSTEP_LAWS=$${LOCKSTEP_LAWS:-0.25} $(PYTEST) -q -m "not slow" \
	  tests/unit tests/property tests/golden $(ARGS)

bench: setup tools ## python -m benchmarks SCENARIO; ARGS="cold_start --kustomizations 100"
	$(BIN)/python -m benchmarks $(or $(ARGS),cold_start)

bench-large: setup ## a one-line commit among 100, 1,000 and 10,000 Kustomizations; takes an hour
	$(BIN)/python -m benchmarks one_change --server embedded --kustomizations 100,1000,10000 --limit 3600 $(ARGS)

fix: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

crds: setup ## helm/crds from the models
	$(BIN)/python -m engine.api.crd

golden: setup ## rewrite what golden tests expect, and show the difference
	GOLDEN=rewrite $(BIN)/pytest -q tests/golden
	@git --no-pager diff --stat tests/golden

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-emit-index-url --no-emit-find-links --no-annotate pyproject.toml
lock: setup ## renew the locks; they hold no address of an index
	$(LOCK) -o requirements.lock $(ARGS)
	$(LOCK) --group dev -o requirements-dev.lock $(ARGS)

walk: setup tools ## tests with the real flux CLI; FLUX_BIN names it
	@test -n "$(FLUX_BIN)" || { echo "set FLUX_BIN to a flux binary" >&2; exit 1; }
	FLUX_BIN=$(FLUX_BIN) $(BIN)/pytest -q tests/e2e -k flux

MINUTES ?= 60
soak: setup tools ## laws tried again and again, and engines killed at every await, for an hour
	LOCKSTEP_SOAK=$(MINUTES) $(PYTEST) -q tests/cluster/test_crash.py tests/cluster/test_leaks.py tests/property $(ARGS)

differential: setup tools ## 5,000 random fleets built by the engine and by kustomize 5.8.1
	$(BIN)/python -m tests.support.differential --fleets 5000 $(ARGS)

SECONDS ?= 600
fuzz: setup ## hostile input to the readers and builds; prints its seed
	$(BIN)/python -m tests.fuzz $(or $(TARGET),all) --seconds $(SECONDS) $(ARGS)

wheels: setup ## dist/wheels, all that `docker build .` needs: locked dependencies and our wheel
	$(BIN)/python -m tests.image.build wheels

image: setup tools ## dist/lockstep-image.tar by Debian's own tools, and its tests; needs root and Debian
	$(BIN)/python -m tests.image.build
	$(BIN)/pytest -q tests/cluster/test_image.py $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
