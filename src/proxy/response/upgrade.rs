//! What follows a 101: bytes, both ways, until both sides have ended.
//!
//! Any protocol that a client asks to upgrade to is carried byte for byte. One side's end is passed on while the other
//! may still send. Of a WebSocket the [`session`] is watched besides: how it was closed says what became of it. A hard
//! rollback ends what is at the canary, and the end of the process all: a WebSocket gets a close frame where the last
//! frame is whole, any other tunnel ends. Invariant: the account ends when the bytes do, with the side to blame that
//! broke.

mod goodbye;
mod heartbeat;
mod pipe;
mod session;

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use self::pipe::Pipe;
use self::session::{OutOfTime, Session};
use crate::clock;
use crate::decide::cause::Cause;
use crate::decide::outcome::{BodyEnd, Ending};
use crate::decide::units::Millis;
use crate::decide::websocket::{CloseCode, CloseMeaning, ClosedBy, meaning_of};
use crate::proxy::attempt::account::Account;
use crate::proxy::attempt::cause;
use crate::proxy::attempt::key_choice::closed_with;
use crate::proxy::core::Core;
use crate::proxy::downstream::client_connection::OpenRequest;
use crate::proxy::response::body::ProviderBody;
use crate::state::websocket_sessions::OpenWebSocket;
use crate::wire::websocket::{Close, GOING_AWAY, INTERNAL_ERROR, SERVICE_RESTART};

/// How much is read at a time.
const PIECE: usize = 16 * 1024;
/// How often one direction is read before others have their turn.
const TURNS: usize = 16;

/// What is carried: one value, since the response's head decides it.
pub(crate) struct Carried {
    pub(crate) client: OnUpgrade,
    pub(crate) provider: OnUpgrade,
    /// Keeps the provider's connection counted.
    pub(crate) place: ProviderBody,
    pub(crate) account: Box<Account>,
    pub(crate) open_request: OpenRequest,
    /// Whether it is a WebSocket.
    pub(crate) websocket: bool,
}

/// Carries bytes between both sides as soon as both have left HTTP.
pub(crate) fn carry(carried: Carried) {
    tokio::task::spawn_local(async move {
        let Carried { client, provider, place, mut account, open_request, websocket } = carried;
        let _held = (place, open_request);
        let scope = account.scope();
        let (core, id) = (Rc::clone(&scope.core), account.attempt().candidate.id);
        let open = websocket.then(|| OpenWebSocket::begin(scope.series(id).websockets(), clock::now()));
        let _counted = websocket.then(|| Core::session_begins(&core));
        let ping_every = scope.in_use.snapshot.policy.provider(id).ping_every;
        let session = websocket.then(|| Session::begin(ping_every, clock::instant()));
        let (end, said, session) = tunnel(client, provider, &mut account, core, session).await;
        match session {
            None => end_of_bytes(&mut account, &end),
            Some(session) => {
                let first = session.first().filter(|(by, _)| *by != ClosedBy::Serin);
                if let Some(open) = &open {
                    let (by, code) = closed_by(first.as_ref(), &end, said);
                    open.closed(by, code);
                }
                end_of_session(&mut account, first, &end);
            }
        }
    });
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both sides have ended.
    Over,
    /// This side broke.
    Broke(ClosedBy),
    /// An operator ended it.
    RolledBack,
    /// The process ends.
    Stopped,
    /// The provider was silent for so long.
    Silent(Millis),
    /// One side closed, and they did not part.
    NotParted,
}

impl End {
    /// The close frame that says so, where Serin ends it.
    fn close(self) -> Option<(u16, &'static str)> {
        match self {
            End::RolledBack => Some((SERVICE_RESTART, "rolled back, connect again (from Serin)")),
            End::Stopped => Some((GOING_AWAY, "stopping, connect again (from Serin)")),
            End::Silent(_) => Some((INTERNAL_ERROR, "the provider is silent, connect again (from Serin)")),
            End::Over | End::Broke(_) | End::NotParted => None,
        }
    }
}

/// Of a tunnel whose bytes nobody reads.
fn end_of_bytes(account: &mut Account, end: &End) {
    match end {
        End::Over => account.body_ended(BodyEnd::Complete),
        End::Broke(ClosedBy::Client) => account.end(Ending::ClientLeft),
        End::Broke(_) | End::NotParted | End::Silent(_) => account.body_ended(BodyEnd::Early),
        End::RolledBack | End::Stopped => account.end(Ending::CutBySerin),
    }
}

/// Of a WebSocket: who closed first decides, and else who ended first.
fn end_of_session(account: &mut Account, first: Option<(ClosedBy, Option<Close>)>, end: &End) {
    match (first, end) {
        (Some((ClosedBy::Provider, Some(close))), _) => {
            let meaning = meaning_of(&close);
            if meaning != CloseMeaning::Done {
                account.note_cause(cause::of_close(&close), None);
                closed_with(&account.scope().in_use, account.attempt().candidate, &close);
            }
            account.body_ended(BodyEnd::Closed(meaning));
        }
        (Some((_, Some(_))), _) => account.body_ended(BodyEnd::Complete),
        (None, End::RolledBack | End::Stopped) => account.end(Ending::CutBySerin),
        (None, End::Silent(limit)) => {
            account.note_cause(Cause::Silent { limit: Some(*limit) }, None);
            account.body_ended(BodyEnd::Silent);
        }
        (Some((ClosedBy::Provider, None)), _) | (None, End::Broke(ClosedBy::Provider)) => {
            account.note_cause(Cause::NotClosed, None);
            account.body_ended(BodyEnd::Early);
        }
        (Some((_, None)) | None, _) => account.end(Ending::ClientLeft),
    }
}

/// Under which side and code a session is counted. `said`: Serin's close frame went out to the client.
fn closed_by(first: Option<&(ClosedBy, Option<Close>)>, end: &End, said: bool) -> (ClosedBy, CloseCode) {
    match (first, end.close(), end) {
        (Some((by, Some(close))), ..) => (*by, CloseCode::Frame(close.code)),
        (Some((by, None)), ..) => (*by, CloseCode::Cut),
        (None, Some((code, _)), _) if said => (ClosedBy::Serin, CloseCode::Frame(Some(code))),
        (None, Some(_), _) => (ClosedBy::Serin, CloseCode::Cut),
        (None, None, End::Broke(by)) => (*by, CloseCode::Cut),
        (None, None, _) => (ClosedBy::Client, CloseCode::Cut),
    }
}

/// Both sides, and what is on its way between them.
struct Tunnel<'a> {
    client: TokioIo<Upgraded>,
    provider: TokioIo<Upgraded>,
    up: Pipe,
    down: Pipe,
    account: &'a mut Account,
    core: Rc<Core>,
    /// Of a WebSocket.
    session: Option<Session>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Which side broke first, where the other was still to get something.
    broke: Option<ClosedBy>,
    /// Whether a close frame of Serin's went out to the client.
    said: bool,
}

async fn tunnel(
    client: OnUpgrade,
    provider: OnUpgrade,
    account: &mut Account,
    core: Rc<Core>,
    session: Option<Session>,
) -> (End, bool, Option<Session>) {
    let Ok(provider) = provider.await else { return (End::Broke(ClosedBy::Provider), false, session) };
    let Ok(client) = client.await else { return (End::Broke(ClosedBy::Client), false, session) };
    let (client, provider) = (TokioIo::new(client), TokioIo::new(provider));
    let (up, down) = (Pipe::default(), Pipe::default());
    let (timer, broke, said) = (None, None, false);
    let mut tunnel = Tunnel { client, provider, up, down, account, core, session, timer, broke, said };
    let end = tunnel.carry().await;
    if let Some(close) = end.close() {
        tunnel.say_goodbye(close).await;
    }
    (end, tunnel.said, tunnel.session)
}

impl Tunnel<'_> {
    async fn carry(&mut self) -> End {
        let core = Rc::clone(&self.core);
        let mut published = pin!(core.until_published());
        poll_fn(|context| {
            while published.as_mut().poll(context).is_ready() {
                published.set(core.until_published());
            }
            self.poll(context)
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if self.core.ends_requests() {
            if self.core.is_cut() {
                return Poll::Ready(End::Stopped);
            }
            if self.account.scope().is_cut(self.account.attempt().candidate.id) {
                return Poll::Ready(End::RolledBack);
            }
        }
        let mut up = self.poll_up(context);
        let down = self.poll_down(context);
        if let Some(out) = self.poll_clock(context) {
            return Poll::Ready(match out {
                OutOfTime::Silent(limit) => End::Silent(limit),
                OutOfTime::HalfAFrame => End::Broke(ClosedBy::Client),
                OutOfTime::Parting => self.broke.map_or(End::NotParted, End::Broke),
            });
        }
        if up.is_pending() && self.session.is_some() && self.up.is_blocked() {
            up = self.poll_up(context);
        }
        match (up, down) {
            (Poll::Ready(Err(end)), _) | (_, Poll::Ready(Err(end))) => Poll::Ready(end),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(self.broke.map_or(End::Over, End::Broke)),
            _ => Poll::Pending,
        }
    }

    fn poll_clock(&mut self, context: &mut Context<'_>) -> Option<OutOfTime> {
        let session = self.session.as_mut()?;
        while let Some(due) = session.due() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due.into())));
            if timer.deadline() != due.into() {
                timer.as_mut().reset(due.into());
            }
            if timer.as_mut().poll(context).is_pending() {
                break;
            }
            if let Some(out) = session.look(&mut self.up, &mut self.down, clock::instant()) {
                return Some(out);
            }
            session.ping(&mut self.up, clock::instant(), || self.core.random_bytes());
        }
        session.ping(&mut self.up, clock::instant(), || self.core.random_bytes());
        None
    }

    /// Carries what the client sends. Ready once its end was passed on.
    fn poll_up(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        for _ in 0..TURNS {
            if ready!(self.up.poll_written(&mut self.provider, context)).is_err() {
                self.lost(ClosedBy::Provider)?;
            }
            if self.up.is_over() {
                return Poll::Ready(Ok(()));
            }
            let core = Rc::clone(&self.core);
            let mut scratch = core.scratch.borrow_mut();
            let Ok(bytes) = ready!(read(&mut self.client, &mut scratch, context)) else {
                // It has said all that there was to say, or nobody knows whether it has.
                if !self.session.as_ref().is_some_and(Session::is_closed_by_client) {
                    return Poll::Ready(Err(End::Broke(self.broke.unwrap_or(ClosedBy::Client))));
                }
                self.up.end();
                continue;
            };
            if let Some(session) = &mut self.session {
                let now = clock::instant();
                if bytes.is_empty() { session.ended(ClosedBy::Client, now) } else { session.client_sent(bytes, now) }
            }
            if bytes.is_empty() {
                self.up.end();
            } else if self.up.write(bytes, &mut self.provider, context).is_err() {
                self.lost(ClosedBy::Provider)?;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Carries what the provider sends. Ready once its end was passed on.
    fn poll_down(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        for _ in 0..TURNS {
            if ready!(self.down.poll_written(&mut self.client, context)).is_err() {
                self.lost(ClosedBy::Client)?;
            }
            if self.down.is_over() {
                return Poll::Ready(Ok(()));
            }
            let core = Rc::clone(&self.core);
            let mut scratch = core.scratch.borrow_mut();
            let bytes = match ready!(read(&mut self.provider, &mut scratch, context)) {
                Ok(bytes) => bytes,
                Err(_) if self.session.is_none() => return Poll::Ready(Err(End::Broke(ClosedBy::Provider))),
                Err(_) => {
                    self.broke.get_or_insert(ClosedBy::Provider);
                    &[]
                }
            };
            if bytes.is_empty() {
                if let Some(session) = &mut self.session {
                    session.ended(ClosedBy::Provider, clock::instant());
                }
                self.down.end();
                continue;
            }
            let waiting = self.down.waiting();
            let session = self.session.as_mut();
            if session.is_none_or(|session| session.provider_sent(bytes, waiting, clock::instant()))
                && self.down.write(bytes, &mut self.client, context).is_err()
            {
                self.lost(ClosedBy::Client)?;
            }
            self.account.carried(bytes.len());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// This side takes nothing more. In a WebSocket the other still gets all that is on its way, and how it was closed.
    fn lost(&mut self, side: ClosedBy) -> Result<(), End> {
        let Some(session) = &mut self.session else { return Err(End::Broke(side)) };
        if self.broke.is_none() {
            self.broke = Some(side);
            session.parts(clock::instant());
        }
        if side == ClosedBy::Provider {
            self.up.lose()
        } else {
            self.down.lose()
        }
        Ok(())
    }
}

/// What came; nothing at the end.
fn read<'a>(
    from: &mut TokioIo<Upgraded>,
    scratch: &'a mut Vec<u8>,
    context: &mut Context<'_>,
) -> Poll<io::Result<&'a [u8]>> {
    scratch.resize(PIECE, 0);
    let mut buffer = ReadBuf::new(scratch);
    ready!(Pin::new(from).poll_read(context, &mut buffer))?;
    let length = buffer.filled().len();
    Poll::Ready(Ok(&scratch[..length]))
}
