//! Notices a new flags.yaml, whatever way it is written, and hands over each version once.
//!
//! On a thread of its own, since compiling a file must not hold up anybody else. inotify on the parent directory tells
//! at once (a watch on the file itself goes deaf when an editor or a ConfigMap replaces it); a stat every 50 ms tells
//! where inotify does not: no watches left, network file systems, a symlink whose target lies elsewhere. Stats can tie
//! within one tick of the kernel's clock, so after a change the content is compared for a while.
//!
//! A version is taken when its writer has closed it or renamed it into place (and nobody wrote on for 10 ms: a truncated
//! file is closed, too), or when the content stood still: 25 ms, more where the file is empty or missing,
//! and most of a second where somebody was seen writing and not closing. Time passes here only as waits that
//! ran out, so no clock is read.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::environment::{Environment, FileRead};
use super::loaded_flags::{Loaded, LoadedFlags, load, take};

#[cfg(test)]
mod tests;

/// Between two looks at the file when nothing is going on.
const STAT: Duration = Duration::from_millis(50);
/// Between two looks while a change settles.
const SETTLE: Duration = Duration::from_millis(25);
/// The same when its writer has closed it.
const CLOSED: Duration = Duration::from_millis(10);
/// Closings after which a file is taken although it is closed again and again.
const CLOSINGS: u32 = 10;
/// Unchanged looks after which a version is taken.
const STILL: u32 = 1;
/// The same for one that is empty or missing: most likely more is to come.
const STILL_UNFINISHED: u32 = 5;
/// The same while somebody was seen writing who has not closed it: a slow writer may pause, and half of a file may be a
/// good one by itself. Together with [`SETTLE`] less than a second, for a writer that never closes.
const STILL_WRITING: u32 = 32;
/// Events that may wait for the thread.
const WAITING: usize = 64;
/// Looks after a change in which the content is compared although the stat says that nothing happened.
const WARY: u32 = 20;
/// Looks between two looks at the secrets.
const SECRETS: u32 = 20;

/// Watches one file until it is dropped.
pub struct Watcher {
    wake: SyncSender<Wake>,
    thread: Option<JoinHandle<()>>,
    // Dropping it ends the events.
    _events: Option<RecommendedWatcher>,
}

enum Wake {
    /// A writer has closed our file, or something was renamed into its place.
    Complete,
    /// Somebody writes to our file.
    Writing,
    /// Something else happened to it.
    Changed,
    Stop,
}

impl Watcher {
    /// Begins to watch. Each new version, good or bad, is handed to `on_reading` on the watcher's thread, except for one
    /// with the hash `known`. Fails only when no thread can be started.
    pub fn start(
        path: PathBuf,
        environment: Environment,
        known: u64,
        on_reading: impl FnMut(LoadedFlags) + Send + 'static,
    ) -> std::io::Result<Watcher> {
        Watcher::begin(path, environment, known, true, on_reading)
    }

    fn begin(
        path: PathBuf,
        environment: Environment,
        known: u64,
        inotify: bool,
        on_reading: impl FnMut(LoadedFlags) + Send + 'static,
    ) -> std::io::Result<Watcher> {
        let path = std::path::absolute(&path).unwrap_or(path);
        let (wake, woken) = sync_channel(WAITING);
        let events = inotify.then(|| events(&path, wake.clone())).flatten();
        let eye = FileReader::new(path, environment, known, on_reading);
        let thread = std::thread::Builder::new().name("serin-flags".to_owned()).spawn(move || eye.watch(&woken))?;
        Ok(Watcher { wake, thread: Some(thread), _events: events })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.wake.send(Wake::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Events of the parent directory that concern our file. `None`: there are none to be had, and stats must do.
fn events(path: &Path, wake: SyncSender<Wake>) -> Option<RecommendedWatcher> {
    let directory = path.parent()?.to_owned();
    let file = path.to_owned();
    let name: OsString = path.file_name()?.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let wish = event.map_or(Some(Wake::Changed), |event| meaning(&event, &name, &file));
        if let Some(wish) = wish {
            // Where too many wait already, the next stat tells the same.
            let _ = wake.try_send(wish);
        }
    })
    .ok()?;
    watcher.watch(&directory, RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

/// What an event means for our file; `None`: nothing. Our own reading raises events too, hence the narrow choice.
fn meaning(event: &Event, name: &OsString, file: &Path) -> Option<Wake> {
    if event.need_rescan() {
        return Some(Wake::Changed);
    }
    let named = |name: &OsString| event.paths.iter().any(|path| path.file_name() == Some(name.as_os_str()));
    // A ConfigMap swaps the symlink `..data`, through which our file is reached.
    if named(&OsString::from("..data")) {
        return Some(Wake::Complete);
    }
    if !named(name) {
        return None;
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => Some(Wake::Complete),
        EventKind::Access(_) => None,
        // A symlink or a hard link comes whole.
        EventKind::Create(CreateKind::File | CreateKind::Any | CreateKind::Other) if file.is_symlink() => {
            Some(Wake::Complete)
        }
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => Some(Wake::Writing),
        _ => Some(Wake::Changed),
    }
}

/// What a stat tells of a file; equal stamps, most likely equal content.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

struct FileReader<F> {
    path: PathBuf,
    environment: Environment,
    /// The version that was reported last.
    known: u64,
    on_reading: F,
    /// `None` inside: the file was missing at the last look; outside: there was no look yet.
    stamp: Option<Option<Stamp>>,
    /// The content that was taken last.
    taken: Option<Result<Vec<u8>, String>>,
    /// Whether it was replaced where it is mounted from by then.
    left_behind: bool,
    /// A content that may become the next version if it stands still.
    candidate: Option<Result<Vec<u8>, String>>,
    /// For how many looks it has.
    still: u32,
    /// How often it was closed or renamed into place since.
    closed: u32,
    /// Whether somebody was seen writing and not closing.
    writing: bool,
    /// For how many looks more the content is compared whatever the stat says.
    wary: u32,
    looks: u32,
    /// Files that the last version refers to; the stamp is that under which the content was last found unchanged.
    secrets: Vec<(FileRead, Option<Stamp>)>,
}

impl<F: FnMut(LoadedFlags)> FileReader<F> {
    fn new(path: PathBuf, environment: Environment, known: u64, on_reading: F) -> FileReader<F> {
        FileReader {
            path,
            environment,
            known,
            on_reading,
            stamp: None,
            taken: None,
            left_behind: false,
            candidate: None,
            still: 0,
            closed: 0,
            writing: false,
            wary: 0,
            looks: 0,
            secrets: Vec::new(),
        }
    }

    fn watch(mut self, woken: &Receiver<Wake>) {
        let mut wait = Duration::ZERO;
        loop {
            match woken.recv_timeout(wait) {
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(wake) => self.hear(wake),
                Err(RecvTimeoutError::Timeout) => {
                    self.look(true, false);
                    self.look_at_secrets();
                }
            }
            wait = match (&self.candidate, self.writing) {
                (Some(_), _) if self.closed > 0 => CLOSED,
                (None, false) => STAT,
                _ => SETTLE,
            };
        }
    }

    /// Something happened to the file.
    fn hear(&mut self, wake: Wake) {
        match wake {
            Wake::Complete => {
                self.writing = false;
                self.look(false, true);
            }
            Wake::Writing => {
                self.writing = true;
                self.wary = WARY;
                self.candidate = None;
                self.closed = 0;
            }
            Wake::Changed => self.look(false, false),
            Wake::Stop => {}
        }
    }

    /// Looks at the file: `waited` since the last look, or told that it is `complete`.
    fn look(&mut self, waited: bool, complete: bool) {
        // The stamp is taken before the content: a change in between shows at the next look.
        let stamp = Some(Stamp::of(&self.path));
        if stamp != self.stamp {
            self.stamp = stamp;
            self.wary = WARY;
        } else if !complete && self.wary == 0 && self.candidate.is_none() {
            return;
        }
        if waited {
            self.wary = self.wary.saturating_sub(1);
        }
        let loaded = load(&self.path);
        if self.taken.as_ref() == Some(&loaded.bytes) && self.left_behind != loaded.left_behind {
            return self.settle(loaded);
        }
        if self.taken.as_ref() == Some(&loaded.bytes) {
            self.candidate = None;
            self.closed = 0;
            self.writing &= self.wary > 0;
            return;
        }
        let nothing_there = loaded.bytes.as_ref().map_or(true, Vec::is_empty);
        if complete && !nothing_there {
            self.closed += 1;
        } else if self.candidate.as_ref() != Some(&loaded.bytes) {
            self.closed = 0;
        }
        if self.closed > CLOSINGS {
            return self.settle(loaded);
        }
        if complete || self.candidate.as_ref() != Some(&loaded.bytes) {
            self.candidate = Some(loaded.bytes);
            self.still = 0;
        } else if waited {
            self.still += 1;
            let enough = match (self.closed > 0, self.writing, nothing_there) {
                (true, _, _) | (false, false, false) => STILL,
                (false, true, _) => STILL_WRITING,
                (false, false, true) => STILL_UNFINISHED,
            };
            if self.still >= enough {
                self.settle(loaded);
            }
        }
    }

    /// Takes a version, and reports it unless it is known.
    fn settle(&mut self, loaded: Loaded) {
        self.candidate = None;
        self.still = 0;
        self.closed = 0;
        self.writing = false;
        self.taken = Some(loaded.bytes.clone());
        self.left_behind = loaded.left_behind;
        let (loaded, files) = take(loaded, &self.path, &self.environment);
        self.secrets = files.into_iter().map(|file| (file, None)).collect();
        if loaded.hash != self.known {
            self.known = loaded.hash;
            (self.on_reading)(loaded);
        }
    }

    /// Reads the file again when one of the secrets that it refers to is another.
    fn look_at_secrets(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(SECRETS) || self.candidate.is_some() {
            return;
        }
        let mut another = false;
        for (file, seen) in &mut self.secrets {
            let stamp = Stamp::of(&file.path);
            if stamp.is_none() || stamp != *seen {
                another |= file.again() != *file;
                *seen = stamp;
            }
        }
        if another {
            self.settle(load(&self.path));
        }
    }
}
