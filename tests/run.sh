#!/usr/bin/env bash
# Runs every test and ends with their sum, `N passed, N failed`, alone on the last line.
# On a fresh machine it first installs a C compiler, Python and Node where they are missing.
set -uo pipefail
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target"

missing=()
command -v cc >/dev/null || missing+=(build-essential)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv python3-pip)
command -v npm >/dev/null || missing+=(nodejs npm)
if ((${#missing[@]})); then
    echo "== installing ${missing[*]}"
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq "${missing[@]}" >/dev/null ||
        echo "== could not install ${missing[*]}; what needs them will fail"
fi
command -v cargo >/dev/null || {
    echo "cargo is missing: install Rust from https://rustup.rs (the version is in rust-toolchain.toml)"
    echo "0 passed, 1 failed"
    exit 1
}

passed=0
failed=0
summary=()
add() { # name, passed, failed
    passed=$((passed + $2))
    failed=$((failed + $3))
    summary+=("$(printf '%-28s %5d passed %5d failed' "$1" "$2" "$3")")
}

echo "== cargo test"
log="$target/cargo-test.log"
timeout 1500 cargo test --locked --no-fail-fast 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
read -r ok bad < <(awk '/^test result:/ { ok += $4; bad += $6 } END { print ok + 0, bad + 0 }' "$log")
# A build that fails, or a test binary that dies, has no result line of its own.
if [ "$status" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
add "cargo test" "$ok" "$bad"

echo "== official SDKs"
log="$target/sdk-test.log"
tests/sdk/run.sh 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
read -r ok bad < <(awk '/^[0-9]+ passed, [0-9]+ failed$/ { ok = $1; bad = $3 } END { print ok + 0, bad + 0 }' "$log")
if [ "$status" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
add "official SDKs" "$ok" "$bad"

echo
echo "== summary"
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
