.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

.PHONY: help up test lint types e2e vendor lock

help: ## show these targets
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /\1\t/' | expand -t 10

up: ## start Mycelium on this machine
	python3 manage.py up

test: ## every check: style, types, import rules, all tests
	python3 manage.py test

lint: ## style and import rules
	$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && .venv/bin/lint-imports

types: ## static types
	$(PYTHON) -m mypy .

e2e: ## browser tests
	python3 manage.py test tests/journey tests/pages

vendor: ## fetch the browser's libraries and fonts again
	python3 manage.py vendor

lock: ## resolve the requirements again
	.venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet requirements.in -o requirements.txt
	.venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet requirements-dev.in -o requirements-dev.txt
