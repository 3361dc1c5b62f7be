#!/bin/sh
# Installs Serin as a systemd service: the binary, the units, the man pages and the folders of its configuration.
#
#   deploy/systemd/install.sh [flags.yaml]        as root, in the unpacked archive
#
# An existing /etc/serin/flags.yaml is never overwritten; without one, the given file is installed. Running it again
# upgrades the binary and the units. It starts and enables nothing. DESTDIR=DIR installs below DIR, for packages; SERIN=FILE names the binary.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
root="${DESTDIR:-}"
serin="${SERIN:-$here/../../serin}"

fail() {
    echo "install.sh: $1" >&2
    exit 1
}
case "${1:-}" in
-h | --help)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
-*) fail "there is no option $1: see --help" ;;
esac
[ $# -le 1 ] || fail "too many arguments: give flags.yaml, or nothing"
flags="${1:-}"

[ -f "$serin" ] && [ -x "$serin" ] || fail "$serin is not a binary: run this in the unpacked archive, or set SERIN"
"$serin" --version >/dev/null 2>&1 || fail "$serin does not run on this machine: it may be for another architecture"
[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "root is needed to install to /usr/local and /etc: use sudo, or set DESTDIR"
# The file that will be in force. Keys may not be there yet; everything else in it can be checked.
checked="$flags"
[ ! -e "$root/etc/serin/flags.yaml" ] || checked="$root/etc/serin/flags.yaml"
if [ -n "$flags" ] && [ ! -f "$flags" ]; then fail "$flags is not a file"; fi
if [ -n "$checked" ] && ! "$serin" check --no-secrets "$checked" >/dev/null; then
    fail "$checked has errors; nothing was installed"
fi
upgrade=""
[ ! -e "$root/usr/local/bin/serin" ] || upgrade=1

install -d -m 0755 "$root/usr/local/bin" "$root/etc/serin" "$root/etc/systemd/system"
install -d -m 0700 "$root/etc/serin/keys"
# A running binary cannot be written to; a new file in its place can be moved there.
install -m 0755 "$serin" "$root/usr/local/bin/.serin.new"
mv -f "$root/usr/local/bin/.serin.new" "$root/usr/local/bin/serin"
install -m 0644 "$here/serin.service" "$here/serin.socket" "$root/etc/systemd/system/"
for page in "$here"/../../man/*.1; do
    [ ! -f "$page" ] || install -D -m 0644 -t "$root/usr/local/share/man/man1" "$page"
done
echo "installed $root/usr/local/bin/serin and the units serin.service and serin.socket"

if [ -e "$root/etc/serin/flags.yaml" ]; then
    [ -z "$flags" ] || echo "kept $root/etc/serin/flags.yaml; $flags was not installed"
elif [ -n "$flags" ]; then
    install -m 0644 "$flags" "$root/etc/serin/flags.yaml"
    echo "installed $root/etc/serin/flags.yaml"
else
    echo "next: write $root/etc/serin/flags.yaml"
fi
[ -n "$root" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload
if [ -n "$upgrade" ]; then
    echo "next: systemctl restart serin"
else
    echo "next: put keys into $root/etc/serin/keys, then run: systemctl enable --now serin.socket serin.service"
fi
