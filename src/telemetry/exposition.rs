//! Prometheus' text format: each metric once, with its help and type before its lines.
//!
//! Metrics come in the order of their names, and so do the lines of one; the buckets of a histogram have an order of
//! their own. A metric without a line is left out. Owns no value and no name. Invariant: no text of a label can end it.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use super::metrics::{Metric, MetricKind};
use crate::state::latency::{BOUNDS, Latency};

/// What is told so far.
#[derive(Default)]
pub(super) struct Exposition(BTreeMap<&'static str, (&'static Metric, Vec<String>)>);

impl Exposition {
    /// A count or a gauge; `labels`: the values of the metric's labels.
    pub(super) fn add(&mut self, metric: &'static Metric, labels: &[&str], value: impl Display) {
        let line = format!("{}{} {value}", metric.name, in_braces(metric, labels, None));
        self.lines(metric).push(line);
    }

    /// A histogram; nothing of one without a sample.
    pub(super) fn add_latency(&mut self, metric: &'static Metric, labels: &[&str], latency: &Latency) {
        let count: u64 = latency.buckets.iter().sum();
        if count == 0 {
            return;
        }
        let name = metric.name;
        let bounds = BOUNDS.iter().map(|bound| bound.duration().as_secs_f64().to_string());
        let mut so_far = 0;
        for (bound, bucket) in bounds.chain(["+Inf".to_owned()]).zip(latency.buckets) {
            so_far += bucket;
            let line = format!("{name}_bucket{} {so_far}", in_braces(metric, labels, Some(&bound)));
            self.lines(metric).push(line);
        }
        let braces = in_braces(metric, labels, None);
        let sum = format!("{name}_sum{braces} {}", latency.sum.as_secs_f64());
        self.lines(metric).extend([sum, format!("{name}_count{braces} {count}")]);
    }

    fn lines(&mut self, metric: &'static Metric) -> &mut Vec<String> {
        &mut self.0.entry(metric.name).or_insert((metric, Vec::new())).1
    }

    pub(super) fn text(self) -> String {
        let blocks = self.0.into_iter().map(|(name, (metric, mut lines))| {
            if metric.kind != MetricKind::Histogram {
                lines.sort_unstable();
            }
            let kind = metric.kind.as_str();
            format!("# HELP {name} {}\n# TYPE {name} {kind}\n{}\n", metric.help, lines.join("\n"))
        });
        blocks.collect::<Vec<_>>().join("\n")
    }
}

fn in_braces(metric: &Metric, labels: &[&str], bound: Option<&str>) -> String {
    let labels = metric.labels.iter().copied().zip(labels.iter().copied());
    let mut text = String::new();
    for (name, value) in labels.chain(bound.map(|bound| ("le", bound))) {
        let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n");
        let before = if text.is_empty() { '{' } else { ',' };
        // Writing to a string never fails.
        let _ = write!(text, "{before}{name}=\"{value}\"");
    }
    if !text.is_empty() {
        text.push('}');
    }
    text
}
