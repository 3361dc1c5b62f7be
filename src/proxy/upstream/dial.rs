//! A TCP connection to the first of a name's addresses that accepts (RFC 8305).
//!
//! Addresses are tried in the resolver's order, the families in turns. The next one is dialled as soon as one has
//! failed, or after [`STAGGER`] while those before it are still silent. The first that accepts is used, and the others
//! are dropped. Refuses to look names up and to limit the whole time. Invariant: an address that never answers delays
//! those behind it by one stagger only.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Sleep, sleep};

/// How long an address is waited for alone: the Connection Attempt Delay that RFC 8305 recommends.
const STAGGER: Duration = Duration::from_millis(250);

/// An address at which there is no connection.
#[derive(Debug)]
pub(super) struct FailedDial {
    pub(super) address: SocketAddr,
    /// Why; `None`: it had not answered yet.
    pub(super) error: Option<io::Error>,
}

type Dialling = Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>;

/// Addresses that are being dialled, and those that are still to be.
struct Race {
    waiting: VecDeque<SocketAddr>,
    dialling: Vec<(SocketAddr, Dialling)>,
    failed: Vec<FailedDial>,
}

/// A connection to one of these addresses within this time, else what became of each. `ends`: whether an error says
/// that no address can be dialled.
pub(super) async fn first(
    addresses: Vec<SocketAddr>,
    limit: Duration,
    ends: impl Fn(&io::Error) -> bool,
) -> Result<TcpStream, Vec<FailedDial>> {
    let mut race = Race { waiting: in_turns(addresses), dialling: Vec::new(), failed: Vec::new() };
    let mut stagger = pin!(sleep(STAGGER));
    race.dial_next();
    let raced = poll_fn(|context| race.poll(stagger.as_mut(), context, &ends));
    match tokio::time::timeout(limit, raced).await {
        Ok(Some(stream)) => Ok(stream),
        Ok(None) | Err(_) => Err(race.fates()),
    }
}

impl Race {
    fn dial_next(&mut self) {
        if let Some(address) = self.waiting.pop_front() {
            self.dialling.push((address, Box::pin(dial(address))));
        }
    }

    /// `None`: all have failed.
    fn poll(
        &mut self,
        mut stagger: Pin<&mut Sleep>,
        context: &mut Context<'_>,
        ends: &impl Fn(&io::Error) -> bool,
    ) -> Poll<Option<TcpStream>> {
        loop {
            let mut failed = false;
            let mut index = 0;
            while let Some((address, dialling)) = self.dialling.get_mut(index) {
                match dialling.as_mut().poll(context) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Some(stream)),
                    Poll::Ready(Err(error)) => {
                        let ends = ends(&error);
                        self.failed.push(FailedDial { address: *address, error: Some(error) });
                        drop(self.dialling.remove(index));
                        if ends {
                            return Poll::Ready(None);
                        }
                        failed = true;
                    }
                    Poll::Pending => index += 1,
                }
            }
            let next = !self.waiting.is_empty() && (failed || stagger.as_mut().poll(context).is_ready());
            if next {
                self.dial_next();
                stagger.set(sleep(STAGGER));
            } else if self.dialling.is_empty() {
                return Poll::Ready(None);
            } else {
                return Poll::Pending;
            }
        }
    }

    fn fates(self) -> Vec<FailedDial> {
        let silent = self.dialling.into_iter().map(|(address, _)| FailedDial { address, error: None });
        self.failed.into_iter().chain(silent).collect()
    }
}

/// The families in turns, beginning with the resolver's first, each in the resolver's order.
fn in_turns(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    let mut order = VecDeque::with_capacity(one.len() + other.len());
    while !one.is_empty() || !other.is_empty() {
        order.extend(one.pop_front());
        order.extend(other.pop_front());
    }
    order
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Neither is worth failing for.
    let _ = socket.set_nodelay(true);
    let _ = socket.set_keepalive(true);
    connect(socket, address).await
}

async fn connect(socket: TcpSocket, address: SocketAddr) -> io::Result<TcpStream> {
    let stream = socket.connect(address).await?;
    if address.ip().is_loopback() && stream.local_addr()? == address {
        // Where nothing listens, the kernel may choose this very port for the local side, and connects the socket to
        // itself.
        return Err(rustix::io::Errno::CONNREFUSED.into());
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const LONG: Duration = Duration::from_secs(60);

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_keep_their_order() {
        let order = in_turns(addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"]));
        assert_eq!(order, addresses(&["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "[::3]:1"]));
        assert_eq!(in_turns(addresses(&["1.0.0.1:1", "[::1]:1"])), addresses(&["1.0.0.1:1", "[::1]:1"]));
        assert!(in_turns(Vec::new()).is_empty());
    }

    /// A place whose queue of connections is full, so that the next one is not answered.
    struct Silent {
        address: SocketAddr,
        _socket: socket2::Socket,
        _waiting: Vec<std::net::TcpStream>,
    }

    impl Silent {
        fn new() -> Silent {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
            socket.listen(0).unwrap();
            let address = socket.local_addr().unwrap().as_socket().unwrap();
            let mut waiting = Vec::new();
            let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200));
            while let Ok(stream) = connect() {
                waiting.push(stream);
            }
            Silent { address, _socket: socket, _waiting: waiting }
        }
    }

    /// Nobody listens there.
    fn closed() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_socket_that_would_be_connected_to_itself_is_refused() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        assert_eq!(connect(socket, own).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_silent_address_costs_the_next_one_a_stagger() {
        let silent = Silent::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let before = clock::instant();
        let stream = first(vec![silent.address, silent.address, open], LONG, |_| false).await.unwrap();
        let took = clock::instant().duration_since(before);
        assert_eq!(stream.peer_addr().unwrap(), open);
        // Two staggers, and nothing like a share of the limit.
        assert!((2 * STAGGER..Duration::from_secs(20)).contains(&took), "{took:?}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn one_that_refuses_costs_nothing() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (open, closed) = (listener.local_addr().unwrap(), closed());
        // Time that stands still passes at once where it is waited for.
        tokio::time::pause();
        let raced = first(vec![closed, closed, closed, open], LONG, |_| false);
        let stream = tokio::time::timeout(STAGGER / 2, raced).await.expect("no stagger").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn where_nobody_accepts_each_one_s_fate_is_told() {
        let (silent, closed) = (Silent::new(), closed());
        let fates = first(vec![closed, silent.address], Duration::from_millis(300), |_| false).await.unwrap_err();
        assert_eq!(fates.iter().map(|fate| fate.address).collect::<Vec<_>>(), [closed, silent.address]);
        assert!(fates[0].error.is_some() && fates[1].error.is_none(), "{fates:?}");
        assert_eq!(first(vec![closed, closed], LONG, |_| false).await.unwrap_err().len(), 2);
        // Without a socket no address can be dialled, so the others are not tried.
        let ended = first(vec![closed, closed], LONG, |_| true).await.unwrap_err();
        assert_eq!(ended.len(), 1);
        assert!(first(Vec::new(), LONG, |_| true).await.unwrap_err().is_empty());
    }
}
