# roundsman: make demo, make test. Every target sets up what it needs by itself.
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

.PHONY: help setup demo test test-postgres check accuracy compare-tls compare-exposure oracle-tls bench bench-scale endure packaging lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/	/' | expand -t 18

setup: ## Install Debian packages (when permitted) and the Python environment in .venv
	@./tools/setup

demo: setup ## Inspect weak servers on loopback in three rounds, and write reports, notices, a bulletin and mails
	@$(PYTHON) -m tests.lab.demo

check: setup ## Static checks: formatting, lint, types, import rules, translations of the catalogue
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

test: check ## Everything: static checks and all tests, against real servers on loopback
	@.venv/bin/pytest -n 8 --dist worksteal -m "not postgresql"
	@$(PYTHON) -m tests.postgres .venv/bin/pytest -n 2 -q -m "not sqlite" tests/rounds/test_jobs.py tests/audit/test_trail.py

test-postgres: setup ## All tests that use a database, on a PostgreSQL server of their own, and what only that can do
	@.venv/bin/pytest -n 4 --dist worksteal -m postgresql
	@$(PYTHON) -m tests.postgres .venv/bin/pytest -n 4 --dist worksteal -m "not sqlite and not postgresql" \
		tests --ignore=tests/engine --ignore=tests/lab --ignore=tests/compare --ignore=tests/fleet --ignore=tests/pages

accuracy: setup ## Precision and recall per check, over the lab of real servers
	@$(PYTHON) -m tests.lab.accuracy

compare-tls: setup ## Our verdicts beside testssl.sh and sslscan, over the lab (some twenty minutes the first time)
	@$(PYTHON) -m tests.compare.tls

compare-exposure: setup ## Our findings beside those of nmap's safe scripts, over the lab (half an hour the first time)
	@$(PYTHON) -m tests.compare.exposure

oracle-tls: setup ## Our TLS hello sweep held against sslyze, over 300 random servers (about four minutes)
	@$(PYTHON) -m tests.compare.oracle

bench: setup ## Speed and memory beside nmap and testssl.sh, reports and pages as they grow, and a simulated year of rounds (takes some hours)
	@$(PYTHON) -m tests.bench.run

bench-scale: setup ## Replay stored facts through the whole product on PostgreSQL: 1,000 to 100,000 hosts (about ten minutes)
	@$(PYTHON) -m tests.bench.scale
	@$(PYTHON) -m tests.bench.scale --sweep

endure: setup ## An hour of simulated faults: every round done once, every finding right, every mail there once
	@$(PYTHON) -m tests.endurance.run

packaging: setup ## Install on Debian 12 and 13, booted, and run the containers, as the operator's guide says (root; a quarter of an hour)
	@$(PYTHON) -m tests.packaging.machine
	@$(PYTHON) -m tests.packaging.machine --release trixie
	@$(PYTHON) -m tests.packaging.containers

lock: setup ## Renew the hashed requirements from pyproject.toml
	@.tools/bin/uv pip compile --quiet --upgrade --generate-hashes --no-header \
		--python-version 3.11 pyproject.toml -o requirements.lock
	@.tools/bin/uv pip compile --quiet --upgrade --generate-hashes --no-header \
		--python-version 3.11 --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

clean: ## Remove what setup, tests and demo made
	@rm -rf .venv .tools var .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
