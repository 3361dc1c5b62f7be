//! The operators' ports: status, changes, metrics, health, and flags for the application.
//!
//! | route | role | what |
//! |---|---|---|
//! | `GET /api/v1/status`, `/history`, `/config` | read | what is, what was, the file in force |
//! | `GET /api/v1/rollouts/{name}/trace` | read | what the guard saw, a line of JSON a tick |
//! | `POST /api/v1/rollouts/{name}/rollback`, `/pause`, `POST /api/v1/rollback`, `/pause` | rollback | what makes things safer |
//! | `POST /api/v1/rollouts/{name}/resume`, `/promote` | change | every other change |
//! | `GET /metrics` | read | Prometheus |
//! | `GET /healthz`, `/readyz` | none | for probes |
//! | `POST /ofrep/v1/evaluate/flags[/{name}]` | flags | OpenFeature |
//!
//! Served on a thread of its own, never on a data core. It only reads reports and puts wishes in the inbox.

pub mod api;
pub mod auth;
pub mod change;
pub mod dto;
mod ofrep;
mod percent;
mod reply;
pub mod route;
mod serve;
pub mod users;

use std::io;
use std::rc::Rc;

use tokio::sync::oneshot;

use self::api::ApiContext;
use self::auth::AdminListener;

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

#[cfg(test)]
mod tests;
