//! Where the references of a file lead: `${NAME}` to the environment, `${file:/path}` to a mounted secret; and the
//! sockets that are there whatever the file says.
//!
//! The one place of `flags` that reads variables, and the only one besides [`read`](super::read) that opens files.
//! Tells why a reference leads nowhere by its name, never by its value, and notes every file that it read, so that a
//! secret which is replaced counts as a change. What the versions in use were made of is [kept](super::memory): a
//! reference that leads nowhere later keeps its value, so that no edit waits for a secret.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher as _;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::file_in_force::FileInForce;
use super::memory::{Memory, Recent};
use super::reference::{Part, parts};
use crate::decide::exposure::{BoundAddresses, Sockets};
use crate::decide::policy::{Fixed, Policy};

/// The largest secret that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// The longest text that references may make, in bytes.
const LONGEST: usize = 64 * 1024;

/// The largest file of certificates that is read, in bytes: several times all roots that there are.
const LARGEST_PEM: u64 = 4 * 1024 * 1024;

/// What a file is read with. Clones share what they keep.
#[derive(Clone, Debug)]
pub struct Environment {
    source: Source,
    memory: Memory,
    sockets: Sockets,
    // Where this is set, only what it has is read.
    only: Option<FileInForce>,
}

#[derive(Clone)]
enum Source {
    Process,
    Map(BTreeMap<String, String>),
    Nothing,
}

// A variable may hold a key.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Process => "the process's environment",
            Source::Map(_) => "given variables",
            Source::Nothing => "no secrets",
        })
    }
}

impl Environment {
    /// The variables of this process, and files.
    #[must_use]
    pub fn process() -> Environment {
        Environment::from(Source::Process)
    }

    /// These variables, and files.
    #[must_use]
    pub fn of(variables: BTreeMap<String, String>) -> Environment {
        Environment::from(Source::Map(variables))
    }

    /// References are taken as they stand: nothing is read, nothing is missing.
    #[must_use]
    pub fn without_secrets() -> Environment {
        Environment::from(Source::Nothing)
    }

    fn from(source: Source) -> Environment {
        Environment { source, memory: Memory::default(), sockets: Sockets::default(), only: None }
    }

    /// The same, where these sockets are served whatever the file says.
    #[must_use]
    pub fn with_sockets(self, sockets: Sockets) -> Environment {
        Environment { sockets, ..self }
    }

    /// The same for a text that somebody sent: only references, and files of certificates, that this file has too are
    /// read. Keeps nothing of what it reads.
    #[must_use]
    pub fn limited_to_references_of(&self, file: &str) -> Environment {
        Environment { memory: Memory::default(), only: Some(FileInForce::of(file)), ..self.clone() }
    }

    fn leads(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|file| file.refers_to(name))
    }

    /// Whether a file that the text names may be looked at.
    pub(super) fn may_look_at(&self, path: &Path) -> bool {
        self.only.as_ref().is_none_or(|file| path.to_str().is_some_and(|path| file.has_value(path)))
    }

    /// Whether the value of this text at this place may be shown, where it has references.
    pub(super) fn may_show(&self, path: &str, text: &str) -> bool {
        self.only.as_ref().is_none_or(|file| !text.contains("${") || file.has(path, text))
    }

    /// Where a file with these addresses is reached.
    pub(super) fn reached(&self, fixed: &Fixed) -> BoundAddresses {
        self.sockets.reached(fixed)
    }

    /// For one reading of a file.
    pub(super) fn secrets(&self) -> Secrets {
        Secrets { files: HashMap::new(), recent: self.memory.recent() }
    }

    /// A file was read to its end, and is good; `policy`: what it means.
    pub(super) fn keep(&self, secrets: Secrets, policy: &Policy) {
        self.memory.keep(secrets.recent, policy);
    }

    /// Whether references lead anywhere.
    pub(super) fn resolves(&self) -> bool {
        !matches!(self.source, Source::Nothing)
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        let value = match &self.source {
            Source::Process => match std::env::var(name) {
                Ok(value) => Some(value),
                Err(std::env::VarError::NotPresent) => None,
                Err(std::env::VarError::NotUnicode(_)) => return Err(format!("the variable {name} is not UTF-8")),
            },
            Source::Map(variables) => variables.get(name).cloned(),
            Source::Nothing => None,
        };
        match value {
            None => Err(format!("the variable {name} is not set")),
            Some(value) if value.trim().is_empty() => Err(format!("the variable {name} is empty")),
            Some(value) => Ok(value.trim().to_owned()),
        }
    }

    /// The text with its references replaced.
    pub(super) fn expand(&self, text: &str, secrets: &mut Secrets) -> Expanded {
        let mut files = Vec::new();
        let mut out = String::new();
        let mut unset = None;
        let (mut referred, mut skipped) = (false, false);
        for part in parts(text) {
            let name = match part {
                Part::Literal(literal) => {
                    out.push_str(literal);
                    continue;
                }
                Part::Open => return Expanded::Malformed("a `${` that is not closed".to_owned()),
                Part::Reference(name) => name,
            };
            referred = true;
            let value = match Reference::of(name) {
                Err(problem) => return Expanded::Malformed(problem),
                Ok(_) if !self.resolves() || !self.leads(name) => {
                    skipped = true;
                    continue;
                }
                Ok(Reference::Variable(variable)) => secrets.recent.or_last(name, self.variable(variable)),
                Ok(Reference::File(path)) => {
                    let (file, value) = secrets.get(path);
                    files.push(file);
                    secrets.recent.or_last(name, value)
                }
            };
            match value {
                Ok(value) if out.len() + value.len() > LONGEST => {
                    unset = unset.or(Some("references that make a text longer than 64 KiB".to_owned()));
                }
                Ok(value) => out.push_str(&value),
                Err(reason) => unset = unset.or(Some(reason)),
            }
        }
        match unset {
            Some(reason) => Expanded::Unset { reason, files },
            None if referred && skipped => Expanded::Unresolved,
            None => Expanded::Text { text: out, files },
        }
    }
}

/// The secrets of one reading: each file is read once, so that all that refer to it see the same.
pub(super) struct Secrets {
    files: HashMap<PathBuf, (FileRead, Result<String, String>)>,
    /// What was kept, and what is to be kept of this one.
    pub(super) recent: Recent,
}

impl Secrets {
    fn get(&mut self, path: &Path) -> (FileRead, Result<String, String>) {
        let read = || {
            let value = secret_file(path);
            (FileRead::new(path, &value), value)
        };
        self.files.entry(path.to_owned()).or_insert_with(read).clone()
    }
}

/// A file that was read on the way, and a hash of what was in it: another hash, another policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileRead {
    pub(super) path: PathBuf,
    pub(super) hash: u64,
    pem: bool,
}

impl FileRead {
    fn new(path: &Path, result: &impl std::hash::Hash) -> FileRead {
        let mut hasher = std::hash::DefaultHasher::new();
        result.hash(&mut hasher);
        FileRead { path: path.to_owned(), hash: hasher.finish(), pem: false }
    }

    /// The same file as it is now.
    pub(super) fn again(&self) -> FileRead {
        if self.pem { FileRead::pem(&self.path, false).0 } else { FileRead::new(&self.path, &secret_file(&self.path)) }
    }

    /// A file that should hold certificates (or a `key`) as PEM, and why it does not. Its text is never told.
    pub(super) fn pem(path: &Path, key: bool) -> (FileRead, Option<String>) {
        let shown = path.display();
        let (file, bytes) = FileRead::bytes(path);
        let problem = match &bytes {
            Err(problem) => Some(problem.clone()),
            Ok(bytes) if key && PrivateKeyDer::from_pem_slice(bytes).is_ok() => None,
            Ok(_) if key => Some(format!("the file {shown} holds no private key in PEM")),
            Ok(bytes) if holds_certificates(bytes) => None,
            Ok(_) => Some(format!("the file {shown} holds no certificates in PEM")),
        };
        (file, problem)
    }

    /// A file of certificates or keys, and its bytes.
    pub(super) fn bytes(path: &Path) -> (FileRead, Result<Vec<u8>, String>) {
        let bytes = whole_file(path, LARGEST_PEM, "4 MiB");
        (FileRead { pem: true, ..FileRead::new(path, &bytes) }, bytes)
    }

    /// Its permissions, where every user may read it.
    pub(super) fn open_to_others(path: &Path) -> Option<u32> {
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (mode & 0o004 != 0).then_some(mode)
    }
}

/// What became of a text with references.
pub(super) enum Expanded {
    /// It is this now.
    Text { text: String, files: Vec<FileRead> },
    /// A reference leads nowhere, for this reason.
    Unset { reason: String, files: Vec<FileRead> },
    /// References are not resolved here.
    Unresolved,
    /// What stands between the braces is no reference.
    Malformed(String),
}

enum Reference<'t> {
    Variable(&'t str),
    File(&'t Path),
}

impl Reference<'_> {
    fn of(text: &str) -> Result<Reference<'_>, String> {
        if let Some(path) = text.strip_prefix("file:") {
            let path = Path::new(path.trim());
            return if path.is_absolute() {
                Ok(Reference::File(path))
            } else {
                Err("a `${file:...}` whose path does not begin with a slash".to_owned())
            };
        }
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            Ok(Reference::Variable(text))
        } else {
            Err("a `${...}` that names neither a variable nor a file".to_owned())
        }
    }
}

fn holds_certificates(bytes: &[u8]) -> bool {
    let mut read = CertificateDer::pem_slice_iter(bytes).peekable();
    read.peek().is_some() && read.all(|certificate| certificate.is_ok())
}

fn secret_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let bytes = whole_file(path, LARGEST, "64 KiB")?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the file {shown} is not UTF-8"))?;
    let text = text.trim();
    if text.is_empty() { Err(format!("the file {shown} is empty")) } else { Ok(text.to_owned()) }
}

/// A regular file of bounded size: a FIFO or a device could block, or never end.
fn whole_file(path: &Path, largest: u64, shown_size: &str) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| format!("the file {shown} cannot be read: {error}");
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(format!("{shown} is not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let read = file.take(largest + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > largest {
        return Err(format!("the file {shown} is larger than {shown_size}"));
    }
    Ok(bytes)
}
