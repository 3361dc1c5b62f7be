#!/usr/bin/env bash
# Is this binary what ships? Static and position-independent, without a path of the machine that built it, and not larger
# than so many bytes.
#
#   deploy/dist/check.sh SERIN [LARGEST]
set -euo pipefail
serin="$1"
largest="${2:-14000000}"
fail() { echo "$serin: $*" >&2; exit 1; }

headers="$(readelf --file-header --program-headers --dynamic --wide "$serin")"
grep -q 'Type: *DYN' <<<"$headers" || fail "is not position-independent"
! grep -q ' INTERP ' <<<"$headers" || fail "needs a dynamic loader"
! grep -q '(NEEDED)' <<<"$headers" || fail "needs shared libraries"
grep -q 'GNU_RELRO' <<<"$headers" || fail "leaves its relocations writable"
grep 'GNU_STACK' <<<"$headers" | grep -qv 'RWE' || fail "has an executable stack"
for path in "$HOME" "$PWD"; do
    # The home of a service user may be /.
    [ "${#path}" -gt 4 ] || continue
    ! grep --text --quiet --fixed-strings "$path/" "$serin" || fail "contains the path $path"
done
size="$(stat --format=%s "$serin")"
[ "$size" -le "$largest" ] || fail "has $size bytes; at most $largest"
"$serin" --version
echo "static, position-independent, $size bytes"
