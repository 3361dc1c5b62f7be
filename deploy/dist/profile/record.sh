#!/usr/bin/env bash
# Counts anew what `make dist` is optimised for, in deploy/dist/profile/serin.profdata.xz: some ten minutes.
#
#   deploy/dist/profile/record.sh
#
# Builds the binary that counts, does the work of load.py with it and sums up. What has no count, since its code was
# edited later, is compiled as it would be without: right, and somewhat slower and larger. Record anew before a release,
# after an update of the compiler, and after a change of the request path. `make profile` is this.
set -euo pipefail
cd "$(dirname "$0")/../../.."
tools="$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin"
[ -x "$tools/llvm-profdata" ] || rustup component add llvm-tools
PROFILE_OUT="$(mktemp -d)"
trap 'rm -rf "$PROFILE_OUT"' EXIT
export LLVM_PROFILE_FILE="$PROFILE_OUT/%p.profraw"
# shellcheck source=deploy/dist/compile.sh
CARGO_TARGET_DIR="$(realpath -m "${CARGO_TARGET_DIR:-target}")/profile" . deploy/dist/compile.sh
python3 deploy/dist/profile/load.py "$serin"
"$tools/llvm-profdata" merge -o "$PROFILE_OUT/serin.profdata" "$PROFILE_OUT"/*.profraw
xz -9c "$PROFILE_OUT/serin.profdata" >deploy/dist/profile/serin.profdata.xz
ls -l deploy/dist/profile/serin.profdata.xz
