#!/usr/bin/env bash
# The manifests, the chart and `serin inject`, held against the schemas of three versions of Kubernetes, the restricted
# Pod Security Standard and the rules of the usual scanners. No cluster is needed. The last line is
# `kubernetes: N passed, M failed`. SERIN=path/to/serin takes that binary instead of building one.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
work="$target/kubernetes"
mkdir -p "$work"

# shellcheck source=tests/fetch.sh
. tests/fetch.sh
need_python
need_prometheus

[ -n "${SERIN:-}" ] || cargo build --quiet --locked --bin serin
export SERIN="${SERIN:-$target/debug/serin}" KUBERNETES_WORK="$work" PYTHONDONTWRITEBYTECODE=1

# The copy beside the installation is written last, so that half an installation is done again.
python="$work/venv/bin/python"
if ! "$python" -m pip --version >/dev/null 2>&1; then
    python3 -m venv --clear "$work/venv"
    rm -f "$work/requirements.txt"
fi
if ! cmp -s tests/kubernetes/requirements.txt "$work/requirements.txt"; then
    twice "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 \
        -r tests/kubernetes/requirements.txt
    cp tests/kubernetes/requirements.txt "$work/requirements.txt"
fi

exec timeout "${KUBERNETES_PATIENCE:-300}" "$python" tests/kubernetes/run.py
