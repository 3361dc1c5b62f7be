//! Sockets for the ports: inherited from whoever started the process, or bound here.
//!
//! An inherited socket (systemd, LISTEN_FDS) goes to the port whose address it is bound to; that one which fits none
//! may be the proxy's is decided before. A restart then loses no connection, since the socket outlives the process.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::registry::{Registry, RegistryEntry};
use super::start_error::StartError;

/// Connections that may wait for being accepted.
const BACKLOG: u32 = 4096;

/// The sockets that the process was started with.
#[derive(Debug, Default)]
pub(super) struct InheritedSockets(Vec<TcpListener>);

impl InheritedSockets {
    /// Takes those that the environment announces to this process.
    pub(super) fn take() -> InheritedSockets {
        let mut announced = listenfd::ListenFd::from_env();
        let sockets = (0..announced.len()).filter_map(|at| announced.take_tcp_listener(at).ok().flatten());
        InheritedSockets(sockets.collect())
    }

    fn bound_to(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let at = self.0.iter().position(|socket| socket.local_addr().is_ok_and(|bound| bound == address))?;
        Some(self.0.remove(at))
    }

    /// Where they are bound to, in their order.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }
}

/// What the ports are called in flags.yaml, and where they should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestedPorts {
    pub(super) listen: SocketAddr,
    /// `listen_tls.listen`.
    pub(super) listen_tls: Option<SocketAddr>,
    /// `admin.listen`.
    pub(super) admin: SocketAddr,
    /// `probe.listen`.
    pub(super) probe: Option<SocketAddr>,
}

#[derive(Debug)]
pub(super) struct BoundPorts {
    pub(super) listen: TcpListener,
    pub(super) listen_tls: Option<TcpListener>,
    pub(super) admin: TcpListener,
    pub(super) probe: Option<TcpListener>,
    /// Whether whoever started the process holds the proxy's sockets too, all of them.
    pub(super) handed_over: bool,
}

/// Binds every port, or says which one cannot be had.
pub(super) fn bind(
    wanted: RequestedPorts,
    mut inherited: InheritedSockets,
    registry: &Registry,
) -> Result<BoundPorts, StartError> {
    let admin = inherited.bound_to(wanted.admin);
    let probe = wanted.probe.and_then(|address| inherited.bound_to(address));
    let listen_tls = wanted.listen_tls.and_then(|address| inherited.bound_to(address));
    let listen = inherited.bound_to(wanted.listen);
    let handed_over = listen.is_some() && listen_tls.is_some() == wanted.listen_tls.is_some();
    let or_bind = |socket: Option<TcpListener>, address, key| match socket {
        Some(socket) => Ok(socket),
        None => open(address).map_err(|error| refused(key, address, error, registry)),
    };
    Ok(BoundPorts {
        listen: or_bind(listen, wanted.listen, "listen")?,
        listen_tls: wanted.listen_tls.map(|address| or_bind(listen_tls, address, "listen_tls.listen")).transpose()?,
        admin: or_bind(admin, wanted.admin, "admin.listen")?,
        probe: wanted.probe.map(|address| or_bind(probe, address, "probe.listen")).transpose()?,
        handed_over,
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    // The standard library's backlog of 128 refuses a burst; the runtime's socket lets it be chosen.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    let socket = if address.is_ipv4() { tokio::net::TcpSocket::new_v4()? } else { tokio::net::TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

fn refused(key: &'static str, address: SocketAddr, error: io::Error, registry: &Registry) -> StartError {
    let text = address.to_string();
    let has =
        |entry: &RegistryEntry| entry.listen == text || entry.admin == text || entry.listen_tls.as_ref() == Some(&text);
    let holder = (error.kind() == io::ErrorKind::AddrInUse).then(|| registry.running().into_iter().find(has)).flatten();
    StartError::Bind { key, address, pid: holder.map(|entry| entry.pid), error }
}

#[cfg(test)]
mod tests {
    use super::super::registry::process_identity;
    use super::*;

    fn free() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    fn wanted(listen: SocketAddr) -> RequestedPorts {
        RequestedPorts { listen, listen_tls: Some(free()), admin: free(), probe: Some(free()) }
    }

    #[test]
    fn every_port_is_bound() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().to_owned());
        let bound = bind(wanted(free()), InheritedSockets::default(), &registry).unwrap();
        let optional = [bound.listen_tls.as_ref().unwrap(), bound.probe.as_ref().unwrap()];
        let ports = [&bound.listen, &bound.admin].into_iter().chain(optional);
        let ports: Vec<u16> = ports.map(|port| port.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port != 0) && !bound.handed_over, "{ports:?}");
    }

    #[test]
    fn a_port_in_use_is_named_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().to_owned());
        let taken = TcpListener::bind(free()).unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(wanted(address), InheritedSockets::default(), &registry).unwrap_err().to_string();
        assert!(error.starts_with(&format!("listen: {address} is in use: ")), "{error}");
        let (pid, born) = process_identity();
        let _registered = registry
            .register(&RegistryEntry {
                pid,
                born,
                listen: address.to_string(),
                listen_tls: None,
                admin: "127.0.0.1:1".into(),
                sock: None,
                state: "/s".into(),
                flags: "/f".into(),
            })
            .unwrap();
        let error = bind(wanted(address), InheritedSockets::default(), &registry).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "listen: {address} is in use by the serin with pid {pid}: stop it, or choose another address in flags.yaml"
            )
        );
    }

    #[test]
    fn an_inherited_socket_goes_to_the_port_it_is_bound_to() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().to_owned());
        let (one, two) = (TcpListener::bind(free()).unwrap(), TcpListener::bind(free()).unwrap());
        let (first, second) = (one.local_addr().unwrap(), two.local_addr().unwrap());
        let wanted = RequestedPorts { listen: first, listen_tls: None, admin: second, probe: None };
        let bound = bind(wanted, InheritedSockets(vec![two, one]), &registry).unwrap();
        assert_eq!(bound.admin.local_addr().unwrap(), second);
        assert_eq!((bound.listen.local_addr().unwrap(), bound.handed_over), (first, true));
    }

    #[test]
    fn the_proxy_is_handed_over_when_all_its_sockets_are() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().to_owned());
        let bound_with = |inherits_tls: bool| {
            let (plain, tls) = (TcpListener::bind(free()).unwrap(), TcpListener::bind(free()).unwrap());
            let (listen, listen_tls) = (plain.local_addr().unwrap(), tls.local_addr().unwrap());
            let inherited = if inherits_tls { vec![tls, plain] } else { vec![plain] };
            let listen_tls = if inherits_tls { listen_tls } else { free() };
            let wanted = RequestedPorts { listen, listen_tls: Some(listen_tls), admin: free(), probe: None };
            let bound = bind(wanted, InheritedSockets(inherited), &registry).unwrap();
            assert_eq!(bound.listen.local_addr().unwrap(), listen);
            (bound.listen_tls.unwrap().local_addr().unwrap() == listen_tls, bound.handed_over)
        };
        assert_eq!(bound_with(true), (true, true));
        assert_eq!(bound_with(false), (false, false));
    }
}
