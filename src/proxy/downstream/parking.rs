//! Keeps an idle HTTP/1 connection without its parser.
//!
//! hyper holds a read buffer, the buffers of heads and the place of a request for as long as its connection lives,
//! which may be silent for minutes. Once the sweep finds that nothing has happened since the one before, the parser is
//! dropped and the socket alone waits to be readable; then a new parser begins with what comes. Refuses to park what is
//! not between two requests, or may still send the body of the last one. Invariant: no byte is lost, and the end of a
//! client is seen by the parser.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::client_connection::ClientConnection;
use super::client_stream::ClientStream;
use super::socket::{Socket, has_unread};

/// Why a parser stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The connection is over, or speaks another protocol now.
    Ended,
    /// Nothing is under way, and nothing is left to be written.
    Idle,
}

/// Drives a parser until its connection ends or can do without it.
pub(super) async fn until_idle<E>(
    parser: &mut (impl Future<Output = Result<(), E>> + Unpin),
    conn: &Rc<ClientConnection>,
) -> Stopped {
    poll_fn(|context| match Pin::new(&mut *parser).poll(context) {
        Poll::Ready(_) => Poll::Ready(Stopped::Ended),
        Poll::Pending if conn.may_park() => Poll::Ready(Stopped::Idle),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Waits until a parked connection has something to read. `false`: its place is wanted by others.
pub(super) async fn is_wanted<S: ClientStream>(socket: &Socket<S>, conn: &Rc<ClientConnection>) -> bool {
    let _parked = Parked::begin(conn);
    poll_fn(|context| {
        if socket.holds_unread() {
            return Poll::Ready(true);
        }
        if conn.activity.leaves() {
            if !has_unread(socket.tcp()) {
                return Poll::Ready(false);
            }
            conn.activity.stays();
            return Poll::Ready(true);
        }
        // An error is the parser's to find.
        socket.tcp().poll_read_ready(context).map(|_| true)
    })
    .await
}

/// A connection without a parser, until it is dropped.
struct Parked<'a>(&'a ClientConnection);

impl Parked<'_> {
    fn begin(conn: &ClientConnection) -> Parked<'_> {
        conn.parks(true);
        Parked(conn)
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.0.parks(false);
    }
}
