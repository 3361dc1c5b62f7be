#!/usr/bin/env bash
# The official SDKs, unchanged, against a running sidecar. The last line is `N passed, N failed`.
# SERIN=path/to/serin takes that binary instead of building one.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
work="$target/sdk"
mkdir -p "$work"

cargo build --quiet --locked --bin serin --example provider
if ! [ -x "$work/venv/bin/python" ]; then
    python3 -m venv "$work/venv"
fi
if ! cmp -s tests/sdk/requirements.txt "$work/requirements.txt"; then
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check -r tests/sdk/requirements.txt
    cp tests/sdk/requirements.txt "$work/requirements.txt"
fi
if ! cmp -s tests/sdk/package.json "$work/package.json" || ! [ -d "$work/node_modules/openai" ]; then
    cp tests/sdk/package.json "$work/package.json"
    (cd "$work" && npm install --silent --no-audit --no-fund --no-package-lock)
fi

export SERIN="${SERIN:-$target/debug/serin}" PROVIDER="$target/debug/examples/provider" NODE_WORK="$work"
exec timeout 300 "$work/venv/bin/python" tests/sdk/run.py
