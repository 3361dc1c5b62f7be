#!/usr/bin/env bash
# WebSocket through a running sidecar, with Python's `websockets` and Node's `ws` at both ends, and a client of HTTP/2.
# The last line is `websocket: N passed, N failed`. SERIN=path/to/serin takes that binary instead of building one.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
work="$target/websocket"
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
if ! cmp -s tests/websocket/requirements.txt "$work/requirements.txt"; then
    stubborn "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 \
        -r tests/websocket/requirements.txt
    cp tests/websocket/requirements.txt "$work/requirements.txt"
fi
if ! cmp -s tests/websocket/package.json "$work/installed.json"; then
    cp tests/websocket/package.json "$work/package.json"
    stubborn npm --prefix "$work" install --loglevel error --no-audit --no-fund --no-package-lock \
        --fetch-retries 5 --fetch-retry-mintimeout 1000 --fetch-retry-maxtimeout 8000
    cp tests/websocket/package.json "$work/installed.json"
fi

exec timeout "${WEBSOCKET_PATIENCE:-300}" "$python" tests/websocket/run.py
