//! A directory that is held open: what is in it is opened, made, renamed and removed relative to its descriptor.
//!
//! For places that another user of the machine may have prepared, and for root's commands in a directory that is
//! somebody else's. No symbolic link is followed but those of root and of this user on the way to the directory; in it,
//! none. Only regular files are read, never a FIFO, which would keep its reader waiting, and none larger than the
//! caller allows. A file is written under a random name that did not exist, and renamed: it is there whole or not at
//! all. What is written belongs to the directory's owner, so that root's command leaves nothing that the service cannot
//! read.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::{fs, process};

/// Links on the way to a directory; more go round in a circle.
const MOST_LINKS: u32 = 40;
/// Names that are tried for a draft: each is random, so that the second is hardly ever needed.
const MOST_NAMES: u32 = 16;
/// Files of one directory that are listed.
const MOST_FILES: usize = 10_000;

/// The user that this process acts as.
#[must_use]
pub fn own_uid() -> u32 {
    process::geteuid().as_raw()
}

/// Whether what this user owns is believed: root's and one's own.
#[must_use]
pub fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == own_uid()
}

/// A directory that is held open.
#[derive(Debug)]
pub struct DirHandle {
    file: File,
    uid: u32,
    gid: u32,
    mode: u32,
}

impl DirHandle {
    /// Opens a directory.
    pub fn open(path: &Path) -> io::Result<DirHandle> {
        DirHandle::walk(path, None)
    }

    /// The same, where it and those above it are made when they are missing.
    pub fn make(path: &Path, mode: u32) -> io::Result<DirHandle> {
        DirHandle::walk(path, Some(mode))
    }

    fn walk(path: &Path, make: Option<u32>) -> io::Result<DirHandle> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let mut at = fs::openat(CWD, if path.is_absolute() { "/" } else { "." }, flags, Mode::empty())?;
        let mut rest = parts(path);
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            let next = match fs::openat(&at, &name, flags | OFlags::NOFOLLOW, Mode::empty()) {
                Err(Errno::NOENT) if make.is_some() => {
                    let mode = Mode::from_raw_mode(make.unwrap_or_default());
                    match fs::mkdirat(&at, &name, mode) {
                        // Somebody else was quicker.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    fs::openat(&at, &name, flags | OFlags::NOFOLLOW, Mode::empty())?
                }
                other => other?,
            };
            let about = fs::fstat(&next)?;
            match FileType::from_raw_mode(about.st_mode) {
                FileType::Directory => at = next,
                FileType::Symlink => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    if !is_trusted(about.st_uid) {
                        return Err(denied(format!(
                            "`{}` is a symbolic link of the user {}, which is not followed: name the directory itself",
                            name.to_string_lossy(),
                            about.st_uid
                        )));
                    }
                    let target = fs::readlinkat(&next, "", Vec::new())?;
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    if target.is_absolute() {
                        at = fs::openat(CWD, "/", flags, Mode::empty())?;
                    }
                    for part in parts(&target).into_iter().rev() {
                        rest.push_front(part);
                    }
                }
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        DirHandle::of(fs::openat(&at, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    }

    fn of(handle: OwnedFd) -> io::Result<DirHandle> {
        let file = File::from(handle);
        let about = file.metadata()?;
        Ok(DirHandle { uid: about.uid(), gid: about.gid(), mode: about.mode(), file })
    }

    /// Who owns it.
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.uid
    }

    /// Its permissions.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether others than its owner may put something into it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.mode & 0o022 != 0
    }

    /// The handle, for a lock on it and for a path below it.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A path to what lies in it that no rename above it can lead elsewhere.
    #[must_use]
    pub fn path_of(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.file.as_raw_fd()))
    }

    /// Opens a directory in it.
    pub fn enter(&self, name: &str) -> io::Result<DirHandle> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(&self.file, name, flags, Mode::empty()) {
            Ok(handle) => DirHandle::of(handle),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(self.no_directory(name)),
            Err(error) => Err(error.into()),
        }
    }

    fn no_directory(&self, name: &str) -> io::Error {
        let kind = fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW).map(|about| kind_of(about.st_mode));
        let kind = kind.unwrap_or("something else");
        io::Error::new(io::ErrorKind::NotADirectory, format!("`{name}` is {kind} and not a directory"))
    }

    /// The same, made where it is missing, for the same owner. What root made there for itself, its owner gets.
    pub fn enter_or_make(&self, name: &str, mode: u32) -> io::Result<DirHandle> {
        match fs::mkdirat(&self.file, name, Mode::from_raw_mode(mode)) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let made = self.enter(name)?;
        if made.uid != self.uid && made.uid != own_uid() {
            return Err(denied(format!("`{name}` belongs to the user {}", made.uid)));
        }
        self.give(&made.file)?;
        DirHandle::of(made.file.into())
    }

    /// What lies in it, in no order.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.file)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
            if names.len() > MOST_FILES {
                return Err(io::Error::other(format!("it holds more than {MOST_FILES} files")));
            }
        }
        Ok(names)
    }

    /// Opens a regular file in it; `largest` bytes are the most that it may hold.
    pub fn file_in(&self, name: impl AsRef<OsStr>, largest: u64) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match fs::openat(&self.file, name.as_ref(), flags, Mode::empty()) {
            Ok(handle) => File::from(handle),
            Err(Errno::LOOP) => return Err(odd("it is a symbolic link")),
            Err(Errno::NXIO) => return Err(odd("it is a socket")),
            Err(error) => return Err(error.into()),
        };
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(odd(format!("it is {}", kind_of(about.mode()))));
        }
        if about.len() > largest {
            return Err(odd("it is too large"));
        }
        Ok(file)
    }

    /// A handle on a socket in it, to be connected to through `/proc/self/fd`.
    pub fn socket_in(&self, name: &OsStr) -> io::Result<OwnedFd> {
        let handle = fs::openat(&self.file, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        match FileType::from_raw_mode(fs::fstat(&handle)?.st_mode) {
            FileType::Socket => Ok(handle),
            other => Err(odd(format!("it is {} and not a socket", kind_of(other.as_raw_mode())))),
        }
    }

    /// Reads a regular file in it.
    pub fn read(&self, name: impl AsRef<OsStr>, largest: u64) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.file_in(name, largest)?.take(largest).read_to_end(&mut text)?;
        Ok(text)
    }

    /// The same, with whose it is.
    pub fn read_of(&self, name: &str, largest: u64) -> io::Result<(u32, Vec<u8>)> {
        let file = self.file_in(name, largest)?;
        let (owner, mut text) = (file.metadata()?.uid(), Vec::new());
        file.take(largest).read_to_end(&mut text)?;
        Ok((owner, text))
    }

    /// Opens a regular file in it for reading and writing, making it where it is missing.
    pub fn file_to_write(&self, name: &str, mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match fs::openat(&self.file, name, flags, Mode::from_raw_mode(mode)) {
            Ok(handle) => File::from(handle),
            Err(Errno::LOOP) => return Err(odd(format!("`{name}` is a symbolic link"))),
            Err(Errno::NXIO) => return Err(odd(format!("`{name}` is a socket"))),
            Err(error) => return Err(error.into()),
        };
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(odd(format!("`{name}` is {}", kind_of(about.mode()))));
        }
        if about.uid() != self.uid && !is_trusted(about.uid()) {
            return Err(denied(format!("`{name}` belongs to the user {}", about.uid())));
        }
        self.give(&file)?;
        Ok(file)
    }

    /// Puts a file into it, whole: in place of what is there, and on the disk when this returns where `lasting`.
    pub fn put(&self, name: &str, text: &[u8], mode: u32, lasting: bool) -> io::Result<()> {
        let (draft, mut file) = self.draft(name, mode)?;
        let mut written = || -> io::Result<()> {
            self.give(&file)?;
            file.write_all(text)?;
            if lasting {
                file.sync_all()?;
            }
            Ok(fs::renameat(&self.file, &draft, &self.file, name)?)
        };
        // What matters is why writing failed.
        if let Err(error) = written() {
            let _ = fs::unlinkat(&self.file, &draft, AtFlags::empty());
            return Err(error);
        }
        if lasting { self.sync() } else { Ok(()) }
    }

    fn draft(&self, name: &str, mode: u32) -> io::Result<(String, File)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..MOST_NAMES {
            let draft = random_name(name);
            match fs::openat(&self.file, &draft, flags, Mode::from_raw_mode(mode)) {
                Ok(handle) => {
                    let file = File::from(handle);
                    // Whatever the process's mask takes away.
                    fs::fchmod(&file, Mode::from_raw_mode(mode))?;
                    return Ok((draft, file));
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Removes a file; whether there was one.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        match fs::unlinkat(&self.file, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Renames what lies in it into another directory of the same file system.
    pub fn move_to(&self, name: &str, other: &DirHandle) -> io::Result<()> {
        Ok(fs::renameat(&self.file, name, &other.file, name)?)
    }

    /// Renames what lies in it.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.file, from, &self.file, to)?)
    }

    /// What lies there under a name, itself and not what it leads to: its owner and mode; `None`: nothing.
    pub fn about(&self, name: &str) -> io::Result<Option<(u32, u32)>> {
        match fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) => Ok(Some((about.st_uid, about.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns when what was renamed and removed is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    // Only root can give something away, and only what differs needs it.
    fn give(&self, file: &impl AsFd) -> io::Result<()> {
        let about = fs::fstat(file)?;
        if own_uid() == 0 && (about.st_uid, about.st_gid) != (self.uid, self.gid) {
            fs::fchown(file, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))?;
        }
        Ok(())
    }
}

/// A name beside `name` that nobody can have foreseen.
#[must_use]
pub fn random_name(name: &str) -> String {
    format!(".{name}.{:016x}.draft", fastrand::u64(..))
}

/// Whether a look at a file failed by what is there, and not by a want that passes (too many open files, memory, a disk
/// that does not answer).
#[must_use]
pub fn is_lasting(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotADirectory, PermissionDenied};
    let kind = matches!(error.kind(), InvalidInput | NotADirectory | PermissionDenied);
    kind || error.raw_os_error().is_some_and(|code| code == Errno::LOOP.raw_os_error())
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    };
    path.components().filter_map(named).collect()
}

fn kind_of(mode: u32) -> &'static str {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => "a file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    }
}

fn odd(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.into())
}

fn denied(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests;
