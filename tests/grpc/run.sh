#!/usr/bin/env bash
# grpcio, unchanged, on both sides of a running sidecar. The last line is `gRPC: N passed, N failed`.
# SERIN=path/to/serin takes that binary instead of building one.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
work="$target/grpc"
mkdir -p "$work"
# shellcheck source=tests/fetch.sh
. tests/fetch.sh

[ -n "${SERIN:-}" ] || cargo build --quiet --locked --bin serin
export SERIN="${SERIN:-$target/debug/serin}"
need_python

# The copy beside the installation is written last, so that half an installation is done again.
python="$work/venv/bin/python"
if ! "$python" -m pip --version >/dev/null 2>&1; then
    python3 -m venv --clear "$work/venv"
    rm -f "$work/requirements.txt"
fi
if ! cmp -s tests/grpc/requirements.txt "$work/requirements.txt"; then
    twice "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 \
        -r tests/grpc/requirements.txt
    cp tests/grpc/requirements.txt "$work/requirements.txt"
fi

exec timeout "${GRPC_PATIENCE:-240}" "$python" tests/grpc/run.py
