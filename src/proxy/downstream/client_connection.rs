//! A client connection and its open requests, as their core counts them.
//!
//! Owns what belongs to one connection: its core, its lifetime, the source that its requests have, its place in all
//! counts. Refuses to read from its socket. Invariants: a connection is in its core's list as long as it exists, and a
//! request is counted as open until the last byte of its answer has been handed over.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use super::activity::Activity;
use super::lifetime::Lifetime;
use super::listener::{ConnectionSlot, ProxyPort};
use super::wake_filter::WakeFilter;
use crate::decide::units::Millis;
use crate::proxy::core::Core;
use crate::state::source_table::SourceHandle;

#[derive(Debug)]
pub(crate) struct ClientConnection {
    /// The core that serves it.
    pub(crate) core: Rc<Core>,
    /// What happens on it.
    pub(crate) activity: Arc<Activity>,
    /// Which port it came to.
    pub(crate) port: ProxyPort,
    /// The source of its requests.
    pub(crate) source: Arc<SourceHandle>,
    /// How its task is woken by hyper.
    pub(crate) wake_filter: Arc<WakeFilter>,
    lifetime: Rc<Lifetime>,
    /// Whether it was opened when clients were already asked to close.
    late: bool,
    number: u64,
    _slot: ConnectionSlot,
}

impl ClientConnection {
    /// A new connection, in its core's list.
    pub(crate) fn open(
        core: &Rc<Core>,
        number: u64,
        port: ProxyPort,
        source: Arc<SourceHandle>,
        slot: ConnectionSlot,
        now: Millis,
    ) -> Rc<ClientConnection> {
        let activity = Arc::new(Activity::default());
        activity.head_begins();
        let lifetime = Rc::new(Lifetime::new(Arc::clone(&activity), now));
        core.connections.add(number, &lifetime);
        Rc::new(ClientConnection {
            core: Rc::clone(core),
            port,
            source,
            wake_filter: Arc::default(),
            lifetime,
            activity,
            late: core.is_draining(),
            number,
            _slot: slot,
        })
    }

    /// Whether its time is over. Its task asks at every poll.
    pub(super) fn is_overdue(&self, context: &Context<'_>) -> bool {
        self.lifetime.is_overdue(context)
    }

    /// Whether it can do without its parser. Its task asks at every poll that finds nothing to do.
    pub(super) fn may_park(&self) -> bool {
        self.lifetime.may_park()
    }

    /// It does without its parser from now on, or has one again.
    pub(super) fn parks(&self, parked: bool) {
        self.lifetime.parks(parked);
        self.core.load.connection_parks(parked);
    }

    /// Whether an HTTP/2 client is to be sent a GOAWAY. One that came during the drain gets its first request served.
    pub(super) fn should_go_away(&self) -> bool {
        self.activity.leaves() || (self.core.is_draining() && (!self.late || self.activity.is_used()))
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.core.connections.remove(self.number);
    }
}

/// A request that is being served, until the last byte of its answer is on its way.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    /// Where it came from.
    pub(crate) connection: Rc<ClientConnection>,
}

impl OpenRequest {
    /// A request came by this connection.
    pub(crate) fn new(connection: &Rc<ClientConnection>) -> OpenRequest {
        connection.core.load.request_begins();
        connection.activity.request_begins();
        OpenRequest { connection: Rc::clone(connection) }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.connection.activity.request_ends();
        self.connection.core.load.request_ends();
    }
}
