//! From the tree to the policy: what each value means, and the rules that hold between keys.
//!
//! The only stage that knows what the file is for. It runs over whatever fits of a file with errors too, so that all
//! errors are told at once, and gives a policy only for a file without any. Invariant: what it gives holds everything
//! that [`Policy`] promises, so nobody behind it checks again.

mod access_log;
mod api_keys;
mod condition;
mod copies;
mod fields;
mod findings;
mod flag;
mod flag_variants;
mod grpc;
mod guard;
mod key_format;
mod listen_tls;
mod names;
mod notify;
mod otlp;
mod prices;
mod provider;
mod ramp;
mod rate_limit;
mod recovery;
mod rollout;
mod rules;
mod secrets;
mod tags;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use crate::decide::policy::{Client, Fixed, Limits, Policy, Role, Secret, Token, Unmatched};
use crate::decide::units::ProviderId;
use crate::decide::unusable_stable::UnusableStable;
use crate::describe::unusable_stable::{problem, remedy};

use super::environment::{Environment, FileRead};
use super::error::FlagsError;
use super::place::At;
use super::scalar::{length, name, size, some_length, switch, wrong};
use super::text::Spot;
use super::tree::Node;
use super::{bounds, mask, shape, text, tree, url};
use findings::{Findings, Named, choose, whole_at};

/// An accepted file.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What it means.
    pub policy: Arc<Policy>,
    /// What is accepted but should be mended, one sentence each, in the file's order.
    pub warnings: Vec<String>,
    /// What is right and may surprise whoever wrote it, in the same form; not worth a word while it runs.
    pub notes: Vec<String>,
    /// The text, unexpanded, with every literal secret masked.
    pub shown: Arc<str>,
    /// The files that its references name, and the certificates: a change of these is a change of the policy.
    pub secret_files: Vec<PathBuf>,
    /// Where each provider's name stands, and that line with every secret masked, in the policy's order.
    providers: Vec<(Spot, String)>,
}

impl Compiled {
    /// Users without a provider, as an error of the file.
    #[must_use]
    pub fn error_of(&self, unserved: &UnusableStable) -> FlagsError {
        let names = self.policy.providers.iter().zip(&self.providers);
        let found = names.filter(|(provider, _)| provider.name == unserved.provider).map(|(_, found)| found).next();
        let (line, column) = found.map_or((0, 0), |(spot, _)| (spot.line, spot.column));
        let source = found.map_or_else(String::new, |(_, source)| source.clone());
        let path = format!("providers.{}", unserved.provider);
        FlagsError { path, source, ..FlagsError::at(line, column, problem(unserved), remedy(unserved)) }
    }
}

/// Reads a file's text. The errors are in the order of their places, at most a hundred of them.
pub fn compile(text: &str, environment: &Environment) -> Result<Compiled, Vec<FlagsError>> {
    let mut files = Vec::new();
    compile_noting(text, environment, &mut files)
}

/// The same, and the files that were read on the way, also where there are errors.
pub(super) fn compile_noting(
    text: &str,
    environment: &Environment,
    files: &mut Vec<FileRead>,
) -> Result<Compiled, Vec<FlagsError>> {
    let shown = |error: FlagsError| vec![FlagsError { source: mask::line(text, error.line), ..error }];
    let text = text::admit(text).map_err(shown)?;
    let tree = tree::parse(text).map_err(shown)?;
    let mut errors = Vec::new();
    let fitting = shape::check(&tree, &mut errors);
    let mut findings = Findings::new(environment, errors);
    let policy = fitting.and_then(|tree| policy(&tree, &mut findings));
    files.extend(std::mem::take(&mut findings.files));
    conclude(policy, findings, files, text)
}

fn conclude(
    policy: Option<Policy>,
    findings: Findings<'_>,
    files: &[FileRead],
    text: &str,
) -> Result<Compiled, Vec<FlagsError>> {
    let Findings { environment, mut errors, mut warnings, mut notes, secrets, read, providers, .. } = findings;
    if errors.is_empty()
        && let Some(policy) = policy
    {
        environment.keep(read, &policy);
        warnings.sort();
        notes.sort();
        let sources = mask::lines(&mask::starred(text, &secrets), providers.iter().map(|spot| spot.line));
        return Ok(Compiled {
            policy: Arc::new(policy),
            warnings: warnings.into_iter().map(|(_, warning)| warning).collect(),
            notes: notes.into_iter().map(|(_, note)| note).collect(),
            shown: mask::shown(text, &secrets).into(),
            secret_files: files.iter().map(|file| file.path.clone()).collect(),
            providers: providers.into_iter().zip(sources).collect(),
        });
    }
    if errors.is_empty() {
        errors.push(FlagsError::whole("the file cannot be read as flags.yaml", "begin with `providers:`"));
    }
    errors.sort_by(|a, b| (a.line, a.column, &a.path).cmp(&(b.line, b.column, &b.path)));
    errors.dedup();
    if errors.len() > bounds::MOST_ERRORS {
        errors.truncate(bounds::MOST_ERRORS);
        errors.push(FlagsError::whole("there are more errors than these", "correct these first"));
    }
    let starred = mask::starred(text, &secrets);
    let numbers: Vec<usize> = errors.iter().map(|error| error.line).collect();
    let sources = mask::lines(&starred, numbers.iter().copied());
    for (error, source) in errors.iter_mut().zip(sources) {
        error.source = source;
    }
    Err(errors)
}

fn policy(tree: &Rc<Node>, findings: &mut Findings<'_>) -> Option<Policy> {
    let root = At::root(tree);
    let fixed = fixed(&root, findings);
    let reached = findings.environment.reached(&fixed);
    let providers = provider::all(&root.key("providers"), findings);
    let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
    let mount = findings.value(&root.key("mount"), url::mount);
    // What is wrong with the list of names itself is told of it, and not of those who use them.
    findings.names_are_known(Named::Provider, root.key("providers").fits());
    let rollouts = rollout::all(&root, &names, &mount, reached.proxy(), findings);
    let named = rollouts.iter().all(|rollout| !rollout.name.is_empty());
    findings.names_are_known(Named::Rollout, named && (root.key("rollouts").fits() || !root.has("rollouts")));
    let unmatched = unmatched(&root, &names, rollouts.first().map(|rollout| rollout.stable), findings);
    let policy = Policy {
        fixed,
        listen_tls: listen_tls::listen_tls(&root.key("listen_tls"), findings),
        mount,
        unmatched,
        flags: flag::all(&root, &rollouts, findings),
        clients: clients(&root, findings),
        open: findings.value(&root.key("open"), switch),
        tokens: tokens(&root, reached.admin, findings),
        cors: cors(&root.key("admin").key("cors"), findings),
        limits: limits(&root.key("limits"), findings),
        drain: findings.value(&root.key("drain"), length),
        egress: egress(&root.key("proxy"), findings),
        response_headers: findings.value(&root.key("response_headers"), switch),
        access_log: access_log::access_log(&root.key("access_log"), findings),
        notify: notify::notify(&root.key("notify"), findings),
        admin_url: findings.given(&root.key("admin").key("url"), url::public_url),
        otlp: otlp::otlp(&root.key("otlp"), findings),
        providers: providers.into_iter().map(Arc::new).collect(),
        rollouts: rollouts.into_iter().map(Arc::new).collect(),
    };
    rules::check(&policy, reached, &root, findings);
    tags::check(&policy, &root, findings);
    grpc::check(&policy, &root, findings);
    findings.deduplicate_unknown_names();
    (!policy.providers.is_empty()).then_some(policy)
}

fn fixed(root: &At, findings: &mut Findings<'_>) -> Fixed {
    let state = |text: &str| {
        if text.trim().is_empty() {
            return wrong("is not a directory's path", "write a path such as `/var/lib/serin`");
        }
        Ok(PathBuf::from(text))
    };
    let workers = root.key("workers");
    Fixed {
        listen: findings.value(&root.key("listen"), url::address),
        listen_tls: findings.given(&root.key("listen_tls").key("listen"), url::address),
        admin: findings.value(&root.key("admin").key("listen"), url::address),
        probe: findings.given(&root.key("probe").key("listen"), url::address),
        state: findings.given(&root.key("state"), state),
        workers: findings
            .given(&workers, |text| whole_at(&workers, text))
            .and_then(|workers| u16::try_from(workers).ok()),
    }
}

fn unmatched(root: &At, names: &[&str], first_stable: Option<ProviderId>, findings: &mut Findings<'_>) -> Unmatched {
    let parse = |text: &str| match text {
        "reject" => Ok(Unmatched::Reject),
        name => names::provider_named(names, name).map(Unmatched::Provider),
    };
    if let Some(unmatched) = findings.named(&root.key("unmatched"), Named::Provider, parse) {
        return unmatched;
    }
    match first_stable {
        Some(stable) => Unmatched::Usual(stable),
        None if names.len() == 1 => Unmatched::Usual(ProviderId(0)),
        None => {
            if !root.has("unmatched") && !root.has("rollouts") && names.len() > 1 && !root.has_unknown_key() {
                findings.error(
                    root,
                    "there are several providers and no rollouts: where do requests go?",
                    "add `rollouts`, or `unmatched` with a provider's name",
                );
            }
            Unmatched::Reject
        }
    }
}

fn clients(root: &At, findings: &mut Findings<'_>) -> Vec<Client> {
    let (mut names, mut keys) = (Vec::new(), Vec::new());
    for at in root.key("clients").items() {
        let given = findings.given(&at.key("name"), name);
        let key = findings.own_secret(&at.key("key"), |_| Ok(()));
        let rate_limit = rate_limit::client(&at.key("rate_limit"), findings);
        let (Some(name), Some(key)) = (given, key) else { continue };
        names.push((name, at.key("name"), rate_limit));
        keys.push((at.key("key"), key));
    }
    findings.reject_equal_secrets(&mut keys, "two clients have the same key");
    let mut clients: Vec<Client> = Vec::new();
    for ((name, name_at, rate_limit), (key_at, key)) in names.into_iter().zip(keys) {
        if clients.iter().any(|other| other.name == name) {
            findings.error(&name_at, format!("a second client named `{name}`"), "give each its own name");
        } else if findings.resolves() && clients.iter().any(|other| other.key == key) {
            findings.error(&key_at, "two clients have the same key", "give each its own key");
        } else {
            clients.push(Client { name, key, rate_limit });
        }
    }
    clients
}

fn tokens(root: &At, reached: SocketAddr, findings: &mut Findings<'_>) -> Vec<Token> {
    const ROLES: [(&str, Role); 5] = [
        ("read", Role::Read),
        ("flags", Role::Flags),
        ("feedback", Role::Feedback),
        ("rollback", Role::Rollback),
        ("change", Role::Change),
    ];
    let (mut holders, mut secrets) = (Vec::new(), Vec::new());
    for at in root.key("admin").key("tokens").items() {
        let given = findings.given(&at.key("name"), name);
        let secret = findings.token(&at.key("token"), reached);
        let allowed = at.key("may");
        let role = |text: &str| choose(text, "is not a permission", &ROLES);
        let may: BTreeSet<Role> = allowed.items().iter().filter_map(|at| findings.given(at, role)).collect();
        if allowed.fits() && allowed.texts().is_empty() {
            findings.error(
                &allowed,
                "this token allows nothing",
                "name at least one of read, flags, feedback, rollback, change",
            );
        }
        let (Some(name), Some(secret)) = (given, secret) else { continue };
        holders.push((name, at.key("name"), may));
        secrets.push((at.key("token"), secret));
    }
    findings.reject_equal_secrets(&mut secrets, "two tokens are the same");
    let mut tokens: Vec<Token> = Vec::new();
    for ((name, name_at, may), (token_at, token)) in holders.into_iter().zip(secrets) {
        if tokens.iter().any(|other| other.name == name) {
            findings.error(&name_at, format!("a second token named `{name}`"), "give each its own name");
        } else if findings.resolves() && tokens.iter().any(|other| other.token == token) {
            findings.error(&token_at, "two tokens are the same", "give each name its own token");
        } else {
            tokens.push(Token { name, token, may });
        }
    }
    tokens
}

/// The origins whose pages may read flags; `None`: the default.
fn cors(at: &At, findings: &mut Findings<'_>) -> Option<Vec<String>> {
    let origins = at.items().iter().filter_map(|at| findings.given(at, url::origin)).collect();
    at.fits().then_some(origins)
}

fn limits(at: &At, findings: &mut Findings<'_>) -> Limits {
    let head = |text: &str| match size(text)? {
        bytes if (1024..=1024 * 1024).contains(&bytes) => Ok(u32::try_from(bytes).unwrap_or(u32::MAX)),
        _ => wrong("is not between 1KiB and 1MiB", "write a size such as `64KiB`"),
    };
    let body = |text: &str| match size(text)? {
        bytes if bytes <= bounds::MOST_REPLAY_BODY => Ok(bytes),
        _ => wrong("is too large for one body", "write at most `64MiB`: every body is buffered until it is answered"),
    };
    let limits = Limits {
        header_bytes: findings.value(&at.key("header_bytes"), head),
        header_time: findings.value(&at.key("header_time"), some_length),
        idle: findings.value(&at.key("idle"), some_length),
        connections: findings.whole(&at.key("connections")),
        replay_body: findings.value(&at.key("replay_body"), body),
        replay_memory: findings.value(&at.key("replay_memory"), size),
        state_ids: findings.whole(&at.key("state_ids")),
    };
    if limits.replay_memory < limits.replay_body {
        let at = if at.has("replay_memory") { at.key("replay_memory") } else { at.key("replay_body") };
        findings.error(
            &at,
            "the memory for all bodies (`replay_memory`) is less than that for a single one (`replay_body`)",
            "raise `replay_memory`, or lower `replay_body`",
        );
    }
    limits
}

fn egress(at: &At, findings: &mut Findings<'_>) -> Option<Secret> {
    let given = at.text()?;
    if given.contains('@') {
        // Its password is a secret like any other.
        let literal = given.split_once("://").map_or(given, |(_, rest)| rest);
        let credentials = literal.rsplit_once('@').map_or("", |(credentials, _)| credentials);
        if !mask::is_reference(credentials)
            && let Some(node) = at.node()
        {
            findings.secrets.push(node.span.clone());
            findings.warn(at, "the file contains a password; keep the address in a variable (`${NAME}`)");
        }
    }
    findings.kept(at, url::proxy).map(Secret::new)
}
