use std::fs::{create_dir, metadata, read_dir, read_to_string, write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::*;

fn folder() -> (tempfile::TempDir, DirHandle) {
    let dir = tempfile::tempdir().unwrap();
    let folder = DirHandle::open(dir.path()).unwrap();
    (dir, folder)
}

#[test]
fn only_a_regular_file_of_bounded_size_is_read() {
    let (dir, folder) = folder();
    let at = |name: &str| dir.path().join(name);
    write(at("file"), "12345").unwrap();
    assert_eq!(folder.read("file", 5).unwrap(), b"12345");
    symlink(at("file"), at("link")).unwrap();
    create_dir(at("directory")).unwrap();
    drop(UnixListener::bind(at("socket")).unwrap());
    assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    let why = |name: &str, largest: u64| {
        let error = folder.read(name, largest).unwrap_err();
        assert!(is_lasting(&error), "{name}: {error}");
        error.to_string()
    };
    assert_eq!(why("file", 4), "it is too large");
    assert_eq!(why("link", 5), "it is a symbolic link");
    assert_eq!(why("directory", 5), "it is a directory");
    assert_eq!(why("socket", 5), "it is a socket");
    assert_eq!(why("fifo", 5), "it is a FIFO");
    assert_eq!(folder.read("nothing", 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    for name in ["link", "directory", "socket", "fifo"] {
        assert!(folder.file_to_write(name, 0o600).is_err(), "{name}");
    }
}

#[test]
fn a_file_is_put_whole_in_place_of_a_link_and_not_through_it() {
    let (dir, folder) = folder();
    let victim = tempfile::tempdir().unwrap();
    let precious = victim.path().join("precious");
    write(&precious, "precious").unwrap();
    symlink(&precious, dir.path().join("file")).unwrap();
    folder.put("file", b"new", 0o640, true).unwrap();
    assert_eq!(read_to_string(&precious).unwrap(), "precious");
    assert_eq!(read_to_string(dir.path().join("file")).unwrap(), "new");
    assert_eq!(metadata(dir.path().join("file")).unwrap().mode() & 0o7777, 0o640);
    // A failure leaves no draft.
    create_dir(dir.path().join("directory")).unwrap();
    assert!(folder.put("directory", b"new", 0o600, false).is_err());
    assert_eq!(read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn links_lead_to_a_directory_and_never_out_of_one() {
    let (dir, folder) = folder();
    create_dir(dir.path().join("real")).unwrap();
    write(dir.path().join("real/file"), "1").unwrap();
    symlink("real", dir.path().join("link")).unwrap();
    // One's own link on the way there.
    assert_eq!(DirHandle::open(&dir.path().join("link/../link")).unwrap().read("file", 1).unwrap(), b"1");
    let error = folder.enter("link").unwrap_err();
    assert_eq!(error.to_string(), "`link` is a symbolic link and not a directory");
    symlink("round", dir.path().join("round")).unwrap();
    assert!(is_lasting(&DirHandle::open(&dir.path().join("round")).unwrap_err()));
    assert_eq!(DirHandle::open(&dir.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    DirHandle::make(&dir.path().join("a/b"), 0o700).unwrap();
    assert_eq!(metadata(dir.path().join("a/b")).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn what_root_writes_belongs_to_the_directorys_owner_and_strangers_links_are_not_followed() {
    const STRANGER: u32 = 61_002;
    if own_uid() != 0 {
        eprintln!("not root: nothing can be given to another user");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(dir.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    let folder = DirHandle::open(dir.path()).unwrap();
    folder.put("file", b"new", 0o600, true).unwrap();
    // Made by root for itself before, and to be made.
    create_dir(dir.path().join("old")).unwrap();
    for name in ["old", "new"] {
        let made = folder.enter_or_make(name, 0o700).unwrap();
        assert_eq!(made.owner(), STRANGER, "{name}");
    }
    drop(folder.file_to_write("lock", 0o600).unwrap());
    for name in ["file", "old", "new", "lock"] {
        let about = metadata(dir.path().join(name)).unwrap();
        assert_eq!((about.uid(), about.gid()), (STRANGER, STRANGER), "{name}");
    }
    let link = dir.path().join("link");
    symlink("/etc", &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(STRANGER), Some(STRANGER)).unwrap();
    let error = DirHandle::open(&link).unwrap_err();
    assert!(error.to_string().contains("`link` is a symbolic link of the user 61002"), "{error}");
}
