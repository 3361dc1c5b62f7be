//! Which sidecars run on this machine: one small file each, so that commands find them without being told.
//!
//! A file lies in $SERIN_REGISTRY alone where that is set, else under `serin/` in $XDG_RUNTIME_DIR, else /run, else in a
//! private folder of the temporary directory, and names pid, addresses, state and flags. It is removed at the end; one whose process is gone (by pid and start time,
//! since pids come again) is ignored and cleaned. The registry only helps to find: nothing relies on it being whole.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One running sidecar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its process id.
    pub pid: u32,
    /// The process' start time as the kernel has it; empty where it does not tell.
    pub born: String,
    /// Where the application connects.
    pub listen: String,
    /// Where operators connect.
    pub admin: String,
    /// The socket that needs no token; `None`: it could not be made.
    pub sock: Option<PathBuf>,
    /// Where its state lasts.
    pub state: PathBuf,
    /// Its flags.yaml.
    pub flags: PathBuf,
}

/// A registration, ended when dropped.
#[derive(Debug)]
pub struct Registered(PathBuf);

impl Drop for Registered {
    fn drop(&mut self) {
        // Whoever finds it later sees that the process is gone.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The directories that may hold entries, the one to write into first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry(Vec<PathBuf>);

impl Registry {
    /// Where this system keeps them.
    #[must_use]
    pub fn of_this_system() -> Registry {
        Registry::of(|name| std::env::var_os(name))
    }

    fn of(env: impl Fn(&str) -> Option<OsString>) -> Registry {
        let set = |name: &str| env(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
        if let Some(dir) = set("SERIN_REGISTRY") {
            return Registry::at(dir);
        }
        let mut places = Vec::new();
        if let Some(runtime) = set("XDG_RUNTIME_DIR") {
            places.push(runtime.join("serin"));
        }
        places.push(PathBuf::from("/run/serin"));
        if let Some(uid) = own_uid() {
            places.push(std::env::temp_dir().join(format!("serin-{uid}")));
        }
        Registry(places)
    }

    /// Only this directory: for tests, and for two sidecars that must not see each other.
    #[must_use]
    pub fn at(dir: PathBuf) -> Registry {
        Registry(vec![dir])
    }

    /// Lists this process in the first place that takes it.
    ///
    /// # Errors
    /// The last place's, where none took it.
    pub fn register(&self, entry: &Entry) -> io::Result<Registered> {
        let mut last = io::Error::other("there is no directory for it");
        for dir in &self.0 {
            match write(dir, entry) {
                Ok(path) => return Ok(Registered(path)),
                Err(error) => last = io::Error::new(error.kind(), format!("{}: {error}", dir.display())),
            }
        }
        Err(last)
    }

    /// All that run, by pid; the files of those that are gone are removed.
    #[must_use]
    pub fn running(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.0.iter().filter(|dir| is_ours(dir)).flat_map(|dir| of(dir)).collect();
        entries.sort_by(|one, other| (one.pid, &one.listen).cmp(&(other.pid, &other.listen)));
        entries
    }
}

/// Who this process is to others.
#[must_use]
pub fn own_birth() -> (u32, String) {
    let pid = std::process::id();
    (pid, born(pid).unwrap_or_default())
}

fn write(dir: &Path, entry: &Entry) -> io::Result<PathBuf> {
    // Others may look, only we may write: a command trusts what it finds here.
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    if !is_ours(dir) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"));
    }
    let port = entry.listen.rsplit(':').next().unwrap_or_default();
    let path = dir.join(format!("{}-{port}.json", entry.pid));
    let unfinished = path.with_extension("tmp");
    std::fs::write(&unfinished, serde_json::to_vec(entry)?)?;
    std::fs::rename(&unfinished, &path)?;
    Ok(path)
}

fn of(dir: &Path) -> Vec<Entry> {
    let Ok(files) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut entries = Vec::new();
    for path in files.filter_map(|file| Some(file.ok()?.path())) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let Some(entry) = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Entry>(&text).ok()) else {
            continue;
        };
        if lives(&entry) {
            entries.push(entry);
        } else {
            let _ = std::fs::remove_file(&path);
        }
    }
    entries
}

/// A folder that anybody could have made (the temporary directory is everybody's) counts only when it is our own.
fn is_ours(dir: &Path) -> bool {
    if !dir.starts_with(std::env::temp_dir()) {
        return true;
    }
    std::fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir() && Some(found.uid()) == own_uid())
}

fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|own| own.uid())
}

fn lives(entry: &Entry) -> bool {
    match born(entry.pid) {
        Some(born) => entry.born.is_empty() || entry.born == born,
        // Without /proc nothing can be told, and a stale entry does less harm than a missing one.
        None => !Path::new("/proc/self/stat").exists(),
    }
}

/// The kernel's start time of a process: the 22nd field of its `stat`, counted after the name in parentheses.
fn born(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: u32, born: String, listen: &str) -> Entry {
        Entry {
            pid,
            born,
            listen: listen.into(),
            admin: "127.0.0.1:7172".into(),
            sock: Some("/state/admin.sock".into()),
            state: "/state".into(),
            flags: "/etc/flags.yaml".into(),
        }
    }

    #[test]
    fn the_places_are_as_the_environment_says() {
        let of = |vars: &[(&str, &str)]| {
            Registry::of(|name| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into()))
        };
        let session = ("XDG_RUNTIME_DIR", "/run/user/7");
        assert_eq!(of(&[session, ("SERIN_REGISTRY", "/srv/shop")]), Registry::at("/srv/shop".into()));
        let usual = of(&[session, ("SERIN_REGISTRY", "")]);
        assert_eq!(usual.0[..2], ["/run/user/7/serin", "/run/serin"].map(PathBuf::from));
        assert_eq!(of(&[]).0[0], Path::new("/run/serin"));
    }

    #[test]
    fn a_process_is_found_until_it_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().join("serin"));
        let (pid, born) = own_birth();
        let one = entry(pid, born.clone(), "127.0.0.1:1");
        let other = entry(pid, born, "127.0.0.1:2");
        let registered = registry.register(&one).unwrap();
        let _other = registry.register(&other).unwrap();
        assert_eq!(registry.running(), [one, other.clone()]);
        drop(registered);
        assert_eq!(registry.running(), [other]);
    }

    #[test]
    fn a_dead_process_is_ignored_and_cleaned() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().to_owned());
        let (pid, _) = own_birth();
        // A pid that lives again is somebody else: its start time differs.
        std::mem::forget(registry.register(&entry(pid, "1".into(), "127.0.0.1:1")).unwrap());
        std::mem::forget(registry.register(&entry(4_194_305, "1".into(), "127.0.0.1:2")).unwrap());
        std::fs::write(dir.path().join("broken.json"), "{").unwrap();
        assert_eq!(registry.running(), []);
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, ["broken.json"]);
    }

    #[test]
    fn the_next_place_is_taken_when_one_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let blocked = dir.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let registry = Registry(vec![blocked.join("serin"), dir.path().join("second")]);
        let (pid, born) = own_birth();
        let _registered = registry.register(&entry(pid, born, "127.0.0.1:1")).unwrap();
        assert_eq!(registry.running().len(), 1);
        let error = Registry::at(blocked.join("serin")).register(&entry(1, String::new(), "a:1")).unwrap_err();
        assert!(error.to_string().contains("file/serin: "), "{error}");
    }
}
