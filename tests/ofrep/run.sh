#!/usr/bin/env bash
# The OpenFeature clients, unchanged, against a running sidecar: Python, Node and the web client, whose change stream is
# read by a small EventSource of ours, since Node has none. The last line is `OFREP: N passed, M failed`.
# SERIN=path/to/serin takes that binary instead of building one.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
work="$target/ofrep"
mkdir -p "$work"

# A registry that stumbles once, or does not answer, is no failed test.
stubborn() {
    timeout 180 "$@" || { echo "again in 5 s: $*"; sleep 5; timeout 180 "$@"; }
}
# Node does not know the roots that this machine trusts besides the usual ones, such as that of a company's proxy.
roots=/etc/ssl/certs/ca-certificates.crt
if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -r "$roots" ]; then export NODE_EXTRA_CA_CERTS="$roots"; fi

[ -n "${SERIN:-}" ] || cargo build --quiet --locked --bin serin
export SERIN="${SERIN:-$target/debug/serin}" NODE_WORK="$work"

# The copies beside the installations are written last, so that half an installation is done again.
python="$work/venv/bin/python"
if ! "$python" -m pip --version >/dev/null 2>&1; then
    python3 -m venv --clear "$work/venv"
    rm -f "$work/requirements.txt"
fi
if ! cmp -s tests/ofrep/requirements.txt "$work/requirements.txt"; then
    stubborn "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 \
        -r tests/ofrep/requirements.txt
    cp tests/ofrep/requirements.txt "$work/requirements.txt"
fi
if ! cmp -s tests/ofrep/package.json "$work/installed.json"; then
    cp tests/ofrep/package.json "$work/package.json"
    stubborn npm --prefix "$work" install --loglevel error --no-audit --no-fund --no-package-lock \
        --fetch-retries 5 --fetch-retry-mintimeout 1000 --fetch-retry-maxtimeout 8000
    cp tests/ofrep/package.json "$work/installed.json"
fi

exec timeout 90 "$python" tests/ofrep/run.py
