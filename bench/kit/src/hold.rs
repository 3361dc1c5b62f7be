//! Keeps connections open: idle ones after an answer, or streams after their first event.

use crate::arguments::Arguments;
use crate::call::Caller;
use crate::message::{Stream, request};

/// Prints READY, and holds them until the input ends.
pub async fn run(asked: &Arguments) -> Result<(), String> {
    let (port, wanted) = (asked.port("port")?, asked.count("conns", 1000)?);
    let stream = asked.is_set("stream").then_some(Stream { pace_ms: 600_000, events: 2 });
    let mut held = Vec::with_capacity(wanted);
    for at in 0..wanted {
        let problem = |error: std::io::Error| format!("connection {at}: {error}");
        let mut caller = Caller::connect(port).await.map_err(problem)?;
        caller.begin(&request(at % 10_000, stream)).await.map_err(problem)?;
        held.push(caller);
    }
    println!("READY");
    // The input ends with whoever asked.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let ended = std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new());
        sender.send(ended.is_ok()).ok();
    });
    receiver.await.map_err(|error| error.to_string())?;
    drop(held);
    Ok(())
}
