# One road for people and for CI. `make rehearse` and `make test` set up all they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: rehearse test setup lint types contracts unit docs reference format lock

rehearse: $(STAMP)
	$(BIN)/rollback rehearse

# Cheapest first, so that a slip is told in seconds.
test: lint types contracts unit docs

setup: $(STAMP)

# The lock is complete, so nothing is resolved here: a resolver would look at newer releases of what an
# extra names (`coverage[toml]`), and refuse them for want of a hash.
$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

# Many tests wait: for a lease to run out, a swap, another process. So there are two workers a core. A worker that has
# nothing left takes tests of another: given out in portions, the last ones of one worker took minutes.
CORES := $(shell getconf _NPROCESSORS_ONLN)
WORKERS ?= $(shell expr 2 '*' $(CORES))
WAITING = -n $(WORKERS) --dist worksteal
WORKING = -n auto --dist worksteal

# The simulation forks and counts on few threads, so it has processes of its own; it never waits. What needs servers
# from npm is run by `make peers`.
unit: $(STAMP)
	$(BIN)/pytest $(WAITING) --ignore=tests/simulation --ignore=tests/peers
	$(BIN)/pytest $(WORKING) tests/simulation

# Which lines the tests reach. Apart, because a tracer doubles what they take; without the simulation, which runs
# its threads one at a time and has a tracer of each in its way.
.PHONY: coverage
coverage: $(STAMP)
	$(BIN)/pytest $(WORKING) --cov --cov-report=term:skip-covered --ignore=tests/simulation --ignore=tests/peers

# Examples in documents build on each other, so this session keeps their order.
docs: $(STAMP)
	$(BIN)/pytest docs README.md -p no:randomly --no-cov

# Writes the tables of the reference pages and the JSON Schemas anew.
reference: $(STAMP)
	$(BIN)/python -m rollback.loading.reference docs/reference

format: $(STAMP)
	$(BIN)/ruff format .

# Needs the network, and leaves nothing behind but requirements/dev.txt.
lock:
	$(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --quiet uv
	.lock/bin/uv pip compile pyproject.toml --all-extras --group dev --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate --output-file requirements/dev.txt --quiet
	rm -rf .lock

# Every scenario of the rehearsal, each with its stated ending, promises seen from outside.
.PHONY: scenarios crashes
scenarios: $(STAMP)
	$(BIN)/rollback rehearse --scenario all --at-once 3

# Killed, interrupted, terminated or out of disk at random moments, then resumed.
# `make crashes KILLS=200 SEED=7` for more; AT_ONCE rounds are played side by side. WAY=kill keeps to rounds that begin
# so; WAY=limit to those of a full disk, made by a limit on file size as where no small disk can be mounted.
KILLS ?= 12
SEED ?= 1
AT_ONCE ?= 2
crashes: $(STAMP)
	$(BIN)/python -m rollback.rehearsal.kills $(KILLS) $(SEED) $(AT_ONCE) $(WAY)

# Two laptops and one lease, as processes: pressed at once, stopped and woken up. A slice of it is in the suite.
# `make lease-attacks ROUNDS=100 SEED=7`.
.PHONY: lease-attacks
lease-attacks: ROUNDS = 12
lease-attacks: $(STAMP)
	$(BIN)/python -m tests.rehearsal.leases $(ROUNDS) $(SEED)

.PHONY: guard-million guard-benchmark
guard-million: $(STAMP)
	$(BIN)/python -m tests.guard.rules.agreement 1000000

# The normaliser, fuzzed: `make guard-fuzz FUZZ_EXAMPLES=1000000` for longer.
.PHONY: guard-fuzz guard-mutants
FUZZ_EXAMPLES ?= 100000
guard-fuzz: $(STAMP)
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/pytest --no-cov -q tests/guard/rules/test_normal.py \
		-k "never_raises or one_reading"

# Mutants of the guard, each in a fork of one process: no file is changed. A run that is cut off goes on
# from `.mutants/`; what lived is tried again. `make guard-mutants LAYER=wire JOBS=2` for the other half,
# `make guard-mutants LAYER=wire FILE=gate` for one file.
MUTANTS := .mutants
LAYER ?= rules
JOBS ?= 1
guard-mutants: $(STAMP)
	mkdir -p $(MUTANTS)
	test -x $(MUTANTS)/tool/bin/cosmic-ray || $(PYTHON) -m venv $(MUTANTS)/tool
	$(MUTANTS)/tool/bin/python -m pip install --quiet cosmic-ray==8.7.0
	$(BIN)/python -m tests.guard.mutants $(LAYER) $(MUTANTS)/tool/bin/python $(MUTANTS)/$(LAYER).jsonl $(JOBS) $(FILE)

guard-benchmark: $(STAMP)
	$(BIN)/python -m benchmarks.guard

# What is measured against stands in an environment of its own, and in no other list.
PEERS := .peers
$(PEERS)/.installed: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --require-hashes --no-deps -r $<
	touch $@

# Plans made by other interpreters have the same bytes, where the machine has such interpreters.
PYTHONS ?= python3.12 python3.13 python3.14
.PHONY: same-bytes
same-bytes: $(STAMP)
	$(BIN)/python -m tests.planning.same_bytes $(PYTHONS)

.PHONY: plan-benchmark
plan-benchmark: $(STAMP) $(PEERS)/.installed
	$(BIN)/python -m benchmarks.plan $(PEERS)/bin

.PHONY: journal-benchmark
journal-benchmark: $(STAMP) $(PEERS)/.installed
	$(BIN)/python -m benchmarks.journal $(PEERS)/bin

.PHONY: safety-benchmark
safety-benchmark: $(STAMP)
	$(BIN)/python -m benchmarks.safety

.PHONY: proof-benchmark
proof-benchmark: $(STAMP)
	$(BIN)/python -m benchmarks.proof

# Every byte of a small bundle, flipped one at a time: both verifiers name it. A sample of them is in the suite.
.PHONY: bundle-flips
bundle-flips: $(STAMP)
	$(BIN)/python -m tests.evidence.flips

# The command captures into S3, killed at each upload and each moment of it, and resumed: the same bundle, apart from
# times. Some minutes; a slice of it is in the suite. `make capture-kills KILL_EVENTS=200000` for more uploads.
KILL_EVENTS ?= 24000
.PHONY: capture-kills
capture-kills: $(STAMP)
	$(BIN)/python -m tests.evidence.kills $(KILL_EVENTS)

.PHONY: start-benchmark
start-benchmark: $(STAMP)
	$(BIN)/python -m benchmarks.start

# Servers that nobody here wrote, from npm: a Cosmos server under the guard, Azurite under leases, evidence and the
# mirror. Needs Node; each server starts and stops with the tests, on loopback.
.PHONY: peers
peers: $(STAMP)
	npm ci --prefix tests/peers --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error
	$(BIN)/pytest $(WAITING) --no-cov tests/peers

# A million audit events into a folder and into S3, beside what this machine can do at most, a plain script and
# restic (Debian's, where apt-get can install it). `make evidence-benchmark EVENTS=100000 ROUNDS=1` for a quick look.
EVENTS ?= 1000000
ROUNDS ?= 3
.PHONY: evidence-benchmark
evidence-benchmark: $(STAMP)
	command -v restic > /dev/null || apt-get install --yes --quiet restic || echo "without restic"
	nice -n 5 $(BIN)/python -m benchmarks.evidence $(EVENTS) $(ROUNDS)

.PHONY: lease-benchmark
lease-benchmark: $(STAMP)
	$(BIN)/python -m benchmarks.lease
# Plans and reports as HTML in headless Chromium. Needs Node and Chromium; as root it installs them.
.PHONY: browser
browser: $(STAMP)
	tests/browser/run.sh $(abspath $(BIN))/python

# The deterministic simulation: docs/explanation/simulation.md. PLAYBOOK=web-only for one playbook, EVERY=100 for each
# hundredth schedule, SDKS=1 for the floor with the SDKs, KEPT=FOLDER for a run that can be cut and goes on there.
SCHEDULES ?= 1000000
JOBS ?= 2
EVERY ?= 1
SIMULATE = $(BIN)/python -m tests.simulation
CHOSEN = --jobs $(JOBS) --every $(EVERY) $(if $(PLAYBOOK),--playbook $(PLAYBOOK)) $(if $(SDKS),--sdks) $(if $(KEPT),--kept $(KEPT))
.PHONY: simulate simulate-races simulate-crashes simulate-faults simulate-pairs replay mutants
simulate: $(STAMP)
	$(SIMULATE) seeded --schedules $(SCHEDULES) --seed $(SEED) $(CHOSEN)

# Two laptops with one plan.
simulate-races: $(STAMP)
	$(SIMULATE) races --schedules $(SCHEDULES) --seed $(SEED) $(CHOSEN)

simulate-crashes: $(STAMP)
	$(SIMULATE) crashes $(CHOSEN)

simulate-faults: $(STAMP)
	$(SIMULATE) faults $(CHOSEN)

simulate-pairs: $(STAMP)
	$(SIMULATE) pairs $(CHOSEN)

replay: $(STAMP)
	$(SIMULATE) replay --seed $(SEED) $(if $(PLAYBOOK),--playbook $(PLAYBOOK)) $(if $(RACE),--race) $(if $(SDKS),--sdks)

# Known mistakes, planted one by one, each in a fork of one process; each must be caught by the simulation.
mutants: $(STAMP)
	$(BIN)/python -m tests.simulation.mutants
