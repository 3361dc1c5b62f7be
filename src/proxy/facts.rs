//! What a request shows of itself before anybody decides about it.
//!
//! Reads the path, the framing, the client's key and, where the split needs it, the body. Whoever may not pass is
//! turned away here, before a byte of the body is read. Invariant: what is read changes nothing but one thing: a key
//! that was meant for Serin is taken off the request.

use http::header::{ACCEPT, CONNECTION, HOST, HeaderMap, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Uri, Version, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::core::{Core, InUse};
use super::door::Door;
use super::error::{Problem, shown};
use super::headers;
use super::replay::{self, Held, Whole};
use super::target;
use crate::decide::route::{self, Facts, InForceShare, Plan, Reason};
use crate::wire::body::{self, Peek, PeekError};
use crate::wire::segments;

/// What the head of a request says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    /// Where the part of the path below the mount begins.
    below_at: usize,
    /// Whether the client asks to leave HTTP.
    pub(crate) upgrade: bool,
    /// Whether there is a `Connection` header.
    pub(crate) connection: bool,
}

impl Visit {
    /// Reads the head, and turns away who may not pass.
    pub(crate) fn admit(in_use: &InUse, parts: &mut request::Parts) -> Result<Visit, Problem> {
        let policy = &in_use.snapshot.policy;
        if parts.method == Method::CONNECT {
            return Err(Problem::Connect);
        }
        if parts.method == Method::TRACE {
            return Err(Problem::Trace);
        }
        let marks = Marks::of(&parts.headers);
        let hosts = marks.hosts;
        if hosts > 1 || (hosts == 0 && parts.version == Version::HTTP_11) {
            return Err(Problem::Host(hosts));
        }
        let path = parts.uri.path();
        if segments::has_dots(path) {
            return Err(Problem::Dots(shown(path)));
        }
        let Some(below) = target::below(path, &policy.mount) else {
            return Err(Problem::OutsideMount { path: shown(path), mount: policy.mount.clone() });
        };
        let below_at = path.len() - below.len();
        if marks.coded
            && let Some(coding) = headers::unknown_coding(&parts.headers)
        {
            return Err(Problem::TransferEncoding(coding));
        }
        if !policy.clients.is_empty() {
            in_use.prepared.key_places.take(&policy.clients, parts).ok_or(Problem::Unauthorized)?;
        }
        let upgrade = marks.upgrades && headers::asks_to_upgrade(&parts.headers);
        Ok(Visit { below_at, upgrade, connection: marks.connection })
    }

    /// The path below the mount.
    pub(crate) fn below<'a>(&self, uri: &'a Uri) -> &'a str {
        uri.path().get(self.below_at..).unwrap_or_default()
    }

    /// Reads the body, where it has to be known before the request can go anywhere.
    pub(crate) async fn hold(
        &self,
        door: &Door,
        in_use: &InUse,
        parts: &request::Parts,
        body: Incoming,
    ) -> Result<Held, Problem> {
        if self.upgrade || !in_use.prepared.reads_body(self.below(&parts.uri)) {
            return Ok(Held::passing(body));
        }
        let limits = &in_use.snapshot.policy.limits;
        door.pulse.awaits_body(true);
        let held = replay::hold(&door.core.replay, limits, &parts.headers, body, &door.hush).await;
        door.pulse.awaits_body(false);
        held
    }

    /// The client's end of the connection, where it asks to leave HTTP.
    pub(crate) fn client_side(&self, parts: &mut request::Parts) -> Option<OnUpgrade> {
        if self.upgrade { parts.extensions.remove() } else { None }
    }

    /// Where the request goes by what is in force now.
    pub(crate) fn plan(
        &self,
        core: &Core,
        in_use: &InUse,
        parts: &request::Parts,
        peek: Option<&Peek<'_>>,
        unheld: bool,
    ) -> Result<Plan, Problem> {
        let snapshot = &in_use.snapshot;
        let facts =
            Facts { path: self.below(&parts.uri), query: parts.uri.query(), headers: &parts.headers, body: peek };
        let in_force = |id| {
            let rollout = snapshot.in_force(id);
            InForceShare { percent: rollout.percent, closed: rollout.closed }
        };
        let plan = route::plan(&snapshot.policy, in_force, &facts, || core.draw()).map_err(Problem::Unmatched)?;
        Ok(if unheld { plan.back_on_stable(&snapshot.policy, Reason::Unheld) } else { plan })
    }
}

/// Headers that most requests do not have, looked for in one walk.
#[derive(Default)]
struct Marks {
    hosts: usize,
    coded: bool,
    upgrades: bool,
    connection: bool,
}

impl Marks {
    fn of(headers: &HeaderMap) -> Marks {
        let mut marks = Marks::default();
        for (name, _) in headers {
            marks.hosts += usize::from(name == HOST);
            marks.coded |= name == TRANSFER_ENCODING;
            marks.upgrades |= name == UPGRADE;
            marks.connection |= name == CONNECTION;
        }
        marks
    }
}

/// The fields of a held body. What cannot be read has none, and the provider may say what it thinks of it.
pub(crate) fn peek<'a>(whole: Option<&'a Whole>, in_use: &'a InUse) -> Result<Option<Peek<'a>>, Problem> {
    let Some(Whole { bytes, boundary }) = whole else { return Ok(None) };
    let wanted = &in_use.prepared.wanted;
    let peek = match boundary {
        None => body::peek(bytes, wanted),
        Some(boundary) => body::peek_form(bytes, boundary, wanted),
    };
    match peek {
        Ok(peek) => Ok(Some(peek)),
        Err(problem @ PeekError::Duplicate { .. }) => Err(Problem::DuplicateKey(problem)),
        Err(_) => Ok(None),
    }
}

/// Whether a streamed answer is asked for: by the body where it was read, else by the accepted type.
pub(crate) fn asks_for_stream(peek: Option<&Peek<'_>>, headers: &HeaderMap) -> bool {
    match peek {
        Some(peek) => peek.stream(),
        None => headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream")),
    }
}
