//! The thread that serves the operators' ports.
//!
//! Owns the thread, its runtime and its end. Which request gets which answer is [`api`]'s. Invariant: no
//! port is served once [`Running`] is dropped.

use std::io;
use std::rc::Rc;

use tokio::sync::oneshot;

use super::api::{self, ApiContext};
use super::auth::AdminListener;
use super::serve;

/// What the ports are made of.
#[derive(Debug)]
pub struct Setup {
    /// The admin port.
    pub listener: std::net::TcpListener,
    /// The read-only port.
    pub probe: Option<std::net::TcpListener>,
    /// The socket in the state directory.
    pub socket: Option<std::os::unix::net::UnixListener>,
    /// What they show and reach.
    pub view: ApiContext,
}

/// The ports, served until this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Dropped to end the thread.
    _stop: oneshot::Sender<()>,
}

/// Serves the ports on a thread of their own.
///
/// # Errors
/// Where a socket cannot be watched or no thread can be had.
pub fn start(setup: Setup) -> io::Result<Running> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bound = setup.listener.local_addr()?;
    let (admin, probe, socket) = {
        let _inside = runtime.enter();
        setup.listener.set_nonblocking(true)?;
        let probe = setup.probe.map(|probe| {
            probe.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(probe)
        });
        let socket = setup.socket.map(|socket| {
            socket.set_nonblocking(true)?;
            tokio::net::UnixListener::from_std(socket)
        });
        (tokio::net::TcpListener::from_std(setup.listener)?, probe.transpose()?, socket.transpose()?)
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let view = setup.view;
    let serve = move || {
        let local = tokio::task::LocalSet::new();
        let view = Rc::new(view);
        local.spawn_local(api::feed_event_streams(Rc::clone(&view)));
        local.spawn_local(serve::tcp(admin, AdminListener::Tcp(bound), Rc::clone(&view)));
        if let Some(probe) = probe {
            local.spawn_local(serve::tcp(probe, AdminListener::Probe, Rc::clone(&view)));
        }
        if let Some(socket) = socket {
            local.spawn_local(serve::unix(socket, Rc::clone(&view)));
        }
        // Ends by a word or by the sender's end alike.
        let _ = local.block_on(&runtime, stopped);
    };
    std::thread::Builder::new().name("admin".to_owned()).spawn(serve)?;
    Ok(Running { _stop: stop })
}
