#!/usr/bin/env bash
# Builds what ships: one static binary, and what goes with it, as an archive with its checksum.
#
#   deploy/dist/build.sh [FOLDER]        (target/shipped where none is named)
#
# The binary needs no file beside it: musl where its target can be had, else glibc, linked statically in both cases. The
# same commit and toolchain give the same bytes in whatever folder. SERIN_LIBC=gnu asks for glibc. `make dist` is this.
set -euo pipefail
cd "$(dirname "$0")/../.."
here="$PWD"
out="$(realpath -m "${1:-target/shipped}")"
target_dir="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
export CARGO_TARGET_DIR="$target_dir"
largest=12000000

# Inside the checkout the toolchain is the one of rust-toolchain.toml.
sysroot="$(rustc --print sysroot)"
commit_hash="$(rustc -vV | sed -n 's/^commit-hash: //p')"
host="$(rustc -vV | sed -n 's/^host: //p')"
arch="$(uname -m)"
libc="${SERIN_LIBC:-musl}"
if [ "$libc" = musl ] && [ ! -d "$sysroot/lib/rustlib/$arch-unknown-linux-musl" ]; then
    rustup target add "$arch-unknown-linux-musl" || libc=gnu
fi
if [ "$libc" = musl ] && ! command -v musl-gcc >/dev/null; then
    echo "== installing musl-tools"
    as_root=(env DEBIAN_FRONTEND=noninteractive)
    [ "$(id -u)" = 0 ] || as_root=(sudo -n "${as_root[@]}")
    "${as_root[@]}" apt-get -qq update
    "${as_root[@]}" apt-get -qq install -y musl-tools >/dev/null || libc=gnu
fi
target="$arch-unknown-linux-$libc"

# No path of this machine goes into the binary, neither from Rust nor from C. A later rule wins over an earlier one.
cargo_home="${CARGO_HOME:-$HOME/.cargo}"
maps=("$cargo_home=cargo" "$here=serin" "$target_dir=target" "$sysroot/lib/rustlib/src/rust=/rustc/$commit_hash")
rustflags=(-C target-feature=+crt-static -C relocation-model=pie -C "link-arg=-Wl,--build-id=none"
    # What is not marked `inline` is inlined less readily, which keeps the binary below its limit.
    -C llvm-args=--inline-threshold=160
    # The linker that comes with the toolchain: functions with the same code become one.
    -C link-arg=-fuse-ld=lld -C "link-arg=-B$sysroot/lib/rustlib/$host/bin/gcc-ld" -C link-arg=-Wl,--icf=all)
# A third of a megabyte, where the C library is one that knows them.
[ "$libc" != musl ] || rustflags+=(-C "link-arg=-Wl,-z,pack-relative-relocs")
# As in .cargo/config.toml, which this takes the place of.
cflags=(-DMI_DEFAULT_ARENA_EAGER_COMMIT=0)
for map in "${maps[@]}"; do
    rustflags+=("--remap-path-prefix=$map")
    cflags+=("-ffile-prefix-map=$map")
done
join() { local IFS=$'\x1f'; echo "$*"; }
CARGO_ENCODED_RUSTFLAGS="$(join "${rustflags[@]}")"
export CARGO_ENCODED_RUSTFLAGS CFLAGS="${cflags[*]}"
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export SOURCE_DATE_EPOCH

echo "== $target"
cargo build --locked --profile dist --target "$target" --bin serin
serin="$target_dir/$target/dist/serin"

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
