# make run   the main job: three datasets from raw rows to a champion
# make test  everything that is checked: format, lint, types, tests
# make up    the dashboards, a worker, the scheduled deployments
# make bench measure the main job and write benchmarks/results/main_job.json
# make bench-data  measure the data layer and write benchmarks/results/data.json
# make lock  renew requirements.lock after a change of pyproject.toml

PYTHON ?= python3
TORCH := 2.13.0
BIN := .venv/bin

.PHONY: run test up bench bench-data lock clean
.DELETE_ON_ERROR:

run: .venv/ready
	@$(BIN)/refrain run

up: .venv/ready
	@$(BIN)/refrain up

test: .venv/ready
	@$(BIN)/python -m tests

bench: .venv/ready
	@$(BIN)/python -m benchmarks.main_job

bench-data: .venv/ready
	@$(BIN)/python -m benchmarks.data

# torch first and by exact version: its build differs by machine, so the lock leaves it out.
# The lock's hashes hold for everything else.
.venv/ready: requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Refrain needs Python 3.11 to 3.13, and {sys.executable} is {v[0]}.{v[1]}. Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "Making .venv (once, some minutes): torch $(TORCH), then what requirements.lock names"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==$(TORCH)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -m pip check
	@touch $@

lock:
	uv pip compile --universal --generate-hashes --python-version 3.11 --extra dev --no-annotate --quiet --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
