#!/usr/bin/env bash
# What `make dist` and `make image` have made, run where there is nothing else. Makes the image if there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
serin="$(echo target/shipped/serin-*/serin)"
[ -x "$serin" ] || { echo "there is no $serin: run 'make dist'" >&2; exit 1; }
deploy/image/build.sh
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
deploy/dist/check.sh "$serin"
echo "== an empty root"
"${as_root[@]}" tests/dist/try.py "$serin"
echo "== the image"
"${as_root[@]}" tests/dist/try.py target/shipped/serin-*-image.tar
