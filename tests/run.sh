#!/usr/bin/env bash
# Runs every test and ends with their sum, `N passed, N failed`, alone on the last line.
#
# On a fresh machine it first installs a C compiler, Python, Node, git, curl, openssl, jq, sqlite3 and systemd's tools where they
# are missing, and the examples' tests install wget and unpack Prometheus. The tests use the debug build, which is there
# in a fraction of the time. RELEASE=1 also builds the release binary, plays the demo with it, as the README promises, and
# gives it to the SDKs and the examples. FULL=1 takes the full measure of the long tests, which needs many minutes and as
# many open files as the machine allows.
set -uo pipefail
cd "$(dirname "$0")/.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
mkdir -p "$target"
export CARGO_NET_RETRY="${CARGO_NET_RETRY:-10}"
patience=1200
if [ -n "${FULL:-}" ]; then
    ulimit -n "$(ulimit -Hn)"
    export SERIN_REQUESTS=10000 SERIN_STREAMS=2000 SERIN_CUT_STEP=1 SERIN_GUARD_SECONDS=600 SERIN_GRPC_MESSAGES=10000 SDK_PATIENCE=3600
    patience=3600
fi

# Where rustup puts it, for a shell that was not opened anew since.
command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
command -v cargo >/dev/null || {
    echo "cargo is missing: install Rust from https://rustup.rs (the version is in rust-toolchain.toml)"
    echo "0 passed, 1 failed"
    exit 1
}
missing=()
command -v cc >/dev/null || missing+=(build-essential)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv python3-pip)
command -v npm >/dev/null || missing+=(nodejs npm)
command -v git >/dev/null || missing+=(git)
# The commands of README.md and docs/ are run as they stand there.
command -v curl >/dev/null || missing+=(curl)
command -v openssl >/dev/null || missing+=(openssl)
command -v jq >/dev/null || missing+=(jq)
command -v sqlite3 >/dev/null || missing+=(sqlite3)
# Only its tools: systemd-analyze and systemd-socket-activate need no systemd that runs.
command -v systemd-socket-activate >/dev/null || missing+=(systemd)
if ((${#missing[@]})); then
    echo "== installing ${missing[*]}"
    as_root=(env DEBIAN_FRONTEND=noninteractive)
    [ "$(id -u)" = 0 ] || as_root=(sudo -n "${as_root[@]}")
    apt=("${as_root[@]}" apt-get -qq -o Acquire::Retries=5)
    # A list that cannot be renewed may still be good enough.
    "${apt[@]}" update
    "${apt[@]}" install -y "${missing[@]}" >/dev/null ||
        echo "== could not install ${missing[*]}; what needs them will fail"
fi

passed=0
failed=0
summary=()
# A name, the command's exit code, and what it told of passed and failed tests. A build that fails or a test that
# dies tells nothing, and is one failure.
add() {
    local ok=${3:-0} bad=${4:-0}
    if [ "$2" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
    if [ "$ok" = 0 ] && [ "$bad" = 0 ]; then bad=1; fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    summary+=("$(printf '%-14s %5d passed %5d failed %5d s' "$1" "$ok" "$bad" "${took:-$((SECONDS - began))}")")
    began=$SECONDS
}
# Suites with a `run.sh` of their own below tests: a name, the folder, and the word that begins the line of passed and
# failed tests. Two run at a time, since each waits for registries and processes most of the time.
suites=()
# A job in the background does not hear an interrupt by itself.
trap 'kill 0' INT
suite() {
    while (($(jobs -rp | wc -l) >= 2)); do wait -n || true; done
    echo "== $1: started"
    rm -f "$target/$2-test.end"
    suites+=("$1|$2|$3")
    (
        started=$SECONDS
        "tests/$2/run.sh" </dev/null >"$target/$2-test.log" 2>&1
        echo "$? $started $SECONDS" >"$target/$2-test.end"
    ) &
}
# Waits for all suites, and shows what each printed.
collect_suites() {
    local entry name folder word status ok bad ended
    wait
    for entry in "${suites[@]}"; do
        IFS='|' read -r name folder word <<<"$entry"
        echo "== $name"
        cat "$target/$folder-test.log"
        read -r status began ended < <(cat "$target/$folder-test.end" || echo "1 $SECONDS $SECONDS")
        read -r ok bad < <(awk -v line="^$word: [0-9]+ passed, [0-9]+ failed\$" \
            '$0 ~ line { ok = $2; bad = $4 } END { print ok + 0, bad + 0 }' "$target/$folder-test.log")
        took=$((ended - began)) add "$name" "$status" "$ok" "$bad"
    done
    suites=()
    began=$SECONDS
}
began=$SECONDS
# What tests write belongs into directories of their own. New files that git does not ignore may be somebody's work.
export PYTHONDONTWRITEBYTECODE=1
ignored() { git status --porcelain --ignored 2>/dev/null | grep '^!!' | grep -v '^!! target/' | sort; }
there="$(ignored)"

echo "== cargo test"
log="$target/cargo-test.log"
# Only the tests can hang, so only they are timed.
cargo test --locked --no-run 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
# It needs one core for minutes, and the tests wait for clocks and processes much of the time.
release_build=""
if [ -n "${RELEASE:-}" ]; then
    nice cargo build --release --locked </dev/null >"$target/release-build.log" 2>&1 &
    release_build=$!
fi
if [ "$status" = 0 ]; then
    timeout "$patience" cargo test --locked --no-fail-fast </dev/null 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
fi
read -r ok bad < <(awk '/^test result:/ { ok += $4; bad += $6 } END { print ok + 0, bad + 0 }' "$log")
add "cargo test" "$status" "$ok" "$bad"

if [ -n "$release_build" ]; then
    echo "== the demo, on the release binary"
    wait "$release_build"
    built=$?
    cat "$target/release-build.log"
    [ "$built" = 0 ] && timeout 120 "$target/release/serin" demo --once --fast --port 0 </dev/null
    status=$?
    add "release demo" "$status" $((status == 0 ? 1 : 0)) 0
    [ "$status" != 0 ] || export SERIN="${SERIN:-$target/release/serin}"
fi

suite "official SDKs" sdk SDKs
suite OpenFeature ofrep OFREP
suite grpcio grpc gRPC
suite examples examples examples
suite WebSocket websocket websocket
suite Kubernetes kubernetes kubernetes
suite notifications notify notify
suite telemetry telemetry telemetry
suite "shells and man pages" cli cli
collect_suites
# Measures how soon a page is drawn, so nothing runs beside it.
suite dashboard dashboard dashboard
collect_suites

echo "== the book and its links"
docs/build.sh </dev/null
status=$?
add "book" "$status" $((status == 0 ? 1 : 0)) 0

left="$(comm -13 <(echo "$there") <(ignored))"
if [ -n "$left" ]; then
    echo "== left behind in the checkout:"
    echo "$left"
    add "left behind" 1 0 1
fi

echo
echo "== summary"
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
