#!/usr/bin/env bash
# Makes the image from what `make dist` has built: the last stage of deploy/Dockerfile, with no base image, no registry
# and no daemon. The result is an archive for `docker load` and `podman load`.
#
#   deploy/image/build.sh [SHIPPED]      (the folder in target/shipped where none is named)
set -euo pipefail
cd "$(dirname "$0")/../.."
shipped="${1:-$(echo target/shipped/serin-*/)}"
[ -x "$shipped/serin" ] || { echo "there is no $shipped/serin: run 'make dist'" >&2; exit 1; }
command -v buildah >/dev/null || {
    echo "== installing buildah"
    as_root=(env DEBIAN_FRONTEND=noninteractive)
    [ "$(id -u)" = 0 ] || as_root=(sudo -n "${as_root[@]}")
    "${as_root[@]}" apt-get -qq update
    "${as_root[@]}" apt-get -qq install -y buildah >/dev/null
}
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
deploy/image/root.sh "$shipped" "$work/context/image"
# The first stage is what `make dist` has done already; the second one is taken as it stands.
sed -n '/^FROM scratch$/,$p' deploy/Dockerfile | sed -E 's#^(COPY .*)--from=dist #\1#; s#^(COPY .*)/image/#\1image/#' >"$work/Dockerfile"
version="$("$shipped/serin" -V | cut -d' ' -f2)"
archive="$(realpath -m target/shipped)/serin-$version-image.tar"
mkdir -p "$(dirname "$archive")"
rm -f "$archive"
# Its storage lies in the temporary folder, so that nothing of this machine is touched.
store=(--root "$work/store" --runroot "$work/run" --storage-driver vfs)
buildah "${store[@]}" build --quiet --isolation chroot --format docker --timestamp "$(git log -1 --format=%ct 2>/dev/null || echo 0)" \
    --file "$work/Dockerfile" --tag "localhost/serin:$version" "$work/context" >/dev/null
buildah "${store[@]}" push --quiet "localhost/serin:$version" "docker-archive:$archive:localhost/serin:$version"
echo "$archive: $(stat --format=%s "$archive") bytes; docker load < $archive"
