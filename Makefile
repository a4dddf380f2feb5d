# Everything is built in one target folder, so that RocksDB is compiled once; tests in the release profile, what is measured
# in the tuned one.
# Run from here or with `make -C`; CARGO_TARGET_DIR is respected.

SHELL := /bin/bash
export CARGO_TARGET_DIR := $(shell .ci/target-dir)
export PATH := $(shell CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)' .ci/target-dir --tools)/bin:$(PATH)
export TRACE
export CALLER_DIR := $(PWD)

PROFILE := --release --locked
TUNED := --profile tuned --locked
BENCH := $(CARGO_TARGET_DIR)/tuned/tallystick-bench
DEMO_ARGS ?=
KILL_ROUNDS ?= 200
DAMAGE_ROUNDS ?= 5
DAMAGE_SEED ?= 1
DRILL_DEBITS ?= 100000
FLOOD_CONNECTIONS ?= 10000
ITERATIONS ?= 400
POWER_ROUNDS ?= 100
POWER_STEPS ?= 60
SEEDS ?= 1000
SIM_ARGS ?=
PLANTED ?=
TIME ?= 60
LOAD_ARGS ?=
BENCH_ARGS ?=
COMPARE_ARGS ?=

.PHONY: help demo test sim sim-planted shuttle fuzz kill-test power-test damage flood restore-drill load ghz load-build bench bench-quick growth scaling compare bench-build lint bench-check setup setup-lint format clippy deny docs table alone
.DEFAULT_GOAL := help

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

# TRACE is looked for in the folder of the caller, which `make -C` leaves, and then in this one.
demo: setup ## build, start a server, pay through it, print the report; TRACE=file.csv replays a trace, DEMO_ARGS="..." goes to the demo
	@args=(); \
	if [ -n "$$TRACE" ]; then \
	    if [ "$${TRACE#/}" = "$$TRACE" ] && [ -e "$$CALLER_DIR/$$TRACE" ]; then TRACE="$$CALLER_DIR/$$TRACE"; fi; \
	    args=(--trace "$$TRACE"); \
	fi; \
	exec cargo run $(PROFILE) -p tallystick-server --bin tallystick -- demo "$${args[@]}" $(DEMO_ARGS)

test: setup ## run every test of the workspace, and read every kept input of the fuzzers
	cargo test $(PROFILE) --workspace
	.ci/fuzz --replay

sim: setup ## live SEEDS fresh seeds of the simulated world, or SEED=n exactly as it always is; SIM_ARGS="--trace" tells each event
	cargo build $(PROFILE) -p tallystick-sim
	TALLYSTICK_REVISION="$$(git describe --always --dirty 2>/dev/null || echo unknown)" \
	    $(CARGO_TARGET_DIR)/release/tallystick-sim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --jobs 2) $(SIM_ARGS)

sim-planted: setup ## plant one bug after another, or those named in PLANTED, and see how many seeds it takes to be found; figures in target/report/planted.json
	src/sim/planted/run $(PLANTED)

shuttle: setup ## run engine, projection and watermark under ITERATIONS schedules of each kind
	ITERATIONS=$(ITERATIONS) RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/shuttle \
	    cargo test $(PROFILE) -p tallystick-journal -p tallystick-engine -p tallystick-projection \
	    --test wakes_whoever_waits_under_any_schedule --test holds_under_any_schedule --test follows_under_any_schedule \
	    -- --nocapture --test-threads 1

fuzz: setup ## let libFuzzer loose on every reader of bytes, TIME seconds each; figures in target/report/fuzz.json
	.ci/fuzz $(TIME)

kill-test: setup ## kill -9 a server under load KILL_ROUNDS times on one data folder, compare both halves of the tally each time
	KILL_ROUNDS=$(KILL_ROUNDS) cargo test $(PROFILE) --workspace --test survives_kill_nine -- --nocapture

power-test: setup ## cut the power under a server POWER_ROUNDS times and at POWER_STEPS steps of its life; TALLYSTICK_BIN=/path runs another build
	POWER_ROUNDS=$(POWER_ROUNDS) POWER_STEPS=$(POWER_STEPS) cargo test $(PROFILE) --workspace --test loses_nothing_when_the_disk_forgets \
	    --test survives_a_power_cut_at_every_step --test finds_debits_after_a_power_cut -- --nocapture --test-threads 1

damage: setup ## damage each kind of file of a data folder in each way, DAMAGE_ROUNDS times, and start a server on it; figures in target/report/damage.json
	@mkdir -p target/report
	DAMAGE_ROUNDS=$(DAMAGE_ROUNDS) DAMAGE_SEED=$(DAMAGE_SEED) DAMAGE_REPORT=$(CURDIR)/target/report/damage.json \
	    cargo test $(PROFILE) --workspace --test finds_damage_anywhere -- --nocapture

flood: setup ## flood a server with FLOOD_CONNECTIONS hostile connections of each kind; figures in target/report/flood.json
	@mkdir -p target/report
	FLOOD_CONNECTIONS=$(FLOOD_CONNECTIONS) FLOOD_SECONDS=3 FLOOD_REPORT=$(CURDIR)/target/report/flood.json \
	    cargo test $(PROFILE) --workspace --test serves_others_through_a_flood -- --nocapture

restore-drill: setup ## back a server up under load, kill it, put it back, print each step; DRILL_DEBITS debits between steps
	DRILL_DEBITS=$(DRILL_DEBITS) cargo test $(PROFILE) --workspace --test restores_what_was_acknowledged -- --nocapture --test-threads 1

load: load-build ## run the standard loads, closed and open loops, against a server of its own, audited; figures in target/report/load.json; LOAD_ARGS="..." goes to the suite
	loadtest/with-server $(CARGO_TARGET_DIR)/release/tallystick-loadtest suite $(LOAD_ARGS)

ghz: load-build ## run ghz's profiles against a server of its own, audited; reports in target/report/ghz; installs ghz with Go; GO=/path/to/go if it is not in PATH
	loadtest/with-server loadtest/ghz/run

# One by one, so that RocksDB has the same features as everywhere.
load-build: setup
	cargo build $(PROFILE) -p tallystick-server --bin tallystick
	cargo build $(PROFILE) -p tallystick-loadtest

bench: bench-build ## measure every promise beside the machine's own ceilings, in about a quarter of an hour; figures in target/report/bench.json
	$(BENCH) full --drawing benches/growth.svg $(BENCH_ARGS)

bench-quick: bench-build ## measure throughput and latency alone, in under a minute
	$(BENCH) quick $(BENCH_ARGS)

growth: bench-build ## measure what a debit and a session cost as sessions and payees grow, and draw benches/growth.svg
	$(BENCH) growth --drawing benches/growth.svg $(BENCH_ARGS)

scaling: bench-build ## measure one core against two, and few locks against many; figures in target/report/scaling.json
	$(BENCH) scaling $(BENCH_ARGS)

# With RocksDB's archive of the release build: another profile would compile it again.
bench-build: setup
	.ci/setup --bench
	.ci/rocksdb-archive cargo build $(TUNED) -p tallystick-server --bin tallystick
	.ci/rocksdb-archive cargo build $(TUNED) -p tallystick-benches --bin tallystick-bench

compare: setup bench-build ## run the same debits on Redis, PostgreSQL and Tallystick, in turns, audited; figures in target/report/compare.json; COMPARE_ARGS="..." goes to it
	.ci/setup --peers
	.ci/rocksdb-archive cargo build $(TUNED) -p tallystick-compare
	exec $(CARGO_TARGET_DIR)/tuned/tallystick-compare $(COMPARE_ARGS)

bench-check: setup ## run each benchmark once, as a test
	cargo test $(PROFILE) --workspace --bench '*'

lint: format table clippy deny docs alone ## format, dependency table, clippy, licences and sources, docs, each crate alone

format: setup-lint ## check the formatting
	cargo fmt --all --check
	cargo fmt --manifest-path src/fuzz/Cargo.toml --check

clippy: setup-lint ## run clippy, warnings are errors
	cargo clippy $(PROFILE) --workspace --all-targets -- -D warnings
	cargo clippy $(PROFILE) --manifest-path src/fuzz/Cargo.toml --lib --examples --test replays_every_corpus -- -D warnings

deny: setup-lint ## check licences, sources and duplicate versions
	cargo deny --locked --workspace check bans licenses sources

docs: setup-lint ## build the docs, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc $(PROFILE) --workspace --no-deps

table: ## check who imports whom
	.ci/dependency-table

alone: setup-lint ## compile each library alone, and core without std
	.ci/alone
	.ci/no-std

setup:
	@.ci/setup

setup-lint:
	@.ci/setup --lint

