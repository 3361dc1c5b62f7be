//! A sidecar takes the place of an earlier version's: it opens what that one left, and serves on where that one stood.
//!
//! `tests/fixtures/README.md` says what was left. That no number of the guard is lost is shown beside the guard, in
//! `src/control/tests/earlier.rs`; here it is the whole process, with two ends: killed, and asked to end.

#[path = "../../src/control/tests/fixture_dirs.rs"]
mod fixture_dirs;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::eventually::{SOON, eventually};
use crate::support::sidecar::{Sidecar, Workspace};
use fixture_dirs::{copy, folders};

/// What the sidecar says now of what the earlier one said when it ended.
fn stands(sidecar: &Sidecar, expected: &Value, when: &str) {
    let chat = sidecar.chat();
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&chat[key], value, "{when}: {key} of {chat}");
    }
    let again = sidecar.history().into_iter().map(|event| event["action"].as_str().unwrap_or_default().to_owned());
    let again: Vec<String> = again.filter(|action| ["notice", "attempt"].contains(&action.as_str())).collect();
    assert!(again.is_empty(), "{when}: {again:?}");
}

fn starts(sidecar: &Sidecar) -> usize {
    let history = sidecar.history();
    history.iter().filter(|event| event["actor"] == "serin" && event["action"] == "start").count()
}

/// The version of a database, from the file's header.
fn version_of(database: &Path) -> u32 {
    u32::from_be_bytes(fs::read(database).unwrap()[60..64].try_into().unwrap())
}

/// Its whole life: started, killed, started, ended, started.
fn goes_on(fixture: &Path) {
    let name = fixture.display().to_string();
    let expected: Value = serde_json::from_slice(&fs::read(fixture.join("status.json")).unwrap()).unwrap();
    let version = version_of(&fixture.join("state/serin.db"));
    let workspace = Workspace::new("");
    fs::copy(fixture.join("flags.yaml"), workspace.flags()).unwrap();
    copy(&fixture.join("state"), &workspace.state());
    let sidecar = workspace.start();
    stands(&sidecar, &expected, &name);
    assert_eq!(starts(&sidecar), 2, "{name}: its history");
    sidecar.kill();
    let mut sidecar = workspace.start();
    stands(&sidecar, &expected, &format!("{name}, killed"));
    sidecar.terminate();
    // Some dozens end at the same time, and each waits for the disk as long as it may.
    assert!(eventually("the sidecar ends", 4 * SOON, || sidecar.has_ended()), "{name}");
    let sidecar = workspace.start();
    stands(&sidecar, &expected, &format!("{name}, ended"));
    assert_eq!(starts(&sidecar), 4, "{name}: its history");
    let kept: Vec<String> =
        fs::read_dir(workspace.state()).unwrap().map(|entry| format!("{:?}", entry.unwrap())).collect();
    assert!(!kept.iter().any(|file| file.contains("unreadable")), "{name}: {kept:?}");
    let copies = kept.iter().filter(|file| file.contains("serin.db.v")).count();
    let own = kept.iter().filter(|file| file.contains(&format!("serin.db.v{version}-"))).count();
    assert_eq!((copies, own), (1, 1), "{name}: what it was is kept beside it: {kept:?}");
}

#[test]
fn a_later_version_goes_on_where_an_earlier_one_ended() {
    let sets = folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state"));
    let fixtures: Vec<PathBuf> = sets.iter().flat_map(|set| folders(set)).collect();
    assert!(fixtures.len() >= 9, "{fixtures:?}");
    std::thread::scope(|scope| {
        for fixture in &fixtures {
            scope.spawn(|| goes_on(fixture));
        }
    });
}
