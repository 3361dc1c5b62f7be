//! What a proxy adds to a call: the same calls directly and through it, in turns, on one connection each.
//!
//! A busy machine slows both of a pair. Each round gives the difference of both medians and of both 99th percentiles;
//! the result is the median over the rounds, with the quartiles.

use std::time::Instant;

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::call::Caller;
use crate::load::stream;
use crate::message::request;

pub async fn run(asked: &Arguments) -> Result<(), String> {
    let (rounds, each) = (asked.count("rounds", 40)?, asked.count("each", 100)?.max(1));
    let stream = stream(asked)?.map(|stream| crate::message::Stream { events: 2, ..stream });
    let requests: Vec<Vec<u8>> = (0..each).map(|user| request(user, stream)).collect();
    let connect = |name: &'static str| async move {
        let port = asked.port(name)?;
        Caller::connect(port).await.map_err(|error| format!("port {port}: {error}"))
    };
    let (mut direct, mut proxied) = (connect("direct").await?, connect("port").await?);
    let (mut medians, mut tails) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut times = [Vec::new(), Vec::new()];
        // Single calls alternate, so that what disturbs one disturbs its neighbour.
        for request in &requests {
            for (times, caller) in times.iter_mut().zip([&mut direct, &mut proxied]) {
                let called = caller.call(request, Instant::now()).await.map_err(|error| error.to_string())?;
                if called.status != 200 {
                    return Err(format!("status {}", called.status));
                }
                times.push(called.first as f64 / 1000.0);
            }
        }
        let [direct, proxied] = times.map(sorted);
        // The first round opens connections and warms up.
        if round > 0 {
            medians.push(quantile(&proxied, 0.5) - quantile(&direct, 0.5));
            tails.push(quantile(&proxied, 0.99) - quantile(&direct, 0.99));
        }
    }
    println!("{}", json!({ "added_p50": spread(medians), "added_p99": spread(tails) }));
    Ok(())
}

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Median and quartiles, in microseconds.
fn spread(differences: Vec<f64>) -> Value {
    let sorted = sorted(differences);
    json!({ "median": quantile(&sorted, 0.5), "low": quantile(&sorted, 0.25), "high": quantile(&sorted, 0.75) })
}
