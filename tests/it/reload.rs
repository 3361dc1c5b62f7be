//! flags.yaml is in force soon after it is written, whatever way it is written, and no request notices.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serin::clock;

use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::fault::{Fault, Refusal};
use crate::support::harness::Harness;
use crate::support::load::{Load, all_well};
use crate::support::scripted::Scripted;
use crate::support::sidecar::Workspace;

/// Writes of each kind; enough to meet the watcher at different moments.
const WRITES: usize = 10;
const WORST: Duration = Duration::from_secs(1);

fn in_place(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_len(text.len() as u64).unwrap();
}

fn truncated(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

fn in_two_pieces(path: &Path, text: &str) {
    let mut file = fs::File::create(path).unwrap();
    let (first, second) = text.split_at(text.len() / 2);
    file.write_all(first.as_bytes()).unwrap();
    file.sync_all().unwrap();
    file.write_all(second.as_bytes()).unwrap();
}

fn renamed(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

/// As an editor with backup files does: the old file is moved away and a new one written.
fn saved_by_an_editor(path: &Path, text: &str) {
    let backup = path.with_extension("yaml~");
    fs::rename(path, &backup).unwrap();
    fs::write(path, text).unwrap();
    fs::remove_file(backup).unwrap();
}

/// As kubelet updates a ConfigMap: `flags.yaml -> ..data/flags.yaml`, and `..data` is swapped for another directory.
fn config_map(path: &Path, text: &str) {
    let folder = path.parent().unwrap();
    let (data, unfinished) = (folder.join("..data"), folder.join("..data_tmp"));
    let old = fs::read_link(&data).ok();
    let version = format!("..{}", fastrand::u64(..));
    fs::create_dir(folder.join(&version)).unwrap();
    fs::write(folder.join(&version).join("flags.yaml"), text).unwrap();
    symlink(&version, &unfinished).unwrap();
    fs::rename(&unfinished, &data).unwrap();
    if path.read_link().is_err() {
        symlink("..data/flags.yaml", path.with_extension("link")).unwrap();
        fs::rename(path.with_extension("link"), path).unwrap();
    }
    if let Some(old) = old {
        fs::remove_dir_all(folder.join(old)).unwrap();
    }
}

fn in_force_soon(write: fn(&Path, &str), prepare: bool) {
    let providers = Two::start();
    let text = |percent: &str| Workspace::text(&providers.flags(&format!("percent: {percent}")));
    let workspace = Workspace::new(&providers.flags("percent: 0"));
    if prepare {
        write(&workspace.flags(), &text("0"));
    }
    let sidecar = workspace.start();
    let mut client = sidecar.client();
    let mut waits = Vec::new();
    for turn in 0..WRITES {
        let (percent, arm) = if turn % 2 == 0 { ("100%", "canary") } else { ("0", "stable") };
        write(&workspace.flags(), &text(percent));
        let written = clock::instant();
        eventually("the new version is in force", SOON, || {
            let answer = client.chat("user-1").unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            (answer.arm() == arm).then_some(())
        });
        waits.push(written.elapsed());
    }
    waits.sort();
    println!("in force after {:?} (median), {:?} (worst of {WRITES})", waits[WRITES / 2], waits[WRITES - 1]);
    assert!(waits[WRITES - 1] < WORST, "{waits:?}");
}

#[test]
fn written_in_place() {
    in_force_soon(in_place, false);
}

#[test]
fn truncated_and_written() {
    in_force_soon(truncated, false);
}

#[test]
fn written_in_two_pieces() {
    in_force_soon(in_two_pieces, false);
}

#[test]
fn replaced_by_a_rename() {
    in_force_soon(renamed, false);
}

#[test]
fn saved_by_an_editor_with_a_backup() {
    in_force_soon(saved_by_an_editor, false);
}

#[test]
fn swapped_as_a_config_map() {
    in_force_soon(config_map, true);
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request() {
    let providers = Two::start();
    let flags = |percent: usize| providers.flags(&format!("percent: {percent}%"));
    let sidecar = Harness::start(&flags(50));
    let load = Load::start(sidecar.listen, 4, all_well);
    for turn in 0..100 {
        let before = sidecar.versions();
        // Every third is broken, each in another way.
        match turn % 9 {
            2 => sidecar.workspace().write("rollouts: [ { name"),
            5 => sidecar.workspace().write(&flags(turn).replace("percent", "percnt")),
            8 => sidecar.workspace().write(&flags(turn).replace("canary: newcorp", "canary: nobody")),
            _ => sidecar.workspace().write(&flags(turn % 101)),
        }
        eventually("the version is read", SOON, || (sidecar.versions() > before).then_some(()));
    }
    let status = sidecar.status();
    let (answered, wrong) = load.stop();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(answered > 100, "{answered}");
    assert_eq!(status["flags"]["failures"], 33, "{status}");
}

#[test]
fn a_key_that_was_refused_is_passed_over_after_every_reload() {
    let corp = Scripted::start("corp", |seen| {
        if seen.field("authorization") == Some("Bearer one") {
            Fault::Refuses(Refusal::WrongKey)
        } else {
            Fault::Healthy
        }
    });
    let flags = |connections: usize| {
        format!(
            "providers:\n  corp: {{ base_url: \"{}\", api_keys: [one, two, three], max_connections: {connections} }}\n\
             rollouts:\n  - {{ name: all, stable: corp }}\n",
            corp.base_url()
        )
    };
    let sidecar = Harness::start(&flags(10));
    for turn in 0..7 {
        // A connection each, so that several cores take part.
        let answer = sidecar.client().post("/v1/chat/completions", &[], r#"{"model":"gpt-4"}"#).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let before = sidecar.versions();
        sidecar.workspace().write(&flags(11 + turn));
        eventually("the version is read", SOON, || (sidecar.versions() > before).then_some(()));
    }
    assert_eq!(sidecar.status()["flags"]["generation"], 8);
    let asked = corp.asked().into_iter().filter(|asked| asked.method == "POST");
    let keys: Vec<_> = asked.map(|asked| asked.field("authorization").unwrap().replace("Bearer ", "")).collect();
    assert_eq!(keys, ["one", "two", "two", "two", "two", "two", "two", "two"]);
}

#[test]
fn a_broken_file_changes_nothing_and_is_told() {
    let providers = Two::start();
    let workspace = Workspace::new(&providers.flags("percent: 100%"));
    let sidecar = workspace.start();
    workspace.write(&providers.flags("percent: 150%\nguard: { windw: 5m }"));
    let errors = eventually("the errors are told", SOON, || {
        let errors = sidecar.status()["flags"]["errors"].as_array().unwrap().clone();
        (!errors.is_empty()).then_some(errors)
    });
    let text = format!("{errors:?}");
    assert!(errors.len() >= 2 && text.contains("percent") && text.contains("windw"), "both at once: {text}");
    assert_eq!(sidecar.arm("user-1"), "canary");
    // The next start finds the same broken file, and the last good one beside it.
    sidecar.kill();
    let sidecar = workspace.start();
    assert_eq!(sidecar.arm("user-1"), "canary");
    assert_eq!(sidecar.status()["flags"]["from_last_good"], true);
}
