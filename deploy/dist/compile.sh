#!/usr/bin/env bash
# Compiles the binary that ships, for the scripts that source this from the root of the checkout: `target` is set to its
# target, and `serin` to its path.
#
# It is optimised for the work of deploy/dist/profile, whose counts are kept beside the sources, so that the same commit
# still gives the same bytes. PROFILE_OUT=FOLDER gives the binary that counts instead, and writes them there.
here="$PWD"
target_dir="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
export CARGO_TARGET_DIR="$target_dir"

# Inside the checkout the toolchain is the one of rust-toolchain.toml.
sysroot="$(rustc --print sysroot)"
commit_hash="$(rustc -vV | sed -n 's/^commit-hash: //p')"
host="$(rustc -vV | sed -n 's/^host: //p')"
arch="$(uname -m)"
libc="${SERIN_LIBC:-musl}"
if [ "$libc" = musl ] && [ ! -d "$sysroot/lib/rustlib/$arch-unknown-linux-musl" ]; then
    rustup target add "$arch-unknown-linux-musl" || libc=gnu
fi
install() {
    echo "== installing $1"
    local as_root=(env DEBIAN_FRONTEND=noninteractive)
    [ "$(id -u)" = 0 ] || as_root=(sudo -n "${as_root[@]}")
    "${as_root[@]}" apt-get -qq update
    "${as_root[@]}" apt-get -qq install -y "$1" >/dev/null
}
[ "$libc" != musl ] || command -v musl-gcc >/dev/null || install musl-tools || libc=gnu
command -v xz >/dev/null || install xz-utils
target="$arch-unknown-linux-$libc"

# No path of this machine goes into the binary, neither from Rust nor from C. A later rule wins over an earlier one.
cargo_home="${CARGO_HOME:-$HOME/.cargo}"
maps=("$cargo_home=cargo" "$here=serin" "$target_dir=target" "$sysroot/lib/rustlib/src/rust=/rustc/$commit_hash")
rustflags=(-C target-feature=+crt-static -C relocation-model=pie -C "link-arg=-Wl,--build-id=none"
    # What the counts do not show to be hot is inlined less readily, which keeps the binary below its limit.
    -C llvm-args=--inline-threshold=40)
# The linker that comes with the toolchain: functions with the same code become one.
linker="$sysroot/lib/rustlib/$host/bin/gcc-ld"
[ ! -x "$linker/ld.lld" ] ||
    rustflags+=(-C link-arg=-fuse-ld=lld -C "link-arg=-B$linker" -C link-arg=-Wl,--icf=all)
# A third of a megabyte, where the C library is one that knows them.
[ "$libc" != musl ] || rustflags+=(-C "link-arg=-Wl,-z,pack-relative-relocs")
if [ -n "${PROFILE_OUT:-}" ]; then
    rustflags+=(-C "profile-generate=$PROFILE_OUT")
else
    mkdir -p "$target_dir"
    xz -dc deploy/dist/profile/serin.profdata.xz >"$target_dir/serin.profdata"
    # Code that was edited since has no counts: no reason to warn.
    rustflags+=(-C "profile-use=$target_dir/serin.profdata" -C llvm-args=-no-pgo-warn-mismatch)
fi
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
