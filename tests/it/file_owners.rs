//! Files between users of one machine: root's commands on a service of another user, and what others have prepared.
//!
//! What takes a second user is attempted by root only, which alone can be several; it says so where it is not, and what
//! one user can show is shown by any.

use std::fs::{self, File, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::embedded::Two;
use crate::support::eventually::{SOON, eventually};
use crate::support::sidecar::{Sidecar, Workspace, spoken};

/// A user that is neither root nor anybody.
const SERVICE: u32 = 61_001;
/// And another one.
const STRANGER: u32 = 61_002;

fn is_root() -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("not root: what takes a second user is not attempted");
    }
    root
}

fn half() -> (Two, Workspace) {
    let providers = Two::start();
    let workspace = providers.workspace("percent: 50%\nfallback: false");
    (providers, workspace)
}

/// `serin rollback --state DIR` by this process's user, who sees no list of processes.
fn roll_back(workspace: &Workspace, dir: &Path) -> Output {
    let mut command = workspace.command(&["rollback", "--reason", "by hand", "--state", &dir.to_string_lossy()]);
    command.env("SERIN_REGISTRY", "/nonexistent").output().unwrap()
}

fn is_at(sidecar: &Sidecar, percent: f64, phase: &str) {
    eventually(&format!("{percent}% {phase}"), SOON, || {
        (sidecar.percent() == percent && sidecar.phase() == phase).then_some(())
    });
}

/// It is carried out; a slow machine may not have it in force everywhere when it answers.
fn changes(sidecar: &Sidecar, what: &str) {
    let answer = sidecar.change(what);
    assert!((200..300).contains(&answer.status), "{what}: {}", answer.text());
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn root_rolls_back_a_service_of_another_user_by_file() {
    if !is_root() {
        return;
    }
    for locked_before in [false, true] {
        let (_providers, workspace) = half();
        workspace.give_to(SERVICE);
        let sidecar = workspace.start_as(SERVICE);
        if locked_before {
            changes(&sidecar, "rollback");
            changes(&sidecar, "resume");
        }
        is_at(&sidecar, 50.0, "pinned");
        // Nothing but the file is left.
        fs::rename(workspace.state().join("admin.sock"), workspace.state().join("away")).unwrap();
        let said = roll_back(&workspace, &workspace.state());
        assert!(said.status.success(), "{}", spoken(&said));
        is_at(&sidecar, 0.0, "locked");
        let lock = workspace.state().join("locks/chat.json");
        eventually("the lock for all is one for each", SOON, || lock.exists().then_some(()));
        let about = |name: &str| fs::metadata(workspace.state().join(name)).unwrap();
        for name in ["locks", "locks/chat.json"] {
            assert_eq!(
                (about(name).uid(), about(name).gid(), about(name).mode() & 0o077),
                (SERVICE, SERVICE, 0),
                "{name}"
            );
        }
        sidecar.kill();
        let sidecar = workspace.start_as(SERVICE);
        is_at(&sidecar, 0.0, "locked");
        changes(&sidecar, "resume");
        is_at(&sidecar, 50.0, "pinned");
    }
}

#[test]
fn what_root_locks_while_nothing_runs_holds_for_the_service_of_another_user() {
    if !is_root() {
        return;
    }
    // Made by an earlier command of root's that kept it to itself, and not there at all.
    for folder in [true, false] {
        let (_providers, workspace) = half();
        workspace.give_to(SERVICE);
        if folder {
            fs::create_dir(workspace.state().join("locks")).unwrap();
            fs::set_permissions(workspace.state().join("locks"), Permissions::from_mode(0o700)).unwrap();
        }
        let said = roll_back(&workspace, &workspace.state());
        assert_eq!(said.status.code(), Some(1), "{}", spoken(&said));
        is_at(&workspace.start_as(SERVICE), 0.0, "locked");
    }
}

#[test]
fn roots_command_follows_nothing_that_the_services_user_planted() {
    if !is_root() {
        return;
    }
    let (_providers, workspace) = half();
    let victims = tempfile::tempdir().unwrap();
    let precious = victims.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let planted = |name: &str, target: &Path| {
        workspace.give_to(SERVICE);
        let link = workspace.state().join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(SERVICE), Some(SERVICE)).unwrap();
        let said = roll_back(&workspace, &workspace.state());
        let entries = fs::read_dir(victims.path()).unwrap().count();
        assert_eq!(
            (fs::read_to_string(&precious).unwrap().as_str(), entries),
            ("precious", 1),
            "{name}: {}",
            spoken(&said)
        );
        fs::remove_dir_all(workspace.state()).unwrap();
        said
    };
    let said = planted("locks", victims.path());
    assert!(spoken(&said).contains("`locks` is a symbolic link and not a directory"), "{}", spoken(&said));
    for name in ["locks/@all.json", "locks/chat.json", "admin.sock", "in-force.json", "serin.lock", "serin.db"] {
        planted(name, &precious);
    }
    // The directory itself.
    let aside = workspace.state().with_file_name("aside");
    fs::create_dir(&aside).unwrap();
    chown(&aside, Some(SERVICE), Some(SERVICE)).unwrap();
    symlink(victims.path(), aside.join("state")).unwrap();
    std::os::unix::fs::lchown(aside.join("state"), Some(SERVICE), Some(SERVICE)).unwrap();
    let said = roll_back(&workspace, &aside.join("state"));
    assert!(spoken(&said).contains("`state` is a symbolic link of the user 61001"), "{}", spoken(&said));
    assert_eq!(fs::read_dir(victims.path()).unwrap().count(), 1);
}

/// What stands in the place of `locks`, and cannot be read as a folder of locks.
fn in_the_way(kind: &str, locks: &Path) {
    match kind {
        "a file" => fs::write(locks, "").unwrap(),
        "a FIFO" => fifo(locks),
        "a socket" => drop(UnixListener::bind(locks).unwrap()),
        "a link" => symlink("/etc", locks).unwrap(),
        "a dangling link" => symlink("/nonexistent", locks).unwrap(),
        "another user's" => {
            fs::create_dir(locks).unwrap();
            chown(locks, Some(STRANGER), Some(STRANGER)).unwrap();
        }
        other => panic!("{other}"),
    }
}

fn kinds() -> Vec<&'static str> {
    let mut kinds = vec!["a file", "a FIFO", "a socket", "a link", "a dangling link"];
    if is_root() {
        kinds.push("another user's");
    }
    kinds
}

fn is_loud(sidecar: &Sidecar, workspace: &Workspace, kind: &str) {
    is_at(sidecar, 0.0, "blocked");
    let status = sidecar.status();
    let why = status["state"]["locks_error"].as_str().unwrap_or_default();
    assert!(!why.is_empty(), "{kind}: {status}");
    assert!(sidecar.chat()["reason"].as_str().unwrap().contains(why), "{kind}: {}", sidecar.chat());
    let metrics = sidecar.metrics();
    assert!(metrics.contains("serin_locks_readable 0"), "{kind}: {metrics}");
    assert!(workspace.log().contains("every canary is at 0% until they can be read"), "{kind}: {}", workspace.log());
    assert!(
        sidecar.history().iter().any(|event| event["reason"].as_str().unwrap().contains("cannot be read")),
        "{kind}"
    );
    for user in 0..20 {
        assert_eq!(sidecar.arm(&format!("u{user}")), "stable", "{kind}");
    }
}

fn clear(locks: &Path) {
    let about = fs::symlink_metadata(locks).unwrap();
    if about.is_dir() { fs::remove_dir(locks).unwrap() } else { fs::remove_file(locks).unwrap() }
}

#[test]
fn locks_that_cannot_be_read_at_the_start_hold_every_canary_at_0_and_are_told() {
    for kind in kinds() {
        let (_providers, workspace) = half();
        let locks = workspace.state().join("locks");
        fs::create_dir(workspace.state()).unwrap();
        in_the_way(kind, &locks);
        let sidecar = workspace.start();
        is_loud(&sidecar, &workspace, kind);
        // It goes with what was in the way.
        clear(&locks);
        is_at(&sidecar, 50.0, "pinned");
    }
}

#[test]
fn locks_that_can_no_longer_be_read_while_it_runs_hold_every_canary_at_0_as_well() {
    for kind in kinds() {
        let (_providers, workspace) = half();
        let sidecar = workspace.start();
        let locks = workspace.state().join("locks");
        is_at(&sidecar, 50.0, "pinned");
        in_the_way(kind, &locks);
        is_loud(&sidecar, &workspace, kind);
        clear(&locks);
        is_at(&sidecar, 50.0, "pinned");
    }
}

#[test]
fn a_service_that_may_not_enter_its_locks_says_so_and_lifts_nothing() {
    if !is_root() {
        return;
    }
    let (_providers, workspace) = half();
    workspace.give_to(SERVICE);
    let sidecar = workspace.start_as(SERVICE);
    changes(&sidecar, "rollback");
    is_at(&sidecar, 0.0, "locked");
    let locks = workspace.state().join("locks");
    chown(&locks, Some(0), Some(0)).unwrap();
    eventually("it is told", SOON, || sidecar.status()["state"]["locks_error"].as_str().map(drop));
    assert_eq!(sidecar.change("resume").status, 409);
    sidecar.kill();
    let sidecar = workspace.start_as(SERVICE);
    eventually("it is told", SOON, || sidecar.status()["state"]["locks_error"].as_str().map(drop));
    assert_eq!(sidecar.percent(), 0.0);
    chown(&locks, Some(SERVICE), Some(SERVICE)).unwrap();
    is_at(&sidecar, 0.0, "locked");
}

#[test]
fn a_lock_file_that_cannot_be_read_locks_its_rollout_at_0() {
    let mut kinds = vec!["empty", "garbage", "large", "a directory", "a FIFO", "a socket", "a link"];
    if is_root() {
        kinds.push("forbidden");
    }
    for kind in kinds {
        let (_providers, workspace) = half();
        let user = if kind == "forbidden" { SERVICE } else { fs::metadata("/proc/self").unwrap().uid() };
        if kind == "forbidden" {
            workspace.give_to(user);
        }
        fs::create_dir_all(workspace.state().join("locks")).unwrap();
        let lock = workspace.state().join("locks/chat.json");
        match kind {
            "empty" => fs::write(&lock, "").unwrap(),
            "garbage" => fs::write(&lock, b"\x00\xff{").unwrap(),
            "large" => File::create(&lock).unwrap().set_len(1 << 40).unwrap(),
            "a directory" => fs::create_dir(&lock).unwrap(),
            "a FIFO" => fifo(&lock),
            "a socket" => drop(UnixListener::bind(&lock).unwrap()),
            "a link" => symlink("/dev/zero", &lock).unwrap(),
            _ => {
                fs::write(&lock, r#"{"to": 0, "at": 1, "actor": "root", "reason": "by root"}"#).unwrap();
                fs::set_permissions(&lock, Permissions::from_mode(0o600)).unwrap();
                chown(workspace.state().join("locks"), Some(user), Some(user)).unwrap();
            }
        }
        let sidecar = if kind == "forbidden" { workspace.start_as(user) } else { workspace.start() };
        is_at(&sidecar, 0.0, "locked");
        let reason = sidecar.chat()["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("an unreadable lock file") && reason.contains("locks/chat.json"), "{kind}: {reason}");
    }
}

#[test]
fn where_others_may_write_state_has_a_directory_of_its_own_that_commands_find() {
    let (_providers, workspace) = half();
    let named = workspace.state();
    fs::create_dir(&named).unwrap();
    fs::set_permissions(&named, Permissions::from_mode(0o777)).unwrap();
    let sidecar = workspace.start();
    let own = named.join("serin");
    let about = fs::metadata(&own).unwrap();
    assert_eq!(about.mode() & 0o7777, 0o700);
    assert_eq!(sidecar.status()["state"]["dir"], own.to_string_lossy().as_ref());
    let left: Vec<_> = fs::read_dir(&named).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["serin"]);
    is_at(&sidecar, 50.0, "pinned");
    let said = roll_back(&workspace, &named);
    assert!(said.status.success(), "{}", spoken(&said));
    is_at(&sidecar, 0.0, "locked");
    assert!(own.join("locks/chat.json").exists());
    // By the list of processes as well.
    let shown = workspace.run(&["status", "--state", &named.to_string_lossy()]);
    assert!(shown.status.success(), "{}", spoken(&shown));
    sidecar.kill();
    is_at(&workspace.start(), 0.0, "locked");
}

#[test]
fn a_directory_that_a_stranger_made_first_is_not_used_and_nobody_is_on_a_canary() {
    if !is_root() {
        return;
    }
    for shared in [true, false] {
        let (_providers, workspace) = half();
        workspace.give_to(SERVICE);
        let named = workspace.state();
        let made = if shared {
            chown(&named, Some(0), Some(0)).unwrap();
            fs::set_permissions(&named, Permissions::from_mode(0o1777)).unwrap();
            named.join("serin")
        } else {
            named.clone()
        };
        fs::create_dir_all(&made).unwrap();
        fs::set_permissions(&made, Permissions::from_mode(0o755)).unwrap();
        chown(&made, Some(STRANGER), Some(STRANGER)).unwrap();
        let sidecar = workspace.start_as(SERVICE);
        is_at(&sidecar, 0.0, "blocked");
        let error = sidecar.status()["state"]["error"].as_str().unwrap().to_owned();
        assert!(error.contains("it belongs to the user 61002") && error.contains("chown -R 61001"), "{error}");
        assert_eq!(sidecar.arm("u1"), "stable");
        assert_eq!(fs::read_dir(&made).unwrap().count(), 0);
    }
}

#[test]
fn state_that_an_earlier_version_kept_where_others_may_write_is_brought_over() {
    let (_providers, workspace) = half();
    let sidecar = workspace.start();
    changes(&sidecar, "rollback");
    is_at(&sidecar, 0.0, "locked");
    let events = sidecar.history().len();
    sidecar.kill();
    let named = workspace.state();
    fs::set_permissions(&named, Permissions::from_mode(0o777)).unwrap();
    let sidecar = workspace.start();
    is_at(&sidecar, 0.0, "locked");
    assert!(sidecar.history().len() > events);
    assert!(named.join("serin/serin.db").exists() && !named.join("serin.db").exists() && !named.join("locks").exists());
    assert!(workspace.log().contains("is kept in"), "{}", workspace.log());
    sidecar.kill();
    is_at(&workspace.start(), 0.0, "locked");
}

#[test]
fn a_list_entry_of_another_user_is_not_believed_and_gets_no_token() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (_providers, workspace) = half();
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let born = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().to_owned();
    let entry = format!(
        r#"{{"pid":{},"born":"{born}","listen":"{at}","admin":"{at}","sock":null,"state":"/evil","flags":"/x"}}"#,
        std::process::id()
    );
    let status = || {
        let mut command = workspace.command(&["status"]);
        command.env("SERIN_REGISTRY", dir.path().join("serin")).env("SERIN_ADMIN_TOKEN", "a-secret-token");
        spoken(&command.output().unwrap())
    };
    let list = dir.path().join("serin");
    let file = list.join("1-1.json");
    let prepare = |folder: u32, mode: u32, owner: u32| {
        let _ = fs::remove_dir_all(&list);
        fs::create_dir(&list).unwrap();
        fs::write(&file, &entry).unwrap();
        chown(&file, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&list, Permissions::from_mode(mode)).unwrap();
        chown(&list, Some(folder), Some(folder)).unwrap();
    };
    for (folder, mode, owner) in
        [(STRANGER, 0o755, STRANGER), (0, 0o777, 0), (0, 0o755, STRANGER), (STRANGER, 0o755, 0)]
    {
        prepare(folder, mode, owner);
        let said = status();
        assert!(said.contains("are not used"), "{folder} {mode:o} {owner}: {said}");
        assert!(!said.contains("/evil") && !said.contains(&at.to_string()), "{said}");
    }
    // Root's entry about somebody else's process.
    let mut other = Command::new("sleep");
    std::os::unix::process::CommandExt::uid(&mut other, STRANGER);
    let mut other = other.arg("600").spawn().unwrap();
    prepare(0, 0o755, 0);
    let text = entry.replace(&format!("\"pid\":{}", std::process::id()), &format!("\"pid\":{}", other.id()));
    fs::write(&file, text.replace(&born, "")).unwrap();
    let said = status();
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(said.contains("those of the user 61002 are not used"), "{said}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody was asked");
    assert!(TcpStream::connect(at).is_ok());
}

#[test]
fn a_second_sidecar_is_refused_although_the_lock_file_was_removed() {
    let (_providers, workspace) = half();
    let _first = workspace.start();
    fs::remove_file(workspace.state().join("serin.lock")).unwrap();
    let state = workspace.state();
    let flags = workspace.flags();
    let second = workspace.run(&["run", "--flags", &flags.to_string_lossy(), "--state", &state.to_string_lossy()]);
    assert_eq!(second.status.code(), Some(1));
    assert!(spoken(&second).contains("is in use by another serin"), "{}", spoken(&second));
}

#[test]
fn another_process_of_the_same_user_reads_no_key_out_of_a_sidecar() {
    if !is_root() {
        return;
    }
    let (_providers, workspace) = half();
    workspace.give_to(SERVICE);
    let mut sidecar = workspace.start_as(SERVICE);
    let pid = sidecar.process().id();
    let read = |file: &str| {
        let mut command = Command::new("head");
        std::os::unix::process::CommandExt::uid(&mut command, SERVICE);
        command.args(["-c", "1", &format!("/proc/{pid}/{file}")]).output().unwrap().status.success()
    };
    for file in ["environ", "mem", "maps", "auxv"] {
        assert!(!read(file), "{file}");
    }
    assert!(read("status"), "what is no secret can be read");
    // It goes on with its own files, and commands of the same user find it.
    assert_eq!(sidecar.change("rollback").status, 200);
    is_at(&sidecar, 0.0, "locked");
}
