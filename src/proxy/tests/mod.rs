//! The data plane over real sockets: scripted providers, raw clients, no sleeps.

mod accounts;
mod answers;
mod bodies;
mod canary;
mod cancel;
mod counting;
mod framing;
mod half_close;
mod held;
mod http2;
mod labels;
mod lifecycle;
mod lines;
mod methods;
mod outcomes;
mod passing;
mod reach;
mod records;
mod recovery;
mod silent_clients;
mod smuggling;
pub(crate) mod support;
mod tunnels;
mod websocket;
mod withdrawn;
