//! Real files, written in every way that people and machines write them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::TempDir;

use super::{FileReader, SETTLE, STILL_WRITING, Wake, Watcher, load};
use crate::flags::{Environment, LoadedFlags, read};

/// Far longer than any report takes; a test that gets none has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn version(number: u32) -> String {
    format!("# version {number}\n")
        + &format!(
            "providers:\n  a: {{ base_url: http://127.0.0.1:1 }}\nrollouts:\n  - {{ name: r{number}, stable: a }}\n"
        )
}

struct Scene {
    directory: TempDir,
    path: PathBuf,
    readings: Receiver<LoadedFlags>,
    watcher: Option<Watcher>,
}

impl Scene {
    /// A file with version 0, watched.
    fn new(inotify: bool) -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.yaml");
        fs::write(&path, version(0)).unwrap();
        Scene::watching(directory, path, inotify)
    }

    fn watching(directory: TempDir, path: PathBuf, inotify: bool) -> Scene {
        let environment = Environment::of(BTreeMap::new());
        let known = read(&path, &environment).hash;
        let (sender, readings) = channel();
        let watcher = Watcher::begin(path.clone(), environment, known, inotify, move |loaded| {
            let _ = sender.send(loaded);
        })
        .unwrap();
        Scene { directory, path, readings, watcher: Some(watcher) }
    }

    fn next(&self) -> LoadedFlags {
        self.readings.recv_timeout(PATIENCE).expect("a new version is reported")
    }

    /// The next report is of this version, and nothing came before it.
    fn expect(&self, number: u32) {
        let loaded = self.next();
        assert_eq!(&*loaded.text, version(number));
        assert_eq!(loaded.result.unwrap().policy.rollouts[0].name, format!("r{number}"));
    }

    fn sibling(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn in_place(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_len(text.len() as u64).unwrap();
}

fn truncate_and_write(path: &Path, text: &str) {
    fs::write(path, "").unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    let (half, rest) = text.split_at(text.len() / 2);
    file.write_all(half.as_bytes()).unwrap();
    file.flush().unwrap();
    file.write_all(rest.as_bytes()).unwrap();
}

fn all_ways(inotify: bool) {
    let scene = Scene::new(inotify);
    for round in 0..3 {
        let number = round * 10;
        in_place(&scene.path, &version(number + 1));
        scene.expect(number + 1);

        truncate_and_write(&scene.path, &version(number + 2));
        scene.expect(number + 2);

        let beside = scene.sibling("flags.yaml.new");
        fs::write(&beside, version(number + 3)).unwrap();
        fs::rename(&beside, &scene.path).unwrap();
        scene.expect(number + 3);

        // An editor: the old file becomes the backup, the new one is written in its place, the backup goes.
        let backup = scene.sibling("flags.yaml~");
        fs::rename(&scene.path, &backup).unwrap();
        fs::write(&scene.path, version(number + 4)).unwrap();
        fs::remove_file(&backup).unwrap();
        scene.expect(number + 4);

        fs::remove_file(&scene.path).unwrap();
        fs::write(&scene.path, version(number + 5)).unwrap();
        scene.expect(number + 5);
    }
}

#[test]
fn every_way_of_writing_is_noticed() {
    all_ways(true);
}

#[test]
fn every_way_of_writing_is_noticed_without_inotify() {
    all_ways(false);
}

#[test]
fn a_configmap_swap_is_noticed() {
    for inotify in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let mount = directory.path().to_owned();
        for number in 0..3 {
            fs::create_dir(mount.join(format!("..v{number}"))).unwrap();
            fs::write(mount.join(format!("..v{number}/flags.yaml")), version(number)).unwrap();
        }
        symlink("..v0", mount.join("..data")).unwrap();
        symlink("..data/flags.yaml", mount.join("flags.yaml")).unwrap();
        let scene = Scene::watching(directory, mount.join("flags.yaml"), inotify);
        for number in 1..3 {
            symlink(format!("..v{number}"), mount.join("..data_tmp")).unwrap();
            fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
            scene.expect(number);
        }
    }
}

#[test]
fn a_symlink_is_followed_when_it_or_its_target_changes() {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let [one, two] = ["one.yaml", "two.yaml"].map(|name| elsewhere.path().join(name));
    fs::write(&one, version(0)).unwrap();
    fs::write(&two, version(1)).unwrap();
    let path = directory.path().join("flags.yaml");
    symlink(&one, &path).unwrap();
    let scene = Scene::watching(directory, path, true);
    fs::remove_file(&scene.path).unwrap();
    symlink(&two, &scene.path).unwrap();
    scene.expect(1);
    fs::write(&two, version(2)).unwrap();
    scene.expect(2);
}

#[test]
fn a_writer_that_never_closes_is_believed_in_the_end() {
    let scene = Scene::new(true);
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(&scene.path).unwrap();
    file.write_all(version(1).as_bytes()).unwrap();
    scene.expect(1);
    drop(file);
}

#[test]
fn a_half_written_file_is_not_taken() {
    // Longer than writers pause, and shorter than the second after which any edit is in force.
    let patience = SETTLE * STILL_WRITING;
    assert!(patience > Duration::from_millis(500) && patience < Duration::from_millis(900), "{patience:?}");
    // The looks are driven by hand: each stands for a wait that ran out.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.yaml");
    fs::write(&path, version(0)).unwrap();
    let (sender, readings) = channel();
    let environment = Environment::of(BTreeMap::new());
    let mut eye =
        FileReader::new(path.clone(), environment, 0, move |loaded: LoadedFlags| sender.send(loaded).unwrap());
    eye.look(true, false);
    eye.look(true, false);
    assert_eq!(&*readings.try_recv().unwrap().text, version(0));

    // Somebody writes and pauses: the half, a good file by itself, must stand still for longer than a pause.
    fs::write(&path, version(1)).unwrap();
    eye.hear(Wake::Writing);
    for _ in 0..STILL_WRITING {
        eye.look(true, false);
        assert!(readings.try_recv().is_err());
    }
    let whole = version(1) + "limits: { connections: 7 }\n";
    fs::write(&path, &whole).unwrap();
    eye.hear(Wake::Writing);
    eye.hear(Wake::Complete);
    assert!(readings.try_recv().is_err());
    eye.look(true, false);
    assert_eq!(&*readings.try_recv().unwrap().text, whole);

    // A truncated file is closed, and only then written.
    fs::write(&path, "").unwrap();
    eye.hear(Wake::Complete);
    eye.look(true, false);
    fs::write(&path, version(2)).unwrap();
    eye.hear(Wake::Complete);
    eye.hear(Wake::Writing);
    eye.look(true, false);
    assert!(readings.try_recv().is_err());
    eye.hear(Wake::Complete);
    eye.look(true, false);
    assert_eq!(&*readings.try_recv().unwrap().text, version(2));
}

#[test]
fn a_file_that_goes_is_told_once_and_its_return_too() {
    for inotify in [true, false] {
        let scene = Scene::new(inotify);
        fs::remove_file(&scene.path).unwrap();
        let gone = scene.next().result.unwrap_err();
        assert!(gone[0].problem.contains("cannot be read"), "{}", gone[0]);
        // The same content as at the start is news again: the error is over.
        fs::write(&scene.path, version(0)).unwrap();
        scene.expect(0);
    }
}

#[test]
fn a_broken_file_is_told_and_mending_it_too() {
    let scene = Scene::new(true);
    fs::write(&scene.path, "providers: [").unwrap();
    assert!(scene.next().result.is_err());
    fs::write(&scene.path, version(0)).unwrap();
    scene.expect(0);
}

#[test]
fn a_changed_secret_is_a_new_version() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("key");
    let path = directory.path().join("flags.yaml");
    fs::write(&secret, "one-key\n").unwrap();
    let text =
        format!("providers:\n  a: {{ base_url: http://127.0.0.1:1, api_keys: \"${{file:{}}}\" }}\n", secret.display());
    fs::write(&path, text).unwrap();
    let scene = Scene::watching(directory, path, true);
    let keys = |loaded: &LoadedFlags| {
        let provider = loaded.result.as_ref().unwrap().policy.providers[0].clone();
        let keys: Vec<String> = provider.api_keys.iter().map(|key| key.reveal().to_owned()).collect();
        (keys, provider.unusable.clone())
    };
    fs::write(&secret, "two-key\nthree-key\n").unwrap();
    let in_use = scene.next();
    assert_eq!(keys(&in_use), (vec!["two-key".to_owned(), "three-key".to_owned()], None));
    fs::remove_file(&secret).unwrap();
    let gone = scene.next();
    let warnings = gone.result.as_ref().unwrap().warnings.clone();
    assert!(warnings[0].contains("cannot be read") && warnings[0].contains("its last value is kept"), "{warnings:?}");
    assert_eq!(keys(&gone), (vec!["two-key".to_owned(), "three-key".to_owned()], None));
    fs::write(&secret, "four-key\n").unwrap();
    assert_eq!(keys(&scene.next()), (vec!["four-key".to_owned()], None));
}

#[test]
fn dropping_it_ends_it() {
    let mut scene = Scene::new(true);
    drop(scene.watcher.take());
    fs::write(&scene.path, version(1)).unwrap();
    // The callback is gone together with its sender.
    assert!(scene.readings.recv().is_err());
    assert!(load(&scene.path).bytes.is_ok());
}

#[test]
fn a_file_that_is_mounted_by_itself_and_was_replaced_is_told_of_once() {
    use std::os::fd::AsRawFd as _;
    let directory = tempfile::tempdir().unwrap();
    let (named, next) = (directory.path().join("flags.yaml"), directory.path().join("next"));
    fs::write(&named, version(0)).unwrap();
    // A path that leads to this very file whatever becomes of its name, as a mount of it does.
    let file = fs::File::open(&named).unwrap();
    let mounted = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let scene = Scene::watching(directory, mounted, false);
    fs::write(&next, version(1)).unwrap();
    fs::rename(&next, &named).unwrap();
    let loaded = scene.next();
    assert_eq!(&*loaded.text, version(0));
    let warnings = loaded.result.unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("replaced at the source of its mount")), "{warnings:?}");
    // It is told once, and an edit of the file itself is seen as before.
    fs::write(&scene.path, version(2)).unwrap();
    assert_eq!(&*scene.next().text, version(2));
}
