#!/usr/bin/env bash
# The examples of examples/, with their real packages, through a running Serin between two embedded providers. The last
# line is `examples: N passed, M failed`. SERIN=path/to/serin takes that binary instead of building one.
#
# Their packages are installed below target/examples, and Prometheus is unpacked below target/tools.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
work="$target/examples"
mkdir -p "$work"

# Node does not know the roots that this machine trusts besides the usual ones, such as that of a company's proxy.
roots=/etc/ssl/certs/ca-certificates.crt
if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -r "$roots" ]; then export NODE_EXTRA_CA_CERTS="$roots"; fi
# shellcheck source=tests/fetch.sh
. tests/fetch.sh
missing=()
command -v npm >/dev/null || missing+=(nodejs npm)
for tool in curl wget; do command -v "$tool" >/dev/null || missing+=("$tool"); done
install_packages "${missing[@]}"
need_python
need_prometheus

[ -n "${SERIN:-}" ] || cargo build --quiet --locked --bin serin
export SERIN="${SERIN:-$target/debug/serin}" EXAMPLES_WORK="$work"

# The copies of the lists are written last, so that half an installation is done again.
python="$work/venv/bin/python"
lists=(examples/apps/*/requirements.txt tests/examples/requirements.txt)
if ! "$python" -m pip --version >/dev/null 2>&1; then
    python3 -m venv --clear "$work/venv"
    rm -f "$work/requirements.txt"
fi
if ! cmp -s <(cat "${lists[@]}") "$work/requirements.txt"; then
    twice "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 "${lists[@]/#/-r}"
    cat "${lists[@]}" >"$work/requirements.txt"
fi
for list in examples/apps/*/package.json; do
    modules="$work/modules/$(basename "$(dirname "$list")")"
    if ! cmp -s "$list" "$modules/installed.json"; then
        mkdir -p "$modules"
        cp "$list" "$modules/package.json"
        twice npm --prefix "$modules" install --loglevel error --no-audit --no-fund --no-package-lock \
            --fetch-retries 5 --fetch-retry-mintimeout 1000 --fetch-retry-maxtimeout 8000
        cp "$list" "$modules/installed.json"
    fi
done

exec timeout 300 "$python" tests/examples/run.py
