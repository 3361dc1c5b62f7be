//! Which sidecars run on this machine: one small file each, so that commands find them without being told.
//!
//! A file lies in $SERIN_REGISTRY alone where that is set, else under `serin/` in $XDG_RUNTIME_DIR, else /run, else in
//! a private folder of the temporary directory, and names pid, addresses, state and flags. It is removed at the end;
//! one whose process is gone (by pid and start time, since pids come again) is ignored and cleaned. The registry only
//! helps to find: nothing relies on it being whole. Commands send tokens where it leads, so only root's entries and
//! one's own are believed: file, directory and process are all looked at, and those of others are counted and no more.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::decide::typed_json::read_typed;
use crate::store::dir_handle::{DirHandle, is_trusted, own_uid};

/// An entry is a few hundred bytes.
const LARGEST: u64 = 64 * 1024;

/// One running sidecar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryEntry {
    /// Its process id.
    pub pid: u32,
    /// The process' start time as the kernel has it; empty where it does not tell.
    pub born: String,
    /// Where the application connects.
    pub listen: String,
    /// Where it connects over TLS, if there is such a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_tls: Option<String>,
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
pub struct Registration(DirHandle, String);

impl Drop for Registration {
    fn drop(&mut self) {
        // Whoever finds it later sees that the process is gone.
        let _ = self.0.remove(&self.1);
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// All that run and are believed, by pid.
    pub entries: Vec<RegistryEntry>,
    /// Users whose entries are not believed, in order.
    pub others: Vec<u32>,
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
        places.push(std::env::temp_dir().join(format!("serin-{}", own_uid())));
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
    pub fn register(&self, entry: &RegistryEntry) -> io::Result<Registration> {
        let mut last = io::Error::other("there is no directory for it");
        for dir in &self.0 {
            match write(dir, entry) {
                Ok(registered) => return Ok(registered),
                Err(error) => last = io::Error::new(error.kind(), format!("{}: {error}", dir.display())),
            }
        }
        Err(last)
    }

    /// All that run and are believed, by pid; the files of those that are gone are removed.
    #[must_use]
    pub fn running(&self) -> Vec<RegistryEntry> {
        self.listed().entries
    }

    /// The same, and whose entries are not believed.
    #[must_use]
    pub fn listed(&self) -> Listed {
        let mut listed = Listed::default();
        for dir in &self.0 {
            // One that is not there lists nothing.
            if let Ok(folder) = itself(dir) {
                read(&folder, &mut listed);
            }
        }
        listed.entries.sort_by(|one, other| (one.pid, &one.listen).cmp(&(other.pid, &other.listen)));
        listed.others.sort_unstable();
        listed.others.dedup();
        listed
    }
}

/// Who this process is to others.
#[must_use]
pub fn process_identity() -> (u32, String) {
    let pid = std::process::id();
    (pid, born(pid).unwrap_or_default())
}

fn write(dir: &Path, entry: &RegistryEntry) -> io::Result<Registration> {
    DirHandle::make(dir, 0o755)?;
    let folder = itself(dir)?;
    if !is_owner_trusted(&folder) {
        let why = "it belongs to another user, or others may write into it";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let port = entry.listen.rsplit(':').next().unwrap_or_default();
    let name = format!("{}-{port}.json", entry.pid);
    folder.put(&name, &serde_json::to_vec(entry)?, 0o644, false)?;
    Ok(Registration(folder, name))
}

// Never by a link: in a temporary directory anybody may have prepared one.
fn itself(dir: &Path) -> io::Result<DirHandle> {
    match (dir.parent(), dir.file_name().and_then(std::ffi::OsStr::to_str)) {
        (Some(above), Some(name)) => DirHandle::open(above)?.enter(name),
        _ => DirHandle::open(dir),
    }
}

// Others may look, only its owner may write: a command trusts what it finds here.
fn is_owner_trusted(folder: &DirHandle) -> bool {
    is_trusted(folder.owner()) && !folder.is_shared()
}

fn read(folder: &DirHandle, listed: &mut Listed) {
    if !is_owner_trusted(folder) {
        return listed.others.push(folder.owner());
    }
    for name in folder.names().unwrap_or_default() {
        let Some(name) = name.to_str().filter(|name| name.ends_with(".json")) else { continue };
        let Ok((owner, text)) = folder.read_of(name, LARGEST) else { continue };
        if !is_trusted(owner) {
            listed.others.push(owner);
            continue;
        }
        let Ok(entry) = read_typed::<RegistryEntry>(&text) else { continue };
        if !is_running(&entry) {
            let _ = folder.remove(name);
        } else if user_of(entry.pid).is_some_and(|user| user != owner) {
            listed.others.extend(user_of(entry.pid));
        } else {
            listed.entries.push(entry);
        }
    }
}

/// The user that a process acts as.
fn user_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)?.parse().ok()
}

fn is_running(entry: &RegistryEntry) -> bool {
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

    fn entry(pid: u32, born: String, listen: &str) -> RegistryEntry {
        RegistryEntry {
            pid,
            born,
            listen: listen.into(),
            listen_tls: None,
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
        let (pid, born) = process_identity();
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
        let (pid, _) = process_identity();
        // A pid that lives again is somebody else: its start time differs.
        std::mem::forget(registry.register(&entry(pid, "1".into(), "127.0.0.1:1")).unwrap());
        std::mem::forget(registry.register(&entry(4_194_305, "1".into(), "127.0.0.1:2")).unwrap());
        std::fs::write(dir.path().join("broken.json"), "{").unwrap();
        assert_eq!(registry.running(), []);
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, ["broken.json"]);
    }

    #[test]
    fn what_others_could_have_listed_is_not_believed() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (pid, born) = process_identity();
        let real = dir.path().join("real");
        let registered = Registry::at(real.clone()).register(&entry(pid, born.clone(), "127.0.0.1:1")).unwrap();
        let linked = dir.path().join("linked");
        symlink(&real, &linked).unwrap();
        assert_eq!(Registry::at(linked).running(), []);
        // An entry that is a link, and one that is no file.
        symlink(real.join(format!("{pid}-1.json")), real.join("1-1.json")).unwrap();
        std::fs::create_dir(real.join("2-2.json")).unwrap();
        assert_eq!(Registry::at(real.clone()).running().len(), 1);
        set_permissions(&real, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(Registry::at(real.clone()).listed(), Listed { entries: vec![], others: vec![own_uid()] });
        assert!(Registry::at(real.clone()).register(&entry(pid, born, "127.0.0.1:2")).is_err());
        drop(registered);
        assert!(!real.join(format!("{pid}-1.json")).exists());
    }

    #[test]
    fn the_next_place_is_taken_when_one_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let blocked = dir.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let registry = Registry(vec![blocked.join("serin"), dir.path().join("second")]);
        let (pid, born) = process_identity();
        let _registered = registry.register(&entry(pid, born, "127.0.0.1:1")).unwrap();
        assert_eq!(registry.running().len(), 1);
        let error = Registry::at(blocked.join("serin")).register(&entry(1, String::new(), "a:1")).unwrap_err();
        assert!(error.to_string().contains("file/serin: "), "{error}");
    }
}
