//! Reads, writes and removes lock files: a task of its own, one operation at a time, in the order of the jobs.
//!
//! Each operation runs on the blocking pool, so a disk that hangs delays lock files and nothing else. The files are
//! read every 50 ms. Reads and removals go through one queue, so a result that was read before a removal cannot lock a
//! rollout again that an operator has just resumed. Decides nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::locks::LockReadError;
use crate::decide::rollout::state::Lock;
use crate::state::inbox::{Command, CommandError, Receipt};
use crate::store::dir_handle::is_lasting;
use crate::store::locks::{LocksFound, is_there, path, read_locks, remove_lock, write_lock};

/// Between two reads of the lock files.
const READ_INTERVAL: Duration = Duration::from_millis(50);

/// A resume whose lock files are removed first.
pub(in crate::control) struct ResumeJob {
    pub(in crate::control) rollout: String,
    /// The lock that the operator saw and wants to lift.
    pub(in crate::control) held: Option<Lock>,
    /// Locks of other rollouts, which stay when the file for every rollout is removed.
    pub(in crate::control) others: Vec<(String, Lock)>,
    pub(in crate::control) command: Command,
    pub(in crate::control) reply: oneshot::Sender<Result<Receipt, CommandError>>,
}

pub(in crate::control) enum Job {
    /// Write these locks. The reply is sent when they are on the disk.
    Write(Vec<(String, Lock)>, oneshot::Sender<Result<(), String>>),
    /// Write these locks and remove the file for every rollout.
    Expand(Vec<(String, Lock)>),
    /// Remove the lock of a rollout.
    Remove(Box<ResumeJob>),
}

pub(in crate::control) enum LockReport {
    /// The locks that are there, or why they cannot be read.
    Read(Result<LocksFound, LockReadError>),
    /// The lock of a resume was removed, or why not.
    Removed(Box<ResumeJob>, Result<(), String>),
}

/// Runs until the queue of jobs is closed, or `report` returns false because no one receives.
pub(in crate::control) async fn run(
    dir: PathBuf,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    report: impl Fn(LockReport) -> bool,
) {
    let mut timer = interval(READ_INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported: Option<Result<LocksFound, LockReadError>> = None;
    loop {
        let is_open = tokio::select! {
            biased;
            job = jobs.recv() => match job {
                None => return,
                Some(job) => {
                    // A file for every rollout that cannot be expanded is reported once, not with every read.
                    if !matches!(job, Job::Expand(_)) {
                        reported = None;
                    }
                    perform(&dir, job, &report).await
                }
            },
            _ = timer.tick() => {
                let here = dir.clone();
                let read = blocking(move || read_locks(&here)).await;
                let read = read.map_err(|error| read_error(&error));
                if reported.as_ref() == Some(&read) {
                    true
                } else {
                    reported = Some(read.clone());
                    report(LockReport::Read(read))
                }
            }
        };
        if !is_open {
            return;
        }
    }
}

async fn perform(dir: &Path, job: Job, report: &impl Fn(LockReport) -> bool) -> bool {
    let here = dir.to_owned();
    match job {
        Job::Write(locks, reply) => {
            let result = blocking(move || write_all(&here, &locks)).await.map_err(|error| {
                let text = format!("the lock file in {} cannot be written: {error}", dir.join("locks").display());
                tracing::warn!("{text}");
                text
            });
            // The command may have been answered after the write to the database.
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
            report(LockReport::Removed(resume, result))
        }
    }
}

fn read_error(error: &io::Error) -> LockReadError {
    LockReadError { permanent: is_lasting(error), reason: error.to_string() }
}

fn write_all(dir: &Path, locks: &[(String, Lock)]) -> io::Result<()> {
    locks.iter().try_for_each(|(name, lock)| write_lock(dir, Some(name), lock))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
