//! `serin inject`: adds the sidecar to the workloads of Kubernetes manifests, and sets the application's base URL.
//!
//! Reads a stream of YAML or JSON documents and writes it again. Edits the text where something is missing, guided by
//! the places of the values, so that comments, order and every other document stay byte for byte as they were. Reports
//! on standard error what was done. Invariant: before anything is written the result is read once more, and must need
//! no further edit; so a second injection changes nothing.

mod edit;
mod fits;
mod plan;
mod problem;
mod sidecar;
mod tree;
mod value;
mod wanted;
mod workload;

#[cfg(test)]
mod tests;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::edit::{Editor, apply};
use self::plan::{Plan, plan};
use self::problem::problem;
use self::sidecar::Sidecar;
use self::wanted::Wanted;
use self::workload::{Way, Workload, workloads};
use super::{Exit, Failure, Outcome};
use crate::flags::{FlagsError, render};

/// The largest stream that is read, in bytes.
const LARGEST: u64 = 32 * 1024 * 1024;

/// When the kubelet pulls the image.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Pull {
    /// Before every start of a container.
    Always,
    /// Where the node has no such image.
    IfNotPresent,
    /// Not at all: the image must be on the node.
    Never,
}

/// Arguments of `serin inject`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "The sidecar is added to every Deployment, StatefulSet, DaemonSet, ReplicaSet, \
    ReplicationController, Job, CronJob, Pod and PodTemplate, and to those in a List. Everything else stays byte for \
    byte as it is, comments too. A workload that has the sidecar keeps it, so a second injection changes nothing. \
    The annotation `serin/inject: disabled`, of a workload or of its pods, leaves the workload as it is.\n\n\
    The ConfigMap must have a key flags.yaml, mounted in /etc/serin. The Secret has a file for each provider, mounted \
    in /run/secrets/serin; in flags.yaml: api_keys: [\"${file:/run/secrets/serin/openai}\"]. State is kept in the volume \
    serin-state, an emptyDir unless the pod has a volume of this name.\n\n\
    A report is written to standard error.\n\n\
    Examples:\n  serin inject < deployment.yaml | kubectl apply -f -\n  \
    kustomize build . | serin inject --image registry.example.com/serin:0.1.0 > out.yaml\n  \
    serin inject deployment.yaml --container app --env OPENAI_BASE_URL --env ANTHROPIC_BASE_URL")]
pub struct InjectArgs {
    /// The manifests, as YAML or JSON; without it, or with `-`, standard input.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The image of the sidecar.
    #[arg(long, value_name = "IMAGE", default_value = concat!("serin:", env!("CARGO_PKG_VERSION")),
        value_parser = image_name)]
    image: String,
    /// When the image is pulled.
    #[arg(long, value_name = "POLICY", value_enum, default_value = "IfNotPresent")]
    image_pull_policy: Pull,
    /// The ConfigMap that has flags.yaml.
    #[arg(long, value_name = "NAME", default_value = "serin-flags", value_parser = object_name)]
    config_map: String,
    /// The Secret that has the providers' keys as files.
    #[arg(long, value_name = "NAME", default_value = "serin-keys", value_parser = object_name)]
    secret: String,
    /// Mount no Secret, where the application's own credentials pass through.
    #[arg(long, conflicts_with = "secret")]
    no_secret: bool,
    /// The variable with the base URL, and what follows the port in it: NAME means NAME=/v1, and ANTHROPIC_BASE_URL
    /// means ANTHROPIC_BASE_URL= since its SDK adds /v1. May be repeated. A value that is there is replaced.
    #[arg(long, value_name = "NAME[=SUFFIX]", default_value = "OPENAI_BASE_URL", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The container that gets the variable: by default every one but init containers. May be repeated.
    #[arg(long, value_name = "NAME")]
    container: Vec<String>,
    /// The port of `listen` in flags.yaml.
    #[arg(long, value_name = "PORT", default_value_t = 7171, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Only workloads of this namespace; one whose document names none belongs to it.
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Add an ordinary container in place of a native sidecar, for clusters before Kubernetes 1.29.
    #[arg(long)]
    classic: bool,
}

fn image_name(name: &str) -> Result<String, String> {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(name.to_owned());
    }
    Err("write NAME, NAME:TAG or NAME@DIGEST, without spaces".into())
}

fn object_name(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if name.len() <= 253 && name.chars().all(fits) && ends(name.chars().next()) && ends(name.chars().next_back()) {
        return Ok(name.to_owned());
    }
    Err("a name in Kubernetes has small letters, digits, `-` and `.`, and begins and ends with a letter or digit"
        .into())
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, suffix) = match text.split_once('=') {
        Some((name, suffix)) => (name, suffix),
        None if text == "ANTHROPIC_BASE_URL" => (text, ""),
        None => (text, "/v1"),
    };
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("`{name}` is no name of a variable: write NAME or NAME=SUFFIX"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.~".contains(c);
    if !(suffix.is_empty() || suffix.starts_with('/')) || !suffix.chars().all(plain) {
        return Err(format!("`{suffix}` is no path: write nothing, or a path such as /v1"));
    }
    Ok((name.to_owned(), suffix.to_owned()))
}

/// Reads, injects and writes.
///
/// # Errors
/// Where the input cannot be read, or a workload cannot have the sidecar; then nothing is written.
pub fn run(args: &InjectArgs) -> Outcome {
    args.check().map_err(Failure::usage)?;
    let (name, text) = args.read()?;
    let injected = inject(&text, args).map_err(|error| Failure::usage(render(&[error], &name).trim_end()))?;
    if !injected.unknown.is_empty() {
        let names = injected.unknown.join("`, `");
        return Err(Failure::usage(format!("{name}: no workload has a container `{names}`: check --container")));
    }
    let mut out = std::io::stdout().lock();
    let written = out.write_all(injected.text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(Failure::failed(format!("standard output cannot be written: {error}")));
        }
        _ => {}
    }
    for line in &injected.report {
        eprintln!("serin: {}", crate::decide::printable::printable(line));
    }
    Ok(Exit::Done)
}

impl InjectArgs {
    /// Refuses what no single option is wrong in.
    fn check(&self) -> Result<(), String> {
        let mut names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("--env has `{}` more than once: give each variable once", pair[0])),
            None => Ok(()),
        }
    }

    /// The name and the text of what is to be injected.
    fn read(&self) -> Result<(String, String), Failure> {
        let file = self.file.as_deref().filter(|file| file.as_os_str() != "-");
        let name = file.map_or_else(|| "standard input".to_owned(), |file| file.display().to_string());
        let mut bytes = Vec::new();
        let read = match file {
            Some(file) => std::fs::File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)),
            None if std::io::stdin().is_terminal() => {
                return Err(Failure::usage("give the manifests: `serin inject FILE`, or `serin inject < FILE`"));
            }
            None => std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes),
        };
        read.map_err(|error| Failure::failed(format!("{name} cannot be read: {error}")))?;
        if bytes.len() as u64 > LARGEST {
            return Err(Failure::usage(format!("{name} has more than 32 MiB: inject its documents one by one")));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok((name, text)),
            Err(_) => Err(Failure::usage(format!("{name} is not UTF-8: save it as UTF-8"))),
        }
    }

    fn wanted(&self) -> Wanted {
        let sidecar = Sidecar {
            image: self.image.clone(),
            pull: format!("{:?}", self.image_pull_policy),
            config_map: self.config_map.clone(),
            secret: (!self.no_secret).then(|| self.secret.clone()),
            classic: self.classic,
        };
        Wanted { sidecar, port: self.port, variables: self.env.clone(), containers: self.container.clone() }
    }
}

/// What became of a stream.
#[derive(Debug)]
struct Injected {
    text: String,
    report: Vec<String>,
    /// How many workloads it has.
    workloads: usize,
    /// The containers that were asked for, and that no workload has; empty where every workload is left as it is.
    unknown: Vec<String>,
}

/// Injects into a text, and reads the result once more.
fn inject(text: &str, args: &InjectArgs) -> Result<Injected, FlagsError> {
    let injected = inject_once(text, args)?;
    if injected.text != text {
        let again = inject_once(&injected.text, args);
        if !again.as_ref().is_ok_and(|again| again.text == injected.text && again.workloads == injected.workloads) {
            return Err(FlagsError {
                path: again.err().map(|error| error.path).unwrap_or_default(),
                ..problem(0, 0, "the edited text does not read back as it was meant", PLAINLY)
            });
        }
    }
    Ok(injected)
}

const PLAINLY: &str = "write the document in the plain form of `kubectl create --dry-run=client -o yaml`";

fn inject_once(text: &str, args: &InjectArgs) -> Result<Injected, FlagsError> {
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let documents = tree::parse(body).map_err(|error| template(error, body))?;
    let (wanted, editor) = (args.wanted(), Editor { text: body });
    let mut edits = Vec::new();
    let mut injected = Injected { text: String::new(), report: Vec::new(), workloads: 0, unknown: Vec::new() };
    let (mut others, mut planned, mut chosen) = (0, 0, Vec::new());
    for (number, document) in (1..).zip(&documents) {
        let found = workloads(&document.root);
        others += usize::from(found.workloads.is_empty() && found.unsupported.is_empty());
        for (line, why) in found.unsupported {
            injected.report.push(format!("document {number} (line {line}): unchanged: {why}"));
        }
        for workload in found.workloads {
            injected.workloads += 1;
            let place = format!("document {number}, {}/{}", workload.kind, workload.name);
            let way = Way { repeated: &document.repeated };
            let here = |error| FlagsError { path: place.clone(), ..error };
            if let Some(why) = args.skips(&workload, &way).map_err(here)? {
                injected.report.push(format!("{place} (line {}): unchanged: {why}", workload.line()));
                continue;
            }
            let plan = plan(&workload, &way, editor, &wanted).map_err(here)?;
            injected.report.push(format!("{place} (line {}): {}", workload.line(), said(&plan, &wanted)));
            let notes = plan.notes.iter().map(|(line, note)| format!("{place} (line {line}): warning: {note}"));
            injected.report.extend(notes);
            planned += 1;
            chosen.extend(plan.chosen);
            edits.extend(plan.edits);
        }
    }
    match others {
        _ if injected.workloads == 0 => injected.report.push("no workload found; nothing is changed".to_owned()),
        0 => {}
        1 => injected.report.push("1 other document: unchanged".to_owned()),
        others => injected.report.push(format!("{others} other documents: unchanged")),
    }
    if planned > 0 {
        injected.unknown = args.container.iter().filter(|name| !chosen.contains(name)).cloned().collect();
    }
    injected.text = mark.to_owned() + &apply(body, edits)?;
    Ok(injected)
}

impl InjectArgs {
    /// Why a workload is left as it is.
    fn skips(&self, workload: &Workload<'_>, way: &Way<'_>) -> Result<Option<String>, FlagsError> {
        if let (Some(wanted), Some(of)) = (self.namespace.as_deref(), workload.namespace)
            && of != wanted
        {
            return Ok(Some(format!("it is of namespace {of}")));
        }
        let disabled = workload.is_left_alone(way)?;
        Ok(disabled.then(|| "its annotation is `serin/inject: disabled`".to_owned()))
    }
}

/// What was done to a workload.
fn said(plan: &Plan, wanted: &Wanted) -> String {
    let sidecar = if plan.added { "sidecar added" } else { "has the sidecar" };
    let variables: Vec<&str> = wanted.variables.iter().map(|(name, _)| name.as_str()).collect();
    match (plan.set.is_empty(), plan.chosen.is_empty()) {
        (false, _) => format!("{sidecar}; {} set in {}", variables.join(", "), plan.set.join(", ")),
        (true, true) => format!("{sidecar}; no container of the given names"),
        (true, false) => sidecar.to_owned(),
    }
}

/// An error of YAML in what is a template is no error of YAML.
fn template(error: FlagsError, text: &str) -> FlagsError {
    if !text.contains("{{") {
        return error;
    }
    let what = format!("{}; the file seems to be a template (`{{{{`)", error.problem);
    FlagsError { problem: what, remedy: "render it first: `helm template . | serin inject`".to_owned(), ..error }
}
