#!/bin/sh
# Installs Serin as a systemd service: the binary, the units, the man pages and the folders of its configuration.
#
#   systemd/install.sh [flags.yaml]        as root, in the unpacked archive
#
# An existing /etc/serin/flags.yaml is never overwritten; without one, the given file is installed. Running it again
# upgrades. It starts and enables nothing. DESTDIR=DIR installs below DIR, for packages; SERIN=FILE names the binary.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
root="${DESTDIR:-}"
serin="${SERIN:-$here/../serin}"
flags="${1:-}"

fail() {
    echo "install.sh: $1" >&2
    exit 1
}
[ -f "$serin" ] && [ -x "$serin" ] || fail "$serin is not a binary: run this in the unpacked archive, or set SERIN"
[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "root is needed to install to /usr/local and /etc: use sudo, or set DESTDIR"
if [ -n "$flags" ]; then
    [ -f "$flags" ] || fail "$flags does not exist"
    # Keys are not there yet; everything else in the file can be checked.
    "$serin" check --no-secrets "$flags" >/dev/null || fail "$flags has errors; nothing was installed"
fi

install -d -m 0755 "$root/usr/local/bin" "$root/etc/serin" "$root/etc/systemd/system"
install -d -m 0700 "$root/etc/serin/keys"
# A running binary cannot be written to; a new file in its place can be moved there.
install -m 0755 "$serin" "$root/usr/local/bin/.serin.new"
mv -f "$root/usr/local/bin/.serin.new" "$root/usr/local/bin/serin"
install -m 0644 "$here/serin.service" "$here/serin.socket" "$root/etc/systemd/system/"
for page in "$here"/../man/*.1; do
    [ ! -f "$page" ] || install -D -m 0644 -t "$root/usr/local/share/man/man1" "$page"
done
echo "installed /usr/local/bin/serin and the units serin.service and serin.socket"

if [ -e "$root/etc/serin/flags.yaml" ]; then
    [ -z "$flags" ] || echo "kept /etc/serin/flags.yaml, which exists; $flags was not installed"
elif [ -n "$flags" ]; then
    install -m 0644 "$flags" "$root/etc/serin/flags.yaml"
    echo "installed /etc/serin/flags.yaml"
else
    echo "next: write /etc/serin/flags.yaml"
fi
[ -n "$root" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload
echo "next: put keys into /etc/serin/keys, then run: systemctl enable --now serin.socket serin.service"
