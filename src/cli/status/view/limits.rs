//! How much of each limit is used, a row for each provider and each client that has one.
//!
//! What became of requests that there was no room for is told from the first one on. Pure: a reply in, rows out. Decides
//! nothing about limits.

use crate::app::api::{ClientLimit, ProviderLimit, StatusReply};
use crate::cli::output::{one_line, row};

pub(super) fn rows(text: &mut String, reply: &StatusReply) {
    for provider in &reply.providers {
        if let Some(limit) = &provider.rate_limit {
            row(text, "limit", &format!("of {}: {}", provider.name, of_provider(limit)));
        }
    }
    for client in &reply.clients {
        row(text, "limit", &format!("of client {}: {}", one_line(&client.name), of_client(client)));
    }
}

/// `412 of 600 a minute, 3 waiting`.
fn of_provider(limit: &ProviderLimit) -> String {
    let mut parts = Vec::new();
    if let Some(most) = limit.requests_per_minute {
        parts.push(format!("{} of {most} a minute", limit.last_minute));
    }
    if let (Some(most), Some(left)) = (limit.tokens_per_minute, limit.tokens_left) {
        parts.push(format!("{left} of {most} tokens left"));
    }
    if let Some(most) = limit.most_in_flight {
        parts.push(format!("{} of {most} in flight", limit.in_flight));
    }
    if limit.waiting > 0 {
        parts.push(format!("{} waiting", limit.waiting));
    }
    let of = |then: &str| -> u64 {
        limit.turned.iter().filter(|turned| turned.then == then).map(|turned| turned.requests).sum()
    };
    for (then, words) in [
        ("other", "sent to another provider"),
        ("sent_anyway", "sent anyway"),
        ("refused", "refused"),
        ("observed", "beyond it"),
    ] {
        parts.extend(since_the_start(of(then), words));
    }
    parts.join(", ")
}

/// `412 of 600 a minute, 4 refused since the start`.
fn of_client(limit: &ClientLimit) -> String {
    let used = format!("{} of {} a minute", limit.last_minute, limit.requests_per_minute);
    let counts = [since_the_start(limit.refused, "refused"), since_the_start(limit.observed, "beyond it")];
    [Some(used)].into_iter().chain(counts).flatten().collect::<Vec<_>>().join(", ")
}

/// Nothing where there was none.
fn since_the_start(requests: u64, words: &str) -> Option<String> {
    (requests > 0).then(|| format!("{requests} {words} since the start"))
}
