//! A port at which nobody listens, for as long as it is held.
//!
//! A port that was closed is anybody's: another test's provider may get it, and a connection to it may be given the
//! port itself as its own end and so be connected to itself. Owns a socket that is bound and never listens. Invariant:
//! whoever connects there is refused.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use super::eventually::{SOON, eventually};

pub(crate) struct ClosedPort(Socket);

impl ClosedPort {
    /// That of somebody who has just closed it.
    pub(crate) fn at(addr: SocketAddr) -> ClosedPort {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
        // What is left of its connections does not count.
        socket.set_reuse_address(true).unwrap();
        eventually("the port is free", SOON, || socket.bind(&addr.into()).ok());
        ClosedPort(socket)
    }

    /// Somebody listens there from now on.
    pub(crate) fn listen(self) -> TcpListener {
        self.0.listen(128).unwrap();
        self.0.into()
    }
}
