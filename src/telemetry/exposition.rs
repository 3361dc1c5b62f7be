//! The text formats of metrics: Prometheus' own and OpenMetrics. Each metric once, with its help and type before its
//! lines.
//!
//! Metrics come in the order of their names, and so do the lines of one; the buckets of a histogram have an order of
//! their own. A metric without a line is left out. Labels are the same in both formats, so that a scraper that changes
//! from one to the other goes on with the same series. Owns no value and no name. Invariant: no text of a label can end
//! it.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::metric::{Metric, MetricKind};
use crate::state::exemplars::{Exemplar, Exemplars};
use crate::state::latency::{BOUNDS, Latency};

/// Which of the formats is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    #[default]
    Prometheus,
    /// OpenMetrics, version 1.0.0, with exemplars.
    OpenMetrics,
}

impl Format {
    /// As a `Content-Type`.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What is told so far.
pub(super) struct Exposition {
    format: Format,
    metrics: BTreeMap<&'static str, (&'static Metric, Vec<String>)>,
}

impl Exposition {
    pub(super) fn new(format: Format) -> Exposition {
        Exposition { format, metrics: BTreeMap::new() }
    }

    /// A count or a gauge; `labels`: the values of the metric's labels.
    pub(super) fn add(&mut self, metric: &'static Metric, labels: &[&str], value: impl Display) {
        let line = format!("{}{} {value}", metric.name, in_braces(metric, labels, None));
        self.lines(metric).push(line);
    }

    /// A histogram; nothing of one without a sample.
    pub(super) fn add_latency(
        &mut self,
        metric: &'static Metric,
        labels: &[&str],
        latency: &Latency,
        exemplars: &Exemplars,
    ) {
        let count: u64 = latency.buckets.iter().sum();
        if count == 0 {
            return;
        }
        let (name, format) = (metric.name, self.format);
        let bounds = BOUNDS.iter().map(|bound| canonical(bound.duration()));
        let mut so_far = 0;
        for ((bound, bucket), exemplar) in bounds.chain(["+Inf".to_owned()]).zip(latency.buckets).zip(exemplars) {
            so_far += bucket;
            let mut line = format!("{name}_bucket{} {so_far}", in_braces(metric, labels, Some(&bound)));
            if let Some(exemplar) = exemplar.filter(|_| format == Format::OpenMetrics && bucket > 0) {
                line.push_str(&told(&exemplar));
            }
            self.lines(metric).push(line);
        }
        let braces = in_braces(metric, labels, None);
        let sum = format!("{name}_sum{braces} {}", latency.sum.as_secs_f64());
        self.lines(metric).extend([sum, format!("{name}_count{braces} {count}")]);
    }

    fn lines(&mut self, metric: &'static Metric) -> &mut Vec<String> {
        &mut self.metrics.entry(metric.name).or_insert((metric, Vec::new())).1
    }

    pub(super) fn text(self) -> String {
        let Exposition { format, metrics } = self;
        let blocks = metrics.into_values().map(|(metric, mut lines)| {
            if metric.kind != MetricKind::Histogram {
                lines.sort_unstable();
            }
            format!("{}{}\n", head(metric, format), lines.join("\n"))
        });
        let blocks: Vec<String> = blocks.collect();
        match format {
            Format::Prometheus => blocks.join("\n"),
            Format::OpenMetrics => blocks.concat() + "# EOF\n",
        }
    }
}

/// What stands above a metric's lines.
fn head(metric: &Metric, format: Format) -> String {
    let (kind, help) = (metric.kind.as_str(), metric.help);
    if format == Format::Prometheus {
        return format!("# HELP {0} {help}\n# TYPE {0} {kind}\n", metric.name);
    }
    // A counter is known by its name without the suffix of its samples.
    let name = metric.name.strip_suffix("_total").filter(|_| metric.kind == MetricKind::Counter).unwrap_or(metric.name);
    let unit = ["seconds", "ratio"].into_iter().find(|unit| name.ends_with(&format!("_{unit}")));
    let unit = unit.map_or_else(String::new, |unit| format!("# UNIT {name} {unit}\n"));
    let help = help.replace('\\', r"\\").replace('"', "\\\"");
    format!("# TYPE {name} {kind}\n{unit}# HELP {name} {help}\n")
}

/// A bound as OpenMetrics writes numbers: a whole one with its decimal.
fn canonical(bound: Duration) -> String {
    format!("{:?}", bound.as_secs_f64())
}

fn told(exemplar: &Exemplar) -> String {
    let Exemplar { trace, span, took, at } = exemplar;
    let (took, at) = (took.as_secs_f64(), at.as_millis());
    format!(" # {{trace_id=\"{trace}\",span_id=\"{span}\"}} {took} {}.{:03}", at / 1000, at % 1000)
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
