# Everything a person or a CI run does here, by name. The targets are thin: the work is in cargo,
# `crates/xtask` and `crates/testbed`.

DEMO  ?= examples/two-tier.yaml
CARGO ?= cargo

.PHONY: build demo test check bench fuzz ovsdbapp packages

build:
	$(CARGO) build --release --locked -p heddle

packages:
	@tools/install-packages

# Needs root: it makes network namespaces and starts real switches in them.
demo: packages build
	$(CARGO) run --release --locked --quiet -p heddle -- demo $(DEMO) $(DEMO_FLAGS)

test: packages
	@if $(CARGO) nextest --version >/dev/null 2>&1; \
	then echo $(CARGO) nextest run --workspace; $(CARGO) nextest run --locked --workspace; \
	else echo $(CARGO) test --workspace; $(CARGO) test --locked --workspace; fi

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items --quiet
	$(CARGO) xtask layers
	$(CARGO) xtask licences
	$(CARGO) xtask advisories

bench: packages
	$(CARGO) build --release --locked -p heddle -p testbed --bins
	$(CARGO) build --release --locked -p region --example fleet
	$(CARGO) run --release --locked --quiet -p testbed --bin heddle-bench -- $(BENCH_FLAGS)

# FUZZ_SECONDS for each target, FUZZ_TARGETS by name.
fuzz: packages
	fuzz/run $(FUZZ_TARGETS)

# The functional tests of OpenStack's client library, with Heddle as server and compiler.
ovsdbapp: packages
	tools/ovsdbapp
