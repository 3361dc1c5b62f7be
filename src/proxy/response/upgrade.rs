//! What follows a 101: bytes, both ways, until both sides have ended.
//!
//! Any protocol that a client asks to upgrade to is carried, WebSocket first among them; nothing of it is parsed, so
//! close frames arrive as they were sent. One side's end is passed on while the other may still send; no idle limit
//! applies. Invariant: the account ends when the bytes do, with the side to blame that broke.

use std::io;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::decide::outcome::{BodyEnd, Ending};
use crate::proxy::attempt::account::Account;
use crate::proxy::downstream::client_connection::OpenRequest;
use crate::proxy::response::body::ProviderBody;

/// How much is read at a time, each way.
const PIECE: usize = 8 * 1024;

/// Carries bytes between both sides as soon as both have left HTTP. `place` keeps the provider's connection counted.
pub(crate) fn carry(
    client: OnUpgrade,
    provider: OnUpgrade,
    place: ProviderBody,
    mut account: Box<Account>,
    open_request: OpenRequest,
) {
    open_request.connection.activity.is_upgraded();
    tokio::task::spawn_local(async move {
        let _held = (place, open_request);
        match tunnel(client, provider, &mut account).await {
            Ok(()) => account.body_ended(BodyEnd::Complete),
            Err(Broken::Provider) => account.body_ended(BodyEnd::Early),
            Err(Broken::Client) => account.end(Ending::ClientLeft),
        }
    });
}

/// Which side broke.
enum Broken {
    Client,
    Provider,
}

async fn tunnel(client: OnUpgrade, provider: OnUpgrade, account: &mut Account) -> Result<(), Broken> {
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
    let down = async {
        pump(from_provider, to_client, |bytes| account.carried(bytes)).await.map_err(|end| match end {
            End::Read => Broken::Provider,
            End::Write => Broken::Client,
        })
    };
    tokio::try_join!(up, down).map(|_| ())
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
            // A side that is gone already needs no end of ours.
            return match to.shutdown().await {
                Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(End::Write),
                _ => Ok(()),
            };
        }
        to.write_all(&piece[..read]).await.map_err(|_| End::Write)?;
        to.flush().await.map_err(|_| End::Write)?;
        passed(read);
    }
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
