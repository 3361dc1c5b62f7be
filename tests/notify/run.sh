#!/usr/bin/env bash
# Notifications and incident reports of a running sidecar, against real receivers: the reference library of Standard
# Webhooks and a real Alertmanager. The last line is `notify: N passed, N failed`. SERIN=path/to/serin takes that binary.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
work="$target/notify"
mkdir -p "$work"
# shellcheck source=tests/fetch.sh
. tests/fetch.sh

[ -n "${SERIN:-}" ] || cargo build --quiet --locked --bin serin
export SERIN="${SERIN:-$target/debug/serin}"
need_python
need_alertmanager

# The copy beside the installation is written last, so that half an installation is done again.
python="$work/venv/bin/python"
if ! "$python" -m pip --version >/dev/null 2>&1; then
    python3 -m venv --clear "$work/venv"
    rm -f "$work/requirements.txt"
fi
if ! cmp -s tests/notify/requirements.txt "$work/requirements.txt"; then
    twice "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 \
        -r tests/notify/requirements.txt
    cp tests/notify/requirements.txt "$work/requirements.txt"
fi

exec timeout 180 "$python" tests/notify/run.py
