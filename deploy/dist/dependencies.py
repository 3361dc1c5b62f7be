#!/usr/bin/env python3
"""What of others is in the binary: an SBOM (CycloneDX 1.6) and the text of every licence.

    dependencies.py TARGET sbom > sbom.cdx.json
    dependencies.py TARGET licenses > THIRD-PARTY-LICENSES.txt

Reads `cargo metadata` and the sources that cargo has unpacked. What only tests or the build need is left out. Two runs
write the same bytes. A dependency without a licence, or without a text of it anywhere, is an error.
"""
import json
import re
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = re.compile(r"^(un)?licen[sc]e|^copying|^notice|^copyright", re.IGNORECASE)
SOURCES = re.compile(r"\.(rs|c|h|py|toml|json|html)$", re.IGNORECASE)


def shipped(target):
    """The root package, and all that is linked into the binary: packages by id, and who needs whom."""
    told = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target],
        cwd=ROOT, check=True, stdout=subprocess.PIPE,
    )
    metadata = json.loads(told.stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    needs, waiting = {}, [root]
    while waiting:
        package = waiting.pop()
        if package in needs:
            continue
        needs[package] = sorted(
            dep["pkg"] for dep in nodes[package]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])
        )
        waiting.extend(needs[package])
    # A procedural macro runs in the compiler and leaves nothing of its own behind.
    macros = {p for p in needs if any("proc-macro" in target["kind"] for target in packages[p]["targets"])}
    kept = {root: needs[root]}
    waiting = [root]
    while waiting:
        package = waiting.pop()
        kept[package] = [need for need in needs[package] if need not in macros]
        waiting.extend(need for need in kept[package] if need not in kept)
    return packages, root, kept


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


# C libraries whose sources lie in a package, which advisories know by their own names: where their version stands.
BUNDLED = {
    "libsqlite3-sys": ("sqlite", "blessing", "sqlite3/sqlite3.h", r'define SQLITE_VERSION +"([0-9.]+)"'),
    "zstd-sys": ("zstd", "BSD-3-Clause", "zstd/lib/zstd.h", r"define ZSTD_VERSION_(?:MAJOR|MINOR|RELEASE) +([0-9]+)"),
    "libmimalloc-sys": ("mimalloc", "MIT", "c_src/mimalloc/v2/include/mimalloc.h", r"MI_MALLOC_VERSION +([0-9]+)"),
}


def bundled(package):
    """The C library in a package, as a component of its own."""
    name, licence, header, pattern = BUNDLED[package["name"]]
    text = (Path(package["manifest_path"]).parent / header).read_text(errors="replace")
    parts = re.findall(pattern, text)
    if not parts:
        sys.exit(f"{purl(package)}: {header} does not say which version of {name} it is")
    version = ".".join(parts[:3])
    if version.isdigit():
        # Major, and two digits each for minor and patch.
        number = int(version)
        version = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    return {
        "type": "library", "bom-ref": f"pkg:generic/{name}@{version}", "name": name, "version": version,
        "purl": f"pkg:generic/{name}@{version}", "licenses": [{"expression": licence}],
    }


def sbom(target):
    packages, root, needs = shipped(target)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock["package"]}

    def component(package, kind):
        told = {
            "type": kind, "bom-ref": purl(package), "name": package["name"], "version": package["version"],
            "purl": purl(package), "licenses": [{"expression": expression(package)}],
        }
        checksum = sums.get((package["name"], package["version"]))
        if checksum:
            told["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        if package["repository"]:
            told["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
        return told

    others = sorted((packages[p] for p in needs if p != root), key=purl)
    inner = {purl(package): bundled(package) for package in others if package["name"] in BUNDLED}

    def needed(package):
        own = [inner[purl(packages[package])]["bom-ref"]] if purl(packages[package]) in inner else []
        return sorted(purl(packages[need]) for need in needs[package]) + own

    inside = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {
            "component": component(packages[root], "application"),
            "properties": [{"name": "serin:target", "value": target}],
        },
        "components": [component(package, "library") for package in others] + list(inner.values()),
        "dependencies": sorted(
            ({"ref": purl(packages[p]), "dependsOn": needed(p)} for p in needs),
            key=lambda told: told["ref"],
        ),
    }
    # The same components have the same number.
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(inside, sort_keys=True))
    print(json.dumps({"serialNumber": f"urn:uuid:{number}", **inside}, indent=1))


def expression(package):
    if not package["license"]:
        sys.exit(f"{purl(package)} names no licence")
    # The older way to write OR.
    return package["license"].replace("/", " OR ")


def texts_of(package):
    """Every licence file of a package, those of the C sources in it included."""
    folder = Path(package["manifest_path"]).parent
    found = [p for p in folder.rglob("*") if p.is_file() and TEXTS.match(p.name) and not SOURCES.search(p.name)]
    return {path.relative_to(folder).as_posix(): path.read_text(errors="replace").strip() for path in sorted(found)}


def licenses(target):
    packages, root, needs = shipped(target)
    others = sorted((packages[p] for p in needs if p != root), key=purl)
    texts = {purl(package): texts_of(package) for package in others}
    print("What of others is in serin, under which licence, and the texts of these licences.\n")
    for package in others:
        print(f"{package['name']} {package['version']}: {expression(package)}")
    said = {}
    for package in others:
        own = texts[purl(package)]
        if not own:
            own = lent(package, others, texts)
        for name, text in own.items():
            said.setdefault(text, []).append(f"{package['name']} {package['version']} ({name})")
    print("\nBesides these:\n\n" + (ROOT / "deploy/dist/runtime-notices.txt").read_text().strip())
    for text, whose in said.items():
        print(f"\n{'=' * 100}\n" + "\n".join(whose) + f"\n{'-' * 100}\n\n{text}")


def lent(package, others, texts):
    """The licence of a package whose archive has no copy: that of its repository's other crates, else of the same kind."""
    wanted = expression(package)
    near = [p for p in others if texts[purl(p)] and p["repository"] == package["repository"] and p["repository"]]
    alike = [p for p in others if texts[purl(p)] and expression(p) == wanted]
    for other in near + alike:
        return {f"its archive has no copy; this is {other['name']}'s {n}": t for n, t in texts[purl(other)].items()}
    sys.exit(f"{purl(package)} ({wanted}) has no licence text, and neither has any other like it")


if __name__ == "__main__":
    what = {"sbom": sbom, "licenses": licenses}
    if len(sys.argv) != 3 or sys.argv[2] not in what:
        sys.exit(__doc__)
    what[sys.argv[2]](sys.argv[1])
