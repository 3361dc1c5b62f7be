//! What `make dist` and `make image` are made of, as far as it can be known without building it: the list of
//! dependencies and their licences, the check of the binary, and the Dockerfile.
//!
//! `make dist-test` runs the results, which takes a build of some minutes.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot run its subject has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(package(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn dependencies(what: &str) -> String {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let output =
        Command::new("python3").arg(package("deploy/dist/dependencies.py")).args([&target, what]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_sbom_has_what_is_linked_and_nothing_else() {
    let written = dependencies("sbom");
    assert_eq!(written, dependencies("sbom"), "two runs write the same bytes");
    let sbom: Value = serde_json::from_str(&written).unwrap();
    assert_eq!((&sbom["bomFormat"], &sbom["specVersion"]), (&Value::from("CycloneDX"), &Value::from("1.6")));
    let components = sbom["components"].as_array().unwrap();
    let names: BTreeSet<&str> = components.iter().map(|component| component["name"].as_str().unwrap()).collect();
    for linked in ["tokio", "hyper", "rustls", "ring", "libsqlite3-sys", "zstd-sys", "libmimalloc-sys"] {
        assert!(names.contains(linked), "{linked}");
    }
    for other in ["serin", "proptest", "rcgen", "clap_mangen", "cc", "serde_derive", "windows-sys"] {
        assert!(!names.contains(other), "{other}");
    }
    // C libraries are known by their own names.
    for bundled in ["sqlite", "zstd", "mimalloc"] {
        let version = |component: &&Value| component["purl"].as_str().unwrap().starts_with("pkg:generic/");
        let bundled = components.iter().filter(version).find(|component| component["name"] == bundled).unwrap();
        assert_eq!(bundled["version"].as_str().unwrap().split('.').count(), 3, "{bundled}");
    }
    let of_cargo = |component: &&Value| component["purl"].as_str().unwrap().starts_with("pkg:cargo/");
    for component in components.iter().filter(of_cargo) {
        assert_eq!(component["hashes"][0]["content"].as_str().map(str::len), Some(64), "{component}");
        assert!(!component["licenses"][0]["expression"].as_str().unwrap().is_empty(), "{component}");
    }
    // Whatever is needed is listed.
    let references: BTreeSet<&str> =
        components.iter().map(|component| component["bom-ref"].as_str().unwrap()).collect();
    for needs in sbom["dependencies"].as_array().unwrap().iter().flat_map(|one| one["dependsOn"].as_array().unwrap()) {
        assert!(references.contains(needs.as_str().unwrap()), "{needs}");
    }
}

#[test]
fn every_licence_comes_with_its_text() {
    let sbom: Value = serde_json::from_str(&dependencies("sbom")).unwrap();
    let licences = dependencies("licenses");
    for component in sbom["components"].as_array().unwrap().iter().filter(|component| !component["hashes"].is_null()) {
        let name = format!("{} {}", component["name"].as_str().unwrap(), component["version"].as_str().unwrap());
        assert!(licences.contains(&format!("\n{name}: ")), "{name} is not listed");
        assert!(licences.contains(&format!("\n{name} (")), "{name} has no text");
    }
    assert!(licences.contains("\nmusl (") && licences.contains("\nSQLite is in the public domain"));
    for words in ["Permission is hereby granted, free of charge", "Apache License", "Mozilla Public License"] {
        assert_eq!(licences.contains(words), words != "Mozilla Public License", "{words}");
    }
}

fn check(arguments: &[&str]) -> Output {
    Command::new(package("deploy/dist/check.sh")).args(arguments).output().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_binary_that_needs_shared_libraries_does_not_ship() {
    let output = check(&[env!("CARGO_BIN_EXE_serin")]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs a dynamic loader"), "{output:?}");
}

#[test]
fn the_image_is_built_by_the_toolchain_of_the_checkout() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.split('"').nth(1).unwrap();
    assert!(text("deploy/Dockerfile").contains(&format!("/rust:{channel}-")), "{channel}");
}

#[test]
fn the_image_has_a_user_without_rights_and_checks_its_own_health() {
    let dockerfile = text("deploy/Dockerfile");
    let last = dockerfile.split("\nFROM scratch\n").nth(1).unwrap();
    assert!(!last.contains("\nRUN "), "there is nothing to run it with");
    for line in ["USER 65532:65532", "ENTRYPOINT [\"/usr/local/bin/serin\"]", "CMD [\"run\"]"] {
        assert!(last.lines().any(|there| there == line), "{line}");
    }
    let health = last.lines().find(|line| line.starts_with("HEALTHCHECK ")).unwrap();
    assert!(health.ends_with("CMD [\"/usr/local/bin/serin\", \"healthcheck\"]"), "{health}");
}

/// The files below a folder, relative to it.
fn files(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).unwrap().to_owned());
        }
    }
}

#[test]
fn in_the_archive_every_link_leads_somewhere_and_the_installer_runs() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("serin-0");
    let binary = Path::new(env!("CARGO_BIN_EXE_serin"));
    let output = Command::new(package("deploy/dist/assemble.sh")).arg(binary).arg(&tree).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut all = Vec::new();
    files(&tree, &tree, &mut all);
    let pages = all.iter().filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let (mut links, mut dead) = (0, Vec::new());
    for page in pages {
        let text = std::fs::read_to_string(tree.join(page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '#']).next()) {
            if link.is_empty() || link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            links += 1;
            if !tree.join(page).parent().unwrap().join(link).exists() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(links > 100 && dead.is_empty(), "{links} links, dead: {dead:#?}");

    let root = dir.path().join("root");
    let mut install = Command::new(tree.join("deploy/systemd/install.sh"));
    let output = install.arg(tree.join("flags.yaml")).env("DESTDIR", &root).env_remove("SERIN").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(root.join("usr/local/bin/serin").exists() && root.join("etc/serin/flags.yaml").exists());
}
