#!/usr/bin/env bash
# Lays out what ships beside the binary: documentation, units, manifests, the chart and the examples.
#
#   deploy/dist/assemble.sh BINARY FOLDER
#
# Builds nothing. Paths are those of the repository, so that a link of the documentation leads to the same file in both.
# What is made from the build (completions, man pages, SBOM, licences) is `build.sh`'s.
set -euo pipefail
binary="$(realpath "$1")"
mkdir -p "$2"
tree="$(realpath "$2")"
cd "$(dirname "$0")/../.."

mkdir -p "$tree/deploy" "$tree/examples"
cp -r LICENSE-MIT README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md flags.yaml docs "$tree/"
cp -r deploy/{flags.schema.json,grafana,helm,kubernetes,prometheus,systemd} "$tree/deploy/"
cp -r examples/{README.md,added_cost.py,apps,compose,compose.yaml} "$tree/examples/"
# What an example has installed is not ours to give away.
find "$tree/examples" -depth \( -name node_modules -o -name __pycache__ -o -name .venv \) -exec rm -r {} +
find "$tree" -type d -exec chmod 0755 {} + -o -type f -perm /111 -exec chmod 0755 {} + -o -type f -exec chmod 0644 {} +
install -m 0755 "$binary" "$tree/serin"
