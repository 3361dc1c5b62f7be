#!/usr/bin/env bash
# Traces, metrics, alerts and the dashboard, held against the tools that they are for: OpenTelemetry's own protobuf
# classes, parsers of both text formats, promtool, and a Prometheus that scrapes a sidecar with traffic. The last line is
# `telemetry: N passed, M failed`. SERIN=path/to/serin takes that binary instead of building one.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
work="$target/telemetry"
mkdir -p "$work"

# shellcheck source=tests/fetch.sh
. tests/fetch.sh
need_python
need_prometheus

[ -n "${SERIN:-}" ] || cargo build --quiet --locked --bin serin
export SERIN="${SERIN:-$target/debug/serin}" PYTHONDONTWRITEBYTECODE=1

# The copy beside the installation is written last, so that half an installation is done again.
python="$work/venv/bin/python"
if ! "$python" -m pip --version >/dev/null 2>&1; then
    python3 -m venv --clear "$work/venv"
    rm -f "$work/requirements.txt"
fi
if ! cmp -s tests/telemetry/requirements.txt "$work/requirements.txt"; then
    twice "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 \
        -r tests/telemetry/requirements.txt
    cp tests/telemetry/requirements.txt "$work/requirements.txt"
fi

exec timeout "${TELEMETRY_PATIENCE:-120}" "$python" tests/telemetry/run.py
