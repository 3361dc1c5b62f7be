//! Lock files on the disk's side of control: read every 50 ms, written and removed in the order that was asked for.
//!
//! One task, one operation at a time, each on the blocking pool: a disk that hangs holds up lock files, never control.
//! Because readings and removals come out of one queue, a reading from before a removal cannot lock anew what a human
//! has just resumed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::locks::Unread;
use crate::decide::rollout::state::Lock;
use crate::state::inbox::{Command, Receipt, Refusal};
use crate::store::folder::is_lasting;
use crate::store::locks::{LocksFound, is_there, path, read_locks, remove_lock, write_lock};

/// How often a lock that a command has dropped is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// A resume on its way: its lock files go first.
pub(in crate::control) struct Resume {
    pub(in crate::control) rollout: String,
    /// The lock that the human saw and wants lifted.
    pub(in crate::control) held: Option<Lock>,
    /// Locks that must stay when the one for every rollout goes.
    pub(in crate::control) others: Vec<(String, Lock)>,
    pub(in crate::control) command: Command,
    pub(in crate::control) reply: oneshot::Sender<Result<Receipt, Refusal>>,
}

pub(in crate::control) enum Job {
    /// Write these; the answer comes when they are on the disk.
    Write(Vec<(String, Lock)>, oneshot::Sender<Result<(), String>>),
    /// Write these in place of the one for every rollout.
    Expand(Vec<(String, Lock)>),
    /// Remove a rollout's.
    Remove(Box<Resume>),
}

/// What became of the files.
pub(in crate::control) enum Told {
    /// These are there, or why they cannot be read.
    Found(Result<LocksFound, Unread>),
    /// Those of a resume are gone, or why they are not.
    Removed(Box<Resume>, Result<(), String>),
}

/// Does what it is asked for until nobody can ask, or nobody hears: then `tell` says false.
pub(in crate::control) async fn work(
    dir: PathBuf,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    tell: impl Fn(Told) -> bool,
) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Result<LocksFound, Unread>> = None;
    loop {
        let is_heard = tokio::select! {
            biased;
            job = jobs.recv() => match job {
                None => return,
                Some(job) => {
                    // What cannot be parted into one file each is told of once, not at every look.
                    if !matches!(job, Job::Expand(_)) {
                        told = None;
                    }
                    perform(&dir, job, &tell).await
                }
            },
            _ = look.tick() => {
                let here = dir.clone();
                let seen = blocking(move || read_locks(&here)).await;
                let seen = seen.map_err(|error| Unread { lasting: is_lasting(&error), why: error.to_string() });
                if told.as_ref() == Some(&seen) {
                    true
                } else {
                    told = Some(seen.clone());
                    tell(Told::Found(seen))
                }
            }
        };
        if !is_heard {
            return;
        }
    }
}

async fn perform(dir: &Path, job: Job, tell: &impl Fn(Told) -> bool) -> bool {
    let here = dir.to_owned();
    match job {
        Job::Write(locks, reply) => {
            let result = blocking(move || write_all(&here, &locks)).await.map_err(|error| {
                let text = format!("the lock file in {} cannot be written: {error}", dir.join("locks").display());
                tracing::warn!("{text}");
                text
            });
            // Who asked may have its answer from the database already.
            let _ = reply.send(result);
            true
        }
        Job::Expand(locks) => {
            let expand = move || write_all(&here, &locks).and_then(|()| remove_lock(&here, None));
            if let Err(error) = blocking(expand).await {
                tracing::warn!(%error, "the lock for every rollout stays in one file");
            }
            true
        }
        Job::Remove(resume) => {
            let (rollout, others) = (resume.rollout.clone(), resume.others.clone());
            let remove = move || {
                if is_there(&here, None)? {
                    write_all(&here, &others)?;
                    remove_lock(&here, None)?;
                }
                remove_lock(&here, Some(&rollout))
            };
            let result = blocking(remove).await.map_err(|error| {
                let file = path(dir, Some(&resume.rollout));
                format!(
                    "the lock of `{}` stays, since its file cannot be removed ({error}): remove {} (and {}) by hand, \
                     then resume again",
                    resume.rollout,
                    file.display(),
                    path(dir, None).display()
                )
            });
            tell(Told::Removed(resume, result))
        }
    }
}

fn write_all(dir: &Path, locks: &[(String, Lock)]) -> io::Result<()> {
    locks.iter().try_for_each(|(name, lock)| write_lock(dir, Some(name), lock))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
