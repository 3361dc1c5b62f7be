# For scripts to source, at the root of the sources and with `target` set: what they need and what is missing here.
# Packages come from apt, and what is unpacked only lies below target/tools.
# shellcheck shell=bash

as_root=(env DEBIAN_FRONTEND=noninteractive)
[ "$(id -u)" = 0 ] || as_root=(sudo -n "${as_root[@]}")

# A registry that fails once, or does not answer, is no failed test.
twice() {
    timeout 180 "$@" || { echo "again in 5 s: $*"; sleep 5; timeout 180 "$@"; }
}

# Suites run side by side: one at a time uses apt and unpacks. Until the function's end, with `release`.
claim() {
    mkdir -p "$target/tools"
    exec {claimed}>"$target/tools/fetch.lock"
    flock "$claimed"
}
release() { exec {claimed}>&-; }

# Once for a script: a list that cannot be renewed may still be good enough.
renew_lists() {
    [ -z "${lists_renewed:-}" ] || return 0
    lists_renewed=1
    "${as_root[@]}" timeout 180 apt-get -qq -o Acquire::Retries=5 update || true
}

# Installs packages.
install_packages() {
    (($#)) || return 0
    echo "== installing $*"
    claim
    renew_lists
    local status=0
    "${as_root[@]}" apt-get -qq -o Acquire::Retries=5 install -y "$@" >/dev/null || status=$?
    release
    return "$status"
}

# Python that makes environments of its own with pip: Debian has a package of its own for that.
need_python() {
    python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3 python3-venv python3-pip
}

# prometheus and promtool. Unpacked and not installed, since the installed package starts a service.
need_prometheus() {
    local at="$target/tools/prometheus"
    if command -v prometheus >/dev/null && command -v promtool >/dev/null; then return; fi
    claim
    if [ ! -x "$at/usr/bin/promtool" ]; then
        echo "== fetching prometheus"
        renew_lists
        rm -rf "$at" "$at.draft"
        mkdir -p "$at.draft"
        (cd "$at.draft" && twice apt-get -qq -o APT::Sandbox::User=root download prometheus)
        dpkg-deb -x "$at.draft"/prometheus_*.deb "$at.draft/unpacked"
        # Moved last, so that half of it is fetched again.
        mv "$at.draft/unpacked" "$at"
        rm -r "$at.draft"
    fi
    release
    PATH="$at/usr/bin:$PATH"
}

# prometheus-alertmanager and amtool. Installed, since the server reads its templates from /usr/share; the service is
# not started.
need_alertmanager() {
    if command -v prometheus-alertmanager >/dev/null && command -v amtool >/dev/null; then return; fi
    local as_root=("${as_root[@]}" RUNLEVEL=1)
    install_packages prometheus-alertmanager
}
