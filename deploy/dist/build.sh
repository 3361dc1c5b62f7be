#!/usr/bin/env bash
# Builds what ships: one static binary, and what goes with it, as an archive with its checksum.
#
#   deploy/dist/build.sh [FOLDER]        (target/shipped where none is named)
#
# The binary needs no file beside it: musl where its target can be had, else glibc, linked statically in both cases. The
# same commit and toolchain give the same bytes in whatever folder. SERIN_LIBC=gnu asks for glibc. `make dist` is this.
set -euo pipefail
cd "$(dirname "$0")/../.."
out="$(realpath -m "${1:-target/shipped}")"
largest=14000000

# shellcheck source=deploy/dist/compile.sh
. deploy/dist/compile.sh

version="$("$serin" -V | cut -d' ' -f2)"
name="serin-$version-$arch-linux-$libc"
rm -rf "$out"
tree="$out/$name"
deploy/dist/assemble.sh "$serin" "$tree"
mkdir -p "$tree/completions" "$tree/man"
"$serin" completions bash >"$tree/completions/serin.bash"
"$serin" completions zsh >"$tree/completions/_serin"
"$serin" completions fish >"$tree/completions/serin.fish"
# The manual is the same from any build: the quickest one writes it.
env -u CARGO_ENCODED_RUSTFLAGS -u CFLAGS cargo run --quiet --locked --example man_pages -- "$tree/man"
deploy/dist/dependencies.py "$target" sbom >"$tree/sbom.cdx.json"
deploy/dist/dependencies.py "$target" licenses >"$tree/THIRD-PARTY-LICENSES.txt"
find "$tree"/{completions,man,sbom.cdx.json,THIRD-PARTY-LICENSES.txt} -type d -exec chmod 0755 {} + -o -type f -exec chmod 0644 {} +
deploy/dist/check.sh "$tree/serin" "$largest"

(cd "$out" && tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=ustar \
    -cf - "$name" | gzip -9 -n >"$name.tar.gz")
(cd "$out" && sha256sum "$name.tar.gz" "$name/serin" "$name/sbom.cdx.json" >SHA256SUMS)
cat "$out/SHA256SUMS"
