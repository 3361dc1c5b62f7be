#!/usr/bin/env bash
# The dashboard in Chromium, against real sidecars with real providers. The last line is `dashboard: N passed, M failed`.
# It installs Chromium where that is missing. SERIN=path/to/serin takes that binary instead of building one. The
# screenshots are in target/dashboard/pictures; PICTURES=docs/images writes those of the book anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
work="$target/dashboard"
mkdir -p "$work/pictures"

# A registry that stumbles once, or does not answer, is no failed test.
stubborn() {
    timeout 180 "$@" || { echo "again in 5 s: $*"; sleep 5; timeout 180 "$@"; }
}
roots=/etc/ssl/certs/ca-certificates.crt
if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -r "$roots" ]; then export NODE_EXTRA_CA_CERTS="$roots"; fi

missing=()
command -v chromium >/dev/null || missing+=(chromium)
fc-list 2>/dev/null | grep -q DejaVuSans || missing+=(fontconfig fonts-dejavu-core)
if ((${#missing[@]})); then
    echo "== installing ${missing[*]}"
    as_root=(env DEBIAN_FRONTEND=noninteractive)
    [ "$(id -u)" = 0 ] || as_root=(sudo -n "${as_root[@]}")
    "${as_root[@]}" apt-get -qq update
    "${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${missing[@]}" >/dev/null
fi
# The copy beside the installation is written last, so that half an installation is done again.
if ! cmp -s tests/dashboard/package.json "$work/installed.json"; then
    cp tests/dashboard/package.json "$work/package.json"
    stubborn npm --prefix "$work" install --loglevel error --no-audit --no-fund --no-package-lock \
        --fetch-retries 5 --fetch-retry-mintimeout 1000 --fetch-retry-maxtimeout 8000
    cp tests/dashboard/package.json "$work/installed.json"
fi
[ -n "${SERIN:-}" ] || cargo build --quiet --locked --bin serin
export SERIN="${SERIN:-$target/debug/serin}" DASHBOARD_WORK="$work"

if [ -z "${PICTURES:-}" ]; then exec timeout "${DASHBOARD_PATIENCE:-200}" node tests/dashboard/run.mjs; fi

timeout "${DASHBOARD_PATIENCE:-200}" node tests/dashboard/run.mjs
python="$target/pictures/venv/bin/python"
if ! "$python" -c 'import PIL' 2>/dev/null; then
    python3 -m venv --clear "$target/pictures/venv"
    "$python" -m pip install --quiet --disable-pip-version-check --no-input pillow==12.3.0
fi
for name in dashboard dashboard-rollout dashboard-rollback; do
    "$python" docs/images/shrink.py "$work/pictures/$name.png" "$PICTURES/$name.png"
done
