//! The page of metrics: the list that the exposition itself is written from.
//!
//! Adds how to read them. A name, a label or a help text is changed in `telemetry::metrics`.

use serin::telemetry::metrics;

const BEFORE: &str = "\
# Metrics

`GET /metrics` on the [admin port](admin-api.md) and on the [probe port](configuration/admin.md), in the Prometheus
format:

```sh
curl http://127.0.0.1:7172/metrics
```

A scraper that prefers `application/openmetrics-text` in its `Accept` header, as Prometheus does, gets OpenMetrics 1.0.0,
with units and with [exemplars](tracing.md#from-a-metric-to-a-trace). Names and labels are the same in both formats.
[Alerts](alerts.md) uses these metrics, and [Traces](tracing.md) shows single requests.

Labels are names of flags.yaml, outcomes, phases and other words from closed lists. A user id or a model name is never a
label. Counters start at 0 when the process starts.

";

const AFTER: &str = "

The label `outcome` has one of the words in the [table of outcomes](failures.md#outcomes). A request that was never sent
to a provider is in none of them: Serin refused it, or its client closed the connection before its body was read.

`finish` is how a complete response ended. `age` is the age of a request that still waits. `reason` of
`serin_ambiguous_closes_total` is explained in
[A client that closes its side](failures.md#a-client-that-closes-its-side).
";

/// The page.
pub(super) fn page() -> String {
    format!("{BEFORE}{}{AFTER}", metrics::document().trim_end())
}
