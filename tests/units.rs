//! The units of `deploy/systemd` are read by systemd without a complaint, and leave a taken-over sidecar little to do.
//!
//! `systemd-analyze` judges files and needs no systemd that runs; `tests/run.sh` installs it where it is missing.

#![cfg(target_os = "linux")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot run systemd-analyze has failed")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The highest exposure that is accepted, in tenths; systemd calls 10.0 "dangerous" and up to 2.0 "OK".
const MOST_EXPOSED: u32 = 20;

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd").join(name)
}

fn analyze(command: &mut Command) -> Output {
    command.env("SYSTEMD_PAGER", "").output().unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()))
}

/// What `systemd-analyze verify` says of the units, on a machine where the binary is installed.
fn complaints(service: &str, socket: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for folder in ["usr/local/bin", "etc/systemd/system", "usr/lib/systemd/system"] {
        std::fs::create_dir_all(at(folder)).unwrap();
    }
    // The units that every service is ordered by.
    for name in ["sysinit.target", "basic.target", "shutdown.target", "sockets.target", "network-online.target"] {
        std::fs::write(at("usr/lib/systemd/system").join(name), "[Unit]\nDescription=stands for the system's\n")
            .unwrap();
    }
    std::fs::write(at("usr/local/bin/serin"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(at("usr/local/bin/serin"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(at("etc/systemd/system/serin.service"), service).unwrap();
    std::fs::write(at("etc/systemd/system/serin.socket"), socket).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.arg("--root").arg(root.path()).args(["--man=no", "verify", "serin.service", "serin.socket"]);
    let output = analyze(&mut command);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { said } else { format!("{said}{}", output.status) }
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(unit(name)).unwrap()
}

#[test]
fn systemd_reads_the_units_without_a_complaint() {
    let (service, socket) = (text_of("serin.service"), text_of("serin.socket"));
    assert_eq!(complaints(&service, &socket), "");
    let misspelt = service.replace("ProtectSystem=", "ProtectSystme=");
    assert!(complaints(&misspelt, &socket).contains("ProtectSystme"));
}

#[test]
fn the_service_is_hardly_exposed() {
    let threshold = format!("--threshold={MOST_EXPOSED}");
    let exposed = |path: &Path| {
        let mut command = Command::new("systemd-analyze");
        let output = analyze(command.args(["security", "--no-pager", "--offline=true", &threshold]).arg(path));
        (output.status.success(), String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned())
    };
    let (accepted, line) = exposed(&unit("serin.service"));
    assert!(accepted && line.contains("Overall exposure level"), "{line}");
    // The same without its sandbox is not accepted, so the measure measures.
    let dir = tempfile::tempdir().unwrap();
    let bare = dir.path().join("serin.service");
    std::fs::write(&bare, "[Service]\nExecStart=/usr/local/bin/serin run\n").unwrap();
    assert!(!exposed(&bare).0);
}

#[test]
fn the_socket_is_bound_to_the_default_of_the_file() {
    let output = Command::new(env!("CARGO_BIN_EXE_serin")).args(["schema", "--defaults"]).output().unwrap();
    let defaults = String::from_utf8(output.stdout).unwrap();
    let listen = defaults.lines().find_map(|line| line.strip_prefix("listen: ")).unwrap();
    let address = listen.split_whitespace().next().unwrap().trim_matches('"');
    assert!(text_of("serin.socket").contains(&format!("\nListenStream={address}\n")), "{address}");
}

#[test]
fn the_service_stops_no_sooner_than_its_drain() {
    let output = Command::new(env!("CARGO_BIN_EXE_serin")).args(["schema", "--defaults"]).output().unwrap();
    let defaults = String::from_utf8(output.stdout).unwrap();
    assert!(defaults.lines().any(|line| line.starts_with("drain: 10m")), "{defaults}");
    assert!(text_of("serin.service").contains("\nTimeoutStopSec=11min\n"));
}

/// Runs the installer below `root`, with the given arguments: whether it ended well, and what it printed.
fn install(root: &Path, serin: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(unit("install.sh"));
    let command = command.args(arguments).env("DESTDIR", root).env("SERIN", serin);
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

/// A file that is not the sample.
const EDITED: &str =
    "providers: { openai: { base_url: \"https://api.openai.com/v1\" } }\nrollouts: [{ name: all, stable: openai }]\n";

#[test]
fn the_installer_puts_every_file_in_its_place_and_keeps_an_existing_flags_file() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let serin = Path::new(env!("CARGO_BIN_EXE_serin"));
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("flags.yaml");
    let (done, text) = install(&root, serin, &[sample.to_str().unwrap()]);
    assert!(done, "{text}");
    let mode = |path: &str| std::fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("usr/local/bin/serin"), 0o755);
    assert_eq!(mode("etc/serin/keys"), 0o700);
    assert_eq!(mode("etc/serin/flags.yaml"), 0o644);
    let version = Command::new(root.join("usr/local/bin/serin")).arg("--version").output().unwrap();
    assert!(version.status.success());
    for name in ["serin.service", "serin.socket"] {
        let installed = std::fs::read_to_string(root.join("etc/systemd/system").join(name)).unwrap();
        assert_eq!(installed, text_of(name));
    }
    // Again, as for an upgrade: the operator's file stays.
    std::fs::write(root.join("etc/serin/flags.yaml"), EDITED).unwrap();
    let (done, text) = install(&root, serin, &[sample.to_str().unwrap()]);
    assert!(done && text.contains("etc/serin/flags.yaml; "), "{text}");
    assert!(text.contains("next: systemctl restart serin"), "{text}");
    assert_eq!(std::fs::read_to_string(root.join("etc/serin/flags.yaml")).unwrap(), EDITED);
    // One that is broken is found before the restart would find it.
    std::fs::write(root.join("etc/serin/flags.yaml"), "providers: 3\n").unwrap();
    let (done, text) = install(&root, serin, &[]);
    assert!(!done && text.contains("has errors; nothing was installed"), "{text}");
}

#[test]
fn the_installer_refuses_a_broken_flags_file_and_a_missing_binary_before_it_writes() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let broken = dir.path().join("flags.yaml");
    std::fs::write(&broken, "providers: 3\n").unwrap();
    let serin = Path::new(env!("CARGO_BIN_EXE_serin"));
    let (done, text) = install(&root, serin, &[broken.to_str().unwrap()]);
    assert!(!done && text.contains("has errors; nothing was installed"), "{text}");
    let (done, text) = install(&root, &dir.path().join("nothing"), &[]);
    assert!(!done && text.contains("set SERIN"), "{text}");
    let foreign = dir.path().join("foreign");
    std::fs::write(&foreign, "\u{7f}ELF of another machine").unwrap();
    std::fs::set_permissions(&foreign, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (done, text) = install(&root, &foreign, &[]);
    assert!(!done && text.contains("another architecture"), "{text}");
    for (arguments, problem) in [(vec!["--froce"], "no option --froce"), (vec!["a", "b"], "too many arguments")] {
        let (done, text) = install(&root, serin, &arguments);
        assert!(!done && text.contains(problem), "{text}");
    }
    assert!(!root.exists());
}
