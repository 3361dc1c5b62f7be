//! How long a provider takes to be reached and to begin an answer, as the medians of a few attempts.
//!
//! A median, since one attempt in three may meet a cold cache or a lost packet. Owns the sum of samples; nobody decides
//! anything by them. Time comes in as lengths: no clock is read here.

use std::time::Duration;

use serde::Serialize;

/// The lengths that attempts took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// TCP, and the egress proxy where there is one.
    pub connect: Vec<Duration>,
    pub tls: Vec<Duration>,
    /// From the request to the head of its response, on a connection that is there.
    pub head: Vec<Duration>,
}

/// Their medians, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Connections that were made.
    pub attempts: usize,
    pub connect_ms: f64,
    pub tls_ms: Option<f64>,
    pub head_ms: Option<f64>,
}

impl Samples {
    /// `None`: nothing was measured.
    #[must_use]
    pub fn latency(&self) -> Option<Latency> {
        Some(Latency {
            attempts: self.connect.len(),
            connect_ms: median(&self.connect)?,
            tls_ms: median(&self.tls),
            head_ms: median(&self.head),
        })
    }
}

/// In milliseconds, to a tenth.
fn median(samples: &[Duration]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort();
    let middle = sorted.get(sorted.len() / 2)?;
    let below = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(((middle.as_secs_f64() + below.as_secs_f64()) * 5000.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_counts() {
        let ms = |all: &[u64]| all.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
        assert_eq!(median(&ms(&[900, 10, 12])), Some(12.0));
        assert_eq!(median(&ms(&[10, 15])), Some(12.5));
        assert_eq!(median(&[]), None);
        let samples = Samples { connect: ms(&[3, 1, 2]), tls: Vec::new(), head: ms(&[7]) };
        let latency = samples.latency().unwrap();
        assert_eq!(latency, Latency { attempts: 3, connect_ms: 2.0, tls_ms: None, head_ms: Some(7.0) });
        assert_eq!(Samples::default().latency(), None);
    }
}
