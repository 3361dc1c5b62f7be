//! What follows a 101: bytes, both ways, until both sides have ended.
//!
//! Any protocol that a client asks to upgrade to is carried, WebSocket first among them; nothing of it is parsed, so
//! close frames arrive as they were sent. One side's end is passed on while the other may still send; no idle limit
//! applies. A hard rollback ends what is at the canary: a WebSocket's client gets a close frame with 1012 where the
//! last frame is whole, else its connection ends. Invariant: the account ends when the bytes do, with the side to blame
//! that broke.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::decide::outcome::{BodyEnd, Ending};
use crate::proxy::attempt::account::Account;
use crate::proxy::downstream::client_connection::OpenRequest;
use crate::proxy::response::body::ProviderBody;
use crate::wire::websocket::{Frames, SERVICE_RESTART, close};

/// How much is read at a time, each way.
const PIECE: usize = 8 * 1024;
/// How long a client may take to accept the frame that ends its WebSocket.
const LAST_FRAME: Duration = Duration::from_secs(1);
/// Its reason.
const GOODBYE: &str = "rolled back, connect again (from Serin)";

/// Carries bytes between both sides as soon as both have left HTTP. `place` keeps the provider's connection counted.
pub(crate) fn carry(
    client: OnUpgrade,
    provider: OnUpgrade,
    place: ProviderBody,
    mut account: Box<Account>,
    open_request: OpenRequest,
    websocket: bool,
) {
    open_request.connection.activity.is_upgraded();
    tokio::task::spawn_local(async move {
        let _held = (place, open_request);
        let frames = websocket.then(Frames::default);
        match tunnel(client, provider, &mut account, frames).await {
            Ok(()) => account.body_ended(BodyEnd::Complete),
            Err(Broken::Provider) => account.body_ended(BodyEnd::Early),
            Err(Broken::Client) => account.end(Ending::ClientLeft),
            Err(Broken::RolledBack) => account.end(Ending::CutBySerin),
        }
    });
}

/// Which side broke.
enum Broken {
    Client,
    Provider,
    /// An operator ended it.
    RolledBack,
}

async fn tunnel(
    client: OnUpgrade,
    provider: OnUpgrade,
    account: &mut Account,
    frames: Option<Frames>,
) -> Result<(), Broken> {
    let provider = provider.await.map_err(|_| Broken::Provider)?;
    let client = client.await.map_err(|_| Broken::Client)?;
    let (from_client, to_client) = split(client);
    let (from_provider, to_provider) = split(provider);
    let up = async {
        pump(from_client, to_provider, |_| ()).await.map_err(|end| match end {
            End::Read => Broken::Client,
            End::Write => Broken::Provider,
        })
    };
    tokio::try_join!(up, down(from_provider, to_client, account, frames)).map(|_| ())
}

/// Carries what the provider sends, until it ends or is ended.
async fn down(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    account: &mut Account,
    mut frames: Option<Frames>,
) -> Result<(), Broken> {
    let core = Rc::clone(&account.scope().core);
    let mut piece = vec![0_u8; PIECE];
    loop {
        let published = core.until_published();
        if account.scope().is_cut(account.attempt().candidate.id) {
            if frames.is_some_and(|frames| frames.are_between()) {
                let goodbye = async {
                    to.write_all(&close(SERVICE_RESTART, GOODBYE)).await?;
                    to.shutdown().await
                };
                // Who does not read it has to do without.
                let _ = tokio::time::timeout(LAST_FRAME, goodbye).await;
            }
            return Err(Broken::RolledBack);
        }
        let read = tokio::select! {
            biased;
            read = from.read(&mut piece) => read.map_err(|_| Broken::Provider)?,
            () = published => continue,
        };
        if read == 0 {
            return end(&mut to).await.map_err(|_| Broken::Client);
        }
        pass(&mut to, &piece[..read]).await.map_err(|_| Broken::Client)?;
        if let Some(frames) = &mut frames {
            frames.read(&piece[..read]);
        }
        account.carried(read);
    }
}

fn split(side: Upgraded) -> (impl AsyncRead + Unpin, impl AsyncWrite + Unpin) {
    tokio::io::split(TokioIo::new(side))
}

enum End {
    Read,
    Write,
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut passed: impl FnMut(usize),
) -> Result<(), End> {
    let mut piece = vec![0_u8; PIECE];
    loop {
        let read = from.read(&mut piece).await.map_err(|_| End::Read)?;
        if read == 0 {
            return end(&mut to).await.map_err(|_| End::Write);
        }
        pass(&mut to, &piece[..read]).await.map_err(|_| End::Write)?;
        passed(read);
    }
}

/// Passes an end on. A side that is gone already needs none of ours.
async fn end(to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    match to.shutdown().await {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => Ok(()),
    }
}

async fn pass(to: &mut (impl AsyncWrite + Unpin), piece: &[u8]) -> io::Result<()> {
    to.write_all(piece).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Carries some bytes to the other side, which may be gone: how many passed, and whether all did.
    async fn carried(is_there: bool) -> (usize, bool) {
        let (to, other) = tokio::io::duplex(64);
        let _other = is_there.then_some(other);
        let mut bytes = 0;
        let carried = pump(&b"welcome"[..], to, |passed| bytes += passed).await.is_ok();
        (bytes, carried)
    }

    #[tokio::test]
    async fn bytes_that_could_not_be_written_have_not_passed() {
        assert_eq!(carried(true).await, (7, true));
        assert_eq!(carried(false).await, (0, false));
    }
}
