# Thin recipes: what takes more than a line lives in .ci/ (shell) or tests/ (Python).
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# Each worker starts its own services; the tests of one file stay together and share theirs. The order of
# files is that of tests/conftest.py: pytest-xdist's own leaves the longest file, which has one test, to the end.
# More workers than cores of a small machine: tests wait for programs, clocks and servers half of their time.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder
# Set, every start of a program would compile it anew: a fifth of the computing of all tests, measured.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup services services-dirac lint format check test test-storage long mutate bench test-dirac dirac-up demo demo-storage demo-cvmfs demo-dirac demo-portal demo-vip docs wheel bundle audit lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv from requirements.lock (does nothing when it is up to date)
	@.ci/setup

services: setup ## Install the Debian packages that the tests need (as root; else say how)
	@$(BIN)/python -m tests.services

lint: setup ## Rules, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## Let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint ## Lint, and every test that needs neither a service nor a whole program (half a minute on four cores)
	$(PYTEST) -q -m "not service and not whole and not long" --hypothesis-profile=quick $(PARALLEL)

test: setup services ## The whole suite, with real services; all but the tests marked long, storage_grid or dirac_grid
	$(PYTEST) -m "not long and not storage_grid and not dirac_grid" --durations=40 --durations-min=5 $(PARALLEL)

test-storage: setup ## Storage elements as a grid has them: VOMS proxies, tokens, a redirector, gfal2
	@$(BIN)/python -m tests.services grid
	$(PYTEST) -m storage_grid

services-dirac: setup ## Install what test-dirac needs: Debian packages, DIRAC 8 and DIRAC 9
	@$(BIN)/python -m tests.services dirac docker-registry proot
	@$(BIN)/python -m tests.services.legacy.environment 8 9

test-dirac: services-dirac ## A whole DIRAC 9, DiracX beside it, and a whole DIRAC 8: database, services, storage elements, pilots
	$(PYTEST) -m dirac_grid

dirac-up: setup ## Start such a DIRAC, say how to use it, and keep it until Ctrl-C
	@$(BIN)/python -m tests.services dirac
	@$(BIN)/python -m tests.services.legacy.environment 9
	@$(BIN)/python -m tests.services.legacy

long: setup services ## The tests that take minutes
	$(PYTEST) -m "long and not dirac_grid"

mutate: setup services ## Put faults into a copy of the code, and list those that no test notices (AREA=store SEED=7)
	$(BIN)/python -m tests.mutation "$(AREA)" $(or $(SEED),1)

bench: setup services ## Measure speed and memory beside other programs, and print a table
	$(BIN)/python -m tests.bench

demo: setup ## Convert real DICOM files in a real container, end to end
	@$(BIN)/python -m tests.services docker-registry curl proot
	@$(BIN)/python -m tests.demo

demo-storage: setup ## Run a sweep between real storages, one of which is killed half-way
	@$(BIN)/python -m tests.services docker-registry curl proot xrootd nginx
	@$(BIN)/python -m tests.demo.storage

demo-cvmfs: setup ## Publish an image with cvmfs-deploy, and run a job from it without any registry
	@$(BIN)/python -m tests.services docker-registry proot
	@$(BIN)/python -m tests.demo.cvmfs

demo-portal: setup ## Start a portal with a page to watch, and use it with vip-client as its users do
	@$(BIN)/python -m tests.services docker-registry curl proot
	@$(BIN)/python -m tests.demo.portal

demo-vip: setup ## Stand behind VIP's portal: MariaDB, H2, Girder, the daemon, a replay of the portal, vip-client; prints the pages
	@$(BIN)/python -m tests.services mariadbd my_print_defaults java /usr/share/java/h2.jar
	@$(BIN)/python -m tests.demo.vip

demo-dirac: setup ## Run a sweep of 100 jobs through a real DiracX server and a site on this machine
	@$(BIN)/python -m tests.services docker-registry
	@$(BIN)/python -m tests.demo.dirac

docs: setup ## Make a site of all pages in build/site, without network; a broken link ends it
	@$(BIN)/python -m tests.docs.site

wheel: setup ## Build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

bundle: setup ## An archive to install from without internet: [KEY=SSH-KEY] [TOOLS=TARBALL] [EXTRAS=portal,s3]
	@$(BIN)/python -m tests.packaging.bundle $(if $(KEY),--key "$(KEY)") $(if $(TOOLS),--tools "$(TOOLS)") $(if $(EXTRAS),--extras "$(EXTRAS)")

audit: setup ## Compare requirements.lock with known vulnerabilities (needs internet; exit code 3 without)
	@$(BIN)/python -m tests.packaging.audit

lock: ## Write requirements.lock anew after a change of dependencies (.ci/lock --upgrade: newest ones)
	@.ci/lock

clean: ## Remove everything that make has made, but no results
	rm -rf .venv .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
