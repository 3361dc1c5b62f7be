#!/usr/bin/env bash
# Lays out what goes into the image: what `make dist` has built, the roots of certificates of this machine, a user. In
# FOLDER/root lies what belongs to root, in FOLDER/state what belongs to the user.
#
#   deploy/image/root.sh SHIPPED FOLDER
set -euo pipefail
shipped="$1"
root="$2/root"
state="$2/state/serin"
roots=/etc/ssl/certs/ca-certificates.crt
[ -r "$roots" ] || { echo "there are no $roots: install ca-certificates" >&2; exit 1; }

rm -rf "$2"
for folder in "" /usr/local/bin /usr/share/doc/serin /etc/ssl/certs /etc/serin /var/lib; do
    install -d -m 0755 "$root$folder"
done
install -m 0755 "$shipped/serin" "$root/usr/local/bin/serin"
install -m 0644 "$roots" "$root/etc/ssl/certs/ca-certificates.crt"
install -m 0644 "$shipped/LICENSE-MIT" "$shipped/THIRD-PARTY-LICENSES.txt" "$shipped/sbom.cdx.json" \
    "$root/usr/share/doc/serin/"
echo "serin:x:65532:65532:serin:/var/lib/serin:/sbin/nologin" >"$root/etc/passwd"
echo "serin:x:65532:" >"$root/etc/group"
# A new volume takes owner and mode from here.
install -d -m 0700 "$state"
