# What can be done with this repository; `make` lists it.

.DEFAULT_GOAL := help
.PHONY: help run cluster test soak crash test-cluster test-upgrade test-durable durable fuzz check gate gate-accept bench bench-cluster bench-kafka bench-store abuse peers results docs package test-package

help: ## List what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: ## Build a node and start it in development mode; it prints where to look
	./tests/packages build
	cargo run --release -- serve --dev

cluster: ## Build a node, and start three over a Redis and a Kafka behind nginx, on this machine; it prints where to look
	./tests/packages
	cargo build --release
	./examples/cluster/run

test: ## Install what the tests need, and run them all
	./tests/packages
	cargo test --workspace
	./tests/sdk/run

soak: ## Run all simulations over 10,000 seeds (`make soak SEEDS=300 FIRST=5000`: other ones)
	./tests/soak $(SEEDS) $(FIRST)

crash: ## Kill a node 100 times under load of real SDKs; nothing that it acknowledged may be missing (`make crash CRASHES=20`: so often)
	./tests/packages
	CRASHES=$(or $(CRASHES),100) ./tests/sdk/run crash/kills crash/inboxes

test-cluster: ## Test several nodes over Redis through outages as well (some minutes)
	./tests/packages
	cargo test --test cluster --test roles --test notify -- --include-ignored --skip upgraded_one_after_the_other
	cargo test --package ringpost-loadgen --test load -- --include-ignored cluster:: relays::

test-upgrade: ## Test that nodes and roles of this version and of an earlier one run together (`make test-upgrade BEFORE=COMMIT`; it is built first)
	./tests/packages build
	./tests/before $(BEFORE)
	BEFORE_BIN=$(CURDIR)/target/before/ringpost cargo test --test cluster --test roles --test notify -- --ignored upgraded_one_after_the_other

test-durable: ## Install what others keep messages in, and test that the load generator finds what they do not keep
	./benches/peers/install-durable
	cargo test --package ringpost-loadgen --test peers -- --include-ignored keepers

durable: ## Install what others keep messages in, and measure acknowledged publishes beside them and a bare write with its sync; write it to results/ and the README
	./benches/peers/install-durable
	cargo bench --package ringpost-loadgen --bench durable -- --result durable

fuzz: ## Fuzz every parser for a minute, by coverage (`make fuzz SECS=600 TARGETS="http line"`: these for longer)
	./fuzz/run $(or $(SECS),60) $(TARGETS)

check: ## Look at format, lints, licenses and advisories
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo deny --workspace check --hide-inclusion-graph bans licenses sources
	@if timeout 120 cargo deny fetch db 2>/dev/null; then cargo deny --workspace check --disable-fetch advisories; \
	else echo "advisories: not checked, because their database cannot be fetched from here"; fi

gate: ## Count the instructions of the parts; more than 5 % above the baseline fails
	cargo bench --bench instructions

gate-accept: ## Take what is counted now for the baseline
	cargo bench --bench instructions -- --accept

bench: ## Measure beside a floor, what is promised, and as things grow; write it to results/ and the README (half an hour on two quiet cores)
	cargo bench --package ringpost-loadgen --bench node -- --result bench --rounds 15 --idle 18000
	cargo bench --package ringpost-loadgen --bench node -- --result promises --rounds 5 --promises
	cargo bench --package ringpost-loadgen --bench curves -- --result curves

bench-cluster: ## Measure several nodes over Redis beside one alone and Centrifugo's library; write it to results/ and the README (a quarter of an hour)
	./tests/packages
	./benches/peers/install
	cargo bench --package ringpost-loadgen --bench cluster -- --result cluster

bench-kafka: ## Measure a node by way of Kafka beside a bare producer and consumer; write it to results/ and the README (a quarter of an hour)
	./tests/packages
	cargo bench --package ringpost-loadgen --bench kafka -- --result kafka

bench-store: ## Measure the store alone beside bare writes and fjall, starts, the memory of floors, and a node on disk beside one in memory; write it to results/ and the README (some ten minutes)
	./benches/peers/install-store
	cargo bench --package ringpost-loadgen --bench store -- --result store

abuse: ## Measure what a quiet client waits beside those who ask for too much; write it to results/ and the README (some minutes)
	cargo bench --package ringpost-loadgen --bench abuse -- --result abuse

results: ## Check what is in results/, and show the newest in the README
	cargo run --quiet -p ringpost-loadgen -- results check
	cargo run --quiet -p ringpost-loadgen -- results readme

peers: ## Install other servers, and measure them beside the node and its floor; write it to results/ and the README
	./benches/peers/install
	cargo bench --package ringpost-loadgen --bench node -- --peers --result peers --idle 18000

docs: ## Write docs/CONFIG.md and docs/API.md anew from the comments in src/config and src/control/api, and proto/descriptors.bin
	cargo run --quiet -- config docs > target/CONFIG.md
	cargo run --quiet -- api docs > target/API.md
	mv target/CONFIG.md target/API.md docs/
	WRITE_DESCRIPTORS=1 cargo test --quiet --lib the_descriptors_are_those_of_the_files

package: ## Build a deb and a static binary, with their sums, in target/package (a quarter of an hour on two cores)
	./tests/packages package
	./packaging/build

test-package: ## Try both: the deb in a bare Debian 12, the static binary where nothing else is (as root; some minutes)
	./tests/packages package
	./packaging/test
