#!/usr/bin/env bash
# Makes the pictures of the README from what Serin prints: simulate.png from the page of `serin simulate`, demo.png from
# the screen of `serin demo`. It takes about two minutes, and installs Chromium where it is missing.
#
#   docs/images/render.sh                  SERIN=path/to/serin takes that binary instead of building one
#
# The numbers of demo.png differ from run to run, since the demo has real traffic; those of simulate.png do not.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
work="$target/pictures"
mkdir -p "$work"

missing=()
command -v chromium >/dev/null || missing+=(chromium)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
fc-list 2>/dev/null | grep -q DejaVuSansMono || missing+=(fontconfig fonts-dejavu-core)
if ((${#missing[@]})); then
    echo "== installing ${missing[*]}"
    as_root=(env DEBIAN_FRONTEND=noninteractive)
    [ "$(id -u)" = 0 ] || as_root=(sudo -n "${as_root[@]}")
    "${as_root[@]}" apt-get -qq update
    "${as_root[@]}" apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
fi
python="$work/venv/bin/python"
if ! "$python" -c 'import PIL, pyte' 2>/dev/null; then
    python3 -m venv --clear "$work/venv"
    "$python" -m pip install --quiet --disable-pip-version-check --no-input pillow==12.3.0 pyte==0.8.2
fi
[ -n "${SERIN:-}" ] || cargo build --quiet --locked --bin serin
serin="$(realpath "${SERIN:-$target/debug/serin}")"

# The page at twice its size, without the empty space around it, in few colours.
picture() {
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=2 \
        --user-data-dir="$work/profile" --window-size="$3" --screenshot="$work/full.png" "file://$1" 2>"$work/chromium.log" ||
        { cat "$work/chromium.log" >&2; exit 1; }
    "$python" docs/images/shrink.py "$work/full.png" "$2"
}

"$serin" simulate --flags flags.yaml --canary-errors 20% --quiet --html "$work/simulate.html" >/dev/null
# The first chart says the most; the page goes on below it.
sed -i 's#</style>#section~section,details,footer{display:none}main{padding:16px!important}</style>#
    /http-equiv="content-security-policy"/d' "$work/simulate.html"
picture "$work/simulate.html" docs/images/simulate.png 820,1600

"$python" docs/images/terminal.py "$work/demo.html" "failed for users" "$serin" demo
picture "$work/demo.html" docs/images/demo.png 900,800
