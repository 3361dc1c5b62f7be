//! The writer of the access log: one thread, lines of JSON, a file that does not grow without end.
//!
//! A file is opened for appending when its first line comes, anew when it is asked to (another process has moved it),
//! and put aside as `FILE.1` when it has reached its size. What cannot be written is dropped and counted, and said once
//! a minute. Nobody but this thread waits for the disk or for whoever reads standard output. Invariant: a line is
//! counted as written when the system has taken it, and after half a line another begins anew.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::decide::policy::AccessLogTo;
use crate::decide::units::Millis;
use crate::state::access_log::{AccessLogQueue, Dropped, LogLine, LogMessage};

/// How often it is said that lines cannot be written.
const SAID_EVERY: Millis = Millis(60_000);
/// How many bytes are written at a time, at most by a line more.
const BATCH: usize = 64 * 1024;
/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);
const O_NONBLOCK: i32 = 0o4000;

/// Starts the writer. It ends with the process.
///
/// # Errors
/// Where no thread can be had.
pub fn start(log: &Arc<AccessLogQueue>) -> io::Result<()> {
    let Some(entries) = log.receiver() else { return Ok(()) };
    let mut writer = Writer { log: Arc::clone(log), out: None, batch: Vec::new(), lines: 0, torn: false, said: None };
    thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&entries))?;
    Ok(())
}

/// Waits until what was offered is written, for a second at most.
pub fn finish(log: &AccessLogQueue) {
    if let Some(dropped) = log.close() {
        // Whoever reads standard output may have stopped.
        let _ = dropped.recv_timeout(LAST_LINES);
    }
}

struct Writer {
    log: Arc<AccessLogQueue>,
    out: Option<Out>,
    /// Whole lines that are not written yet, and how many.
    batch: Vec<u8>,
    lines: u64,
    /// Whether part of a line may have been written without its end.
    torn: bool,
    said: Option<Millis>,
}

/// Where lines go now.
enum Out {
    Stdout,
    File { path: PathBuf, file: File, bytes: u64 },
}

impl Out {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Out::Stdout => io::stdout().write_all(text).and_then(|()| io::stdout().flush()),
            Out::File { file, .. } => file.write_all(text),
        }
    }

    fn name(&self) -> String {
        match self {
            Out::Stdout => "standard output".to_owned(),
            Out::File { path, .. } => path.display().to_string(),
        }
    }
}

impl Writer {
    fn run(&mut self, entries: &Receiver<LogMessage>) {
        loop {
            let entry = match entries.try_recv() {
                Ok(entry) => entry,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.flush();
                    match entries.recv() {
                        Ok(entry) => entry,
                        Err(_) => break,
                    }
                }
            };
            if self.log.takes_reopen() {
                self.flush();
                self.out = None;
            }
            match entry {
                LogMessage::Line(line) => self.take(&line),
                LogMessage::Wake => {}
                LogMessage::Close(done) => {
                    self.flush();
                    let _ = done.try_send(());
                }
            }
        }
    }

    fn take(&mut self, line: &LogLine) {
        let mut text = serde_json::to_vec(&line.request).unwrap_or_default();
        text.push(b'\n');
        let length = text.len() as u64;
        if !self.fits(line, length) {
            self.flush();
            match open(line, length) {
                Ok(out) => self.out = Some(out),
                Err(error) => {
                    self.out = None;
                    self.dropped(1, &name_of(&line.to), &error);
                    return;
                }
            }
        }
        if let Some(Out::File { bytes, .. }) = &mut self.out {
            *bytes += length;
        }
        self.batch.append(&mut text);
        self.lines += 1;
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    /// Whether a line of this length goes to where the last one went.
    fn fits(&self, line: &LogLine, length: u64) -> bool {
        match (&self.out, &line.to) {
            (Some(Out::Stdout), AccessLogTo::Stdout) => true,
            (Some(Out::File { path, bytes, .. }), AccessLogTo::File(wanted)) => {
                path == wanted && (*bytes == 0 || bytes + length <= line.max_bytes)
            }
            _ => false,
        }
    }

    fn flush(&mut self) {
        let (batch, lines) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.lines));
        let Some(out) = self.out.as_mut().filter(|_| lines > 0) else { return };
        let ended = if self.torn { out.write(b"\n") } else { Ok(()) };
        match ended.and_then(|()| out.write(&batch)) {
            Ok(()) => {
                self.torn = false;
                self.log.count_written(lines);
            }
            Err(error) => {
                let name = out.name();
                // The next line tries anew.
                (self.out, self.torn) = (None, true);
                self.dropped(lines, &name, &error);
            }
        }
    }

    fn dropped(&mut self, lines: u64, name: &str, error: &io::Error) {
        self.log.count_dropped(Dropped::Write, lines);
        let now = clock::now();
        if self.said.is_none_or(|said| now.since(said) >= SAID_EVERY) {
            self.said = Some(now);
            tracing::warn!(%error, "the access log cannot be written to {name}: lines are dropped and counted");
        }
    }
}

fn name_of(to: &AccessLogTo) -> String {
    match to {
        AccessLogTo::Stdout => "standard output".to_owned(),
        AccessLogTo::File(path) => path.display().to_string(),
    }
}

/// Opens what a line goes to; a file that is full makes room first.
fn open(line: &LogLine, length: u64) -> io::Result<Out> {
    let AccessLogTo::File(path) = &line.to else { return Ok(Out::Stdout) };
    let mut file = append(path)?;
    let mut bytes = file.metadata()?.len();
    if bytes > 0 && bytes + length > line.max_bytes {
        std::fs::rename(path, aside(path))?;
        file = append(path)?;
        bytes = 0;
    }
    Ok(Out::File { path: path.clone(), file, bytes })
}

/// A pipe that nobody reads is an error, and nothing to wait for.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(O_NONBLOCK).open(path)
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::access_log::RequestLine;

    fn line(to: &Path, max_bytes: u64, path: &str) -> Box<LogLine> {
        let request = RequestLine { path: path.to_owned(), ..RequestLine::default() };
        Box::new(LogLine { to: AccessLogTo::File(to.to_owned()), max_bytes, request })
    }

    fn paths(file: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(file).unwrap();
        let path =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["path"].as_str().unwrap().to_owned();
        text.lines().map(path).collect()
    }

    fn started() -> Arc<AccessLogQueue> {
        let log = Arc::default();
        start(&log).unwrap();
        log
    }

    fn written(log: &AccessLogQueue) {
        log.close().unwrap().recv().unwrap();
    }

    #[test]
    fn a_file_is_appended_to_and_opened_anew_when_it_was_moved() {
        let (dir, log) = (tempfile::tempdir().unwrap(), started());
        let (file, moved) = (dir.path().join("access.log"), dir.path().join("moved"));
        std::fs::write(&file, "{\"path\":\"/before\"}\n").unwrap();
        log.offer(line(&file, 1_000_000, "/a"));
        written(&log);
        assert_eq!(paths(&file), ["/before", "/a"]);
        std::fs::rename(&file, &moved).unwrap();
        log.offer(line(&file, 1_000_000, "/b"));
        written(&log);
        assert_eq!(paths(&moved), ["/before", "/a", "/b"], "until it is told");
        log.reopen();
        log.offer(line(&file, 1_000_000, "/c"));
        written(&log);
        assert_eq!((paths(&file), log.written()), (vec!["/c".to_owned()], 3));
    }

    #[test]
    fn a_full_file_is_put_aside_and_another_begun() {
        let (dir, log) = (tempfile::tempdir().unwrap(), started());
        let file = dir.path().join("access.log");
        let length = serde_json::to_vec(&line(&file, 0, "/0").request).unwrap().len() as u64 + 1;
        (0..5).for_each(|number| log.offer(line(&file, length * 2, &format!("/{number}"))));
        written(&log);
        assert_eq!(
            (paths(&aside(&file)), paths(&file)),
            (vec!["/2".to_owned(), "/3".to_owned()], vec!["/4".to_owned()])
        );
        // A line that is longer than a file may be has one of its own.
        log.offer(line(&file, 1, "/long"));
        written(&log);
        assert_eq!(paths(&file), ["/long"]);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_the_next_line_tries_anew() {
        let (dir, log) = (tempfile::tempdir().unwrap(), started());
        let file = dir.path().join("missing/access.log");
        log.offer(line(&file, 1000, "/a"));
        written(&log);
        assert_eq!((log.written(), log.dropped(Dropped::Write)), (0, 1));
        std::fs::create_dir(dir.path().join("missing")).unwrap();
        log.offer(line(&file, 1000, "/b"));
        written(&log);
        assert_eq!(paths(&file), ["/b"]);
    }
}
