# make run    the main job: three datasets from raw rows to a champion
# make test   all checks: format, lint, layers, types, tests
# make check  the same with the quick tests only, in about 90 seconds
# make coverage  run the quick tests and measure the lines they run; below the limit it fails
# make extras install the packages of optional sources and formats: hub, postgres, s3, music
# make up     start the dashboards, a worker, the scheduled deployments
# make bench  measure the main job and write benchmarks/results/main_job.json
# make bench-data  measure the data layer and write benchmarks/results/data.json
# make docs   build the site of docs/ into build/site; a broken link fails
# make lock   update the lock files after a change of pyproject.toml

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check coverage extras up docs bench bench-data lock lock-torch lock-check clean
.DELETE_ON_ERROR:

run: .venv/ready
	@$(BIN)/refrain run

extras: .venv/extras

up: .venv/extras
	@$(BIN)/refrain up

test: .venv/tools
	@$(BIN)/python -m tests

check: .venv/tools
	@$(BIN)/python -m tests --quick

# The limit is in pyproject.toml.
coverage: .venv/tools
	@$(BIN)/python -m pytest -n auto -m 'not e2e and not slow and not postgres' \
		--cov --cov-report=term:skip-covered

docs: .venv/tools
	@$(BIN)/zensical build --clean --strict

bench: .venv/extras
	@$(BIN)/python -m benchmarks.main_job

bench-data: .venv/extras
	@$(BIN)/python -m benchmarks.data

# Run-time packages, optional sources and formats, tools of the tests: see refrain/install.py.
.venv/ready: requirements.lock requirements-torch.lock requirements-cuda.lock
.venv/extras: requirements.lock requirements-extras.lock
.venv/tools: requirements.lock requirements-extras.lock requirements-tools.lock
.venv/ready .venv/extras .venv/tools: requirements-uv.lock pyproject.toml refrain/install.py
	@$(PYTHON) refrain/install.py $(@F)

# Packages without a wheel are excluded: each user's machine would have to build them.
COMPILE := $(BIN)/uv pip compile --quiet --universal --only-binary :all: --generate-hashes --python-version 3.11 \
	--no-annotate --custom-compile-command "make lock"
SKIP = $$(grep --no-filename --only-matching '^[a-z0-9._-]*==' $(1) | sed 's/==//; s/^/--no-emit-package /')

lock: .venv/ready
	printf 'uv==0.13.9\npip==26.3\n' | $(COMPILE) --output-file requirements-uv.lock -
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --extra all $(call SKIP,requirements.lock) \
		--output-file requirements-extras.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --constraint requirements-extras.lock --extra dev \
		$(call SKIP,requirements.lock requirements-extras.lock) --output-file requirements-tools.lock pyproject.toml
	$(MAKE) lock-torch lock-check

# Without tool.uv, which takes torch out of the other locks. A CPU build needs no CUDA packages.
COMPILE_TORCH = sed -n 's/^TORCH = "\([^"]*\)".*/\1/p' refrain/install.py | $(COMPILE) --no-config \
	--constraint requirements.lock --constraint requirements-extras.lock --constraint requirements-tools.lock
lock-torch: .venv/ready
	$(COMPILE_TORCH) --output-file .venv/torch-all.lock -
	grep -E '^(cuda|nvidia|triton)' .venv/torch-all.lock > .venv/cuda-names
	$(COMPILE_TORCH) $(call SKIP,requirements.lock .venv/cuda-names) --output-file requirements-torch.lock -
	$(COMPILE_TORCH) $(call SKIP,requirements.lock requirements-torch.lock) --output-file requirements-cuda.lock -

# Check that every locked package has a wheel for each Python and platform of the README.
lock-check: .venv/ready
	@for version in 3.11 3.12 3.13 3.14; do \
	for platform in x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin; do \
		echo "Python $$version, $$platform"; \
		$(BIN)/uv pip install --quiet --dry-run --target .venv/none --python-version $$version --python-platform $$platform \
			--only-binary :all: --no-deps --require-hashes --requirement requirements.lock \
			--requirement requirements-extras.lock --requirement requirements-tools.lock || exit 1; \
	done; done

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
