# Millrace: `make demo` shows the whole system at work, `make test` proves it, `make bench` measures it.
#
#   make demo              MySQL changes to a file and an HTTP endpoint, until Ctrl-C
#   make demo SECONDS=20   the same for 20 seconds; fails if any change is missing
#   make test              every test, on real servers
#   make check-broker      faults against the broker under work, its promises checked (make check-broker ROUNDS=200 SEED=1)
#   make check-workers     faults and cut networks against a group of workers (make check-workers SECONDS=600 SEED=1)
#   make fuzz SECONDS=600  hostile bytes for everything that reads them, so many seconds a target
#   make bench             throughput, latency, memory; prints a table (make bench ROWS=1000000)
#   make bench RIVAL="..." the same, and each capture of MySQL by that command as well (target/release/bench --help)

SHELL := bash
SECONDS ?= 0
ROWS ?= 1000000
ROUNDS ?= 200
SEED ?= 1
export MILLRACE_SERVERS ?= $(CURDIR)/target/servers

.PHONY: build demo test check-broker check-workers fuzz bench docs lint cargo

build: cargo
	cargo build --release --locked -p millrace

demo: cargo
	tests/servers/provide --any-of mysql mariadb
	cargo build --release --locked -p millrace -p millrace-tests --bin millrace --bin demo
	target/release/demo --seconds $(SECONDS)

test: cargo
	tests/servers/provide mariadb mysql kcat python-clients kafka-clients
	tests/servers/provide networks || echo "networks cannot be cut here: the group of workers is checked without"
	cargo build --locked -p millrace
	cargo test --locked --workspace --no-fail-fast

check-broker: cargo
	tests/servers/provide confluent-kafka
	cargo build --locked -p millrace -p millrace-tests --bin millrace --bin checker
	target/debug/checker --rounds $(ROUNDS) --seed $(SEED)

check-workers: cargo
	tests/servers/provide networks
	tests/servers/provide --any-of mysql mariadb
	cargo build --locked -p millrace -p millrace-tests --bin millrace --bin checker-workers
	target/debug/checker-workers --with-networks --seconds $(if $(filter 0,$(SECONDS)),600,$(SECONDS)) --seed $(SEED)

fuzz: cargo
	fuzz/run $(if $(filter 0,$(SECONDS)),600,$(SECONDS))

bench: cargo
	tests/servers/provide mysql kcat
	cargo build --release --locked -p millrace -p millrace-tests --bin millrace --bin bench --bin bench-broker --bin bench-connectors --bin bench-workers
	target/release/bench --rows $(ROWS) $(if $(RIVAL),--rival '$(RIVAL)')
	target/release/bench-broker
	target/release/bench-connectors
	target/release/bench-workers

# Writes docs/plugins.md and what else is generated from the code.
docs: cargo
	UPDATE_DOCS=1 cargo test --locked -p millrace-tests --test it docs::

lint: cargo
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

cargo:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.95 or newer (rustup.rs)"; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: install gcc or clang with your system's package manager"; exit 1; }
