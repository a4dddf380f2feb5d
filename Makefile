# Everything is built in the release profile and in one target folder, so that RocksDB is compiled once.
# Run from here or with `make -C`; CARGO_TARGET_DIR is respected.

SHELL := /bin/bash
export CARGO_TARGET_DIR := $(shell .ci/target-dir)
export PATH := $(shell CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)' .ci/target-dir --tools)/bin:$(PATH)
export TRACE
export CALLER_DIR := $(PWD)

PROFILE := --release --locked
DEMO_ARGS ?=
KILL_ROUNDS ?= 200
LOAD_ARGS ?=
COMPARE_ARGS ?=
COMPARE_PROFILE ?= tuned

.PHONY: help demo test kill-test load ghz load-build compare lint bench-check setup setup-lint setup-peers format clippy deny docs table alone
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

test: setup ## run every test of the workspace
	cargo test $(PROFILE) --workspace

kill-test: setup ## kill -9 a server under load KILL_ROUNDS times on one data folder, compare both halves of the tally each time
	KILL_ROUNDS=$(KILL_ROUNDS) cargo test $(PROFILE) --workspace --test survives_kill_nine -- --nocapture

load: load-build ## run the standard loads, closed and open loops, against a server of its own, audited; figures in target/report/load.json; LOAD_ARGS="..." goes to the suite
	loadtest/with-server $(CARGO_TARGET_DIR)/release/tallystick-loadtest suite $(LOAD_ARGS)

ghz: load-build ## run ghz's profiles against a server of its own, audited; reports in target/report/ghz; installs ghz with Go; GO=/path/to/go if it is not in PATH
	loadtest/with-server loadtest/ghz/run

# One by one, so that RocksDB has the same features as everywhere.
load-build: setup
	cargo build $(PROFILE) -p tallystick-server --bin tallystick
	cargo build $(PROFILE) -p tallystick-loadtest

# Compiled as `make install` does it: server and load run on the same cores, and the peers' own are optimised C.
compare: setup-peers ## run the same debits on Redis, PostgreSQL and Tallystick, in turns, audited; figures in target/report/compare.json; COMPARE_ARGS="..." goes to it
	cargo build --profile $(COMPARE_PROFILE) --locked -p tallystick-server --bin tallystick
	cargo build --profile $(COMPARE_PROFILE) --locked -p tallystick-compare
	exec $(CARGO_TARGET_DIR)/$(COMPARE_PROFILE)/tallystick-compare $(COMPARE_ARGS)

bench-check: setup ## run each benchmark once, as a test
	cargo test $(PROFILE) --workspace --bench '*'

lint: format table clippy deny docs alone ## format, dependency table, clippy, licences and sources, docs, each crate alone

format: setup-lint ## check the formatting
	cargo fmt --all --check

clippy: setup-lint ## run clippy, warnings are errors
	cargo clippy $(PROFILE) --workspace --all-targets -- -D warnings

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

setup-peers:
	@.ci/setup --peers
