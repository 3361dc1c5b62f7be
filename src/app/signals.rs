//! What the operating system asks of the process.
//!
//! SIGTERM and SIGINT drain it, and a second one ends it at once. SIGHUP reopens the access log's file, and does
//! nothing else: flags.yaml is watched, and traffic does not end with a terminal. A signal becomes a `ShutdownEvent`
//! for `drain`. Refuses to end anything itself.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::drain::Stopper;
use crate::state::access_log::AccessLogQueue;

/// Passes signals on until the process ends, from a thread of its own. Registered when this returns.
///
/// # Errors
/// Where signals cannot be watched or no thread can be had.
pub fn watch(stopper: Stopper, access_log: Arc<AccessLogQueue>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut terminate, mut interrupt, mut hangup) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?)
    };
    let pass_on = async move {
        let mut asked = false;
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hangup.recv() => {
                    tracing::info!(
                        "SIGHUP: the access log's file is reopened; flags.yaml is reloaded whenever it is written"
                    );
                    access_log.reopen();
                    continue;
                }
            };
            if asked {
                tracing::warn!("{name} received again: stopping now");
                stopper.end_now();
            } else {
                tracing::info!("{name}: finishing requests in flight; a second signal stops at once");
                stopper.request_drain();
            }
            asked = true;
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(pass_on))?;
    Ok(())
}
