//! The sections of flags.yaml: the pages of docs/configuration, what each says before its keys, and a whole file that
//! uses the section.
//!
//! `tests/docs` gives every file to `serin check`. A sentence about one key belongs to that key's description in
//! `flags::keys`, and not here. The first section is the top level, where every key is that has no section of its own.

/// A page.
pub(super) struct Section {
    /// Its name below docs/configuration, without `.md`.
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    /// Keys whose path begins so are on it.
    pub(super) roots: &'static [&'static str],
    pub(super) intro: &'static str,
    /// A whole flags.yaml.
    pub(super) example: &'static str,
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        file: "top-level",
        title: "Top level",
        roots: &[],
        intro: "The top-level keys of flags.yaml. [How the file is read](index.md) is the same for all of them.",
        example: include_str!("examples/top-level.yaml"),
    },
    Section {
        file: "admin",
        title: "Admin and probe port",
        roots: &["admin.", "probe."],
        intro: "The admin port has the [API](../admin-api.md), the [metrics](../metrics.md) and the \
                [flags for the application](../flags-for-apps.md). The probe port has health checks and metrics only. \
                [Security](../security.md#ports) describes when a port needs tokens.",
        example: include_str!("examples/admin.yaml"),
    },
    Section {
        file: "tls",
        title: "TLS port",
        roots: &["listen_tls."],
        intro: "The proxy port over TLS, beside the port of `listen`: TLS 1.2 and 1.3, HTTP/1.1, and HTTP/2 for clients \
                that ask for it by ALPN. Everything else holds for both ports: `clients`, `limits`, the access log, \
                the drain. The handshake has the time of `limits.header_time`, and counts as a connection.\n\n\
                **Renewal.** The files are looked at every second, also where they are links (a mounted Secret of \
                Kubernetes). A new pair is shown from the next handshake on, and no connection is closed. A pair that \
                cannot be used (not PEM, the key of another certificate, expired) changes nothing: the one before goes \
                on being shown, `serin status` and the log have the reason, and `serin_tls_certificate_in_force` is 0. \
                Other edits of flags.yaml are taken meanwhile. A pair is read with the file: while flags.yaml itself is \
                in error, a new pair waits too. At the start such a pair is an error of the file. One that has expired \
                is a warning there, since there is no other.\n\n\
                **Its end.** `serin check` and `serin status` show until when the certificate is valid, and \
                `serin_tls_certificate_expiry_timestamp_seconds` has it for an [alert](../alerts.md). From 14 days \
                before, `serin status` warns; the log and the history have it 14, 7, 3 and 1 days before.\n\n\
                **Clients** must trust the authority that issued the certificate: `SSL_CERT_FILE=ca.pem` for the \
                Python SDKs, `NODE_EXTRA_CA_CERTS=ca.pem` for Node, `--cacert ca.pem` for curl. A client that sends \
                HTTP without TLS gets 400 (`x-serin-error: without_tls`). Failed handshakes are counted in \
                `serin_tls_handshake_failures_total`, and logged once a minute for each reason. Certificates of \
                clients are not asked for: `clients` are known by their keys.",
        example: include_str!("examples/tls.yaml"),
    },
    Section {
        file: "clients",
        title: "Clients",
        roots: &["clients[]."],
        intro: "Who may use the proxy port. Names of clients also separate requests by their source, so that no single \
                client decides for all users; see [How the guard decides](../how-the-guard-decides.md).",
        example: include_str!("examples/clients.yaml"),
    },
    Section {
        file: "limits",
        title: "Limits",
        roots: &["limits."],
        intro: "Every queue, buffer and pool has a bound. These are the bounds that a file can change.",
        example: include_str!("examples/limits.yaml"),
    },
    Section {
        file: "access-log",
        title: "Access log",
        roots: &["access_log."],
        intro: "One line of JSON for each request. [The access log](../failures.md#the-access-log) describes its \
                content.",
        example: include_str!("examples/access-log.yaml"),
    },
    Section {
        file: "notify",
        title: "Notify",
        roots: &["notify[]."],
        intro: "Who is notified when a rollout is promoted, held or rolled back. [Notifications](../notifications.md) \
                describes what is sent, how it is signed, and what happens if a target does not answer.",
        example: include_str!("examples/notify.yaml"),
    },
    Section {
        file: "traces",
        title: "Traces",
        roots: &["otlp."],
        intro: "Where traces of requests are sent. [Traces](../tracing.md) describes what a trace holds, and \
                [Security](../security.md#traces) what leaves the machine.",
        example: include_str!("examples/traces.yaml"),
    },
    Section {
        file: "providers",
        title: "Providers",
        roots: &["providers.NAME."],
        intro: "The upstreams. Both providers of a rollout must have the same API. Serin replaces the base URL, the key \
                and the model's name, and leaves the rest of a request unchanged, unless field rules say otherwise.\n\n\
                Two field rules (`drop_fields`, `rename_fields`, `set_fields`, `max_fields`) must not name the same \
                field, nor a field and a part of it. `model` and `stream` cannot be used in field rules: `models` maps \
                the model's name, and `stream` decides the form of the response. \
                [Credentials](../security.md#credentials) lists what counts as a credential and where it is sent.",
        example: include_str!("examples/providers.yaml"),
    },
    Section {
        file: "timeouts",
        title: "Timeouts",
        roots: &["providers.NAME.timeouts."],
        intro: "Deadlines for one provider. A deadline runs only while Serin waits for the provider, and never while \
                the client is slow. [When a provider fails](../failures.md) describes what follows.",
        example: include_str!("examples/timeouts.yaml"),
    },
    Section {
        file: "breaker",
        title: "Breaker",
        roots: &["providers.NAME.breaker."],
        intro: "A provider that keeps failing gets no requests while its breaker is open, as long as another candidate \
                can answer. [The breaker](../failures.md#the-breaker) describes its rules.",
        example: include_str!("examples/breaker.yaml"),
    },
    Section {
        file: "rate-limit",
        title: "Rate limit",
        roots: &["providers.NAME.rate_limit.", "clients[].rate_limit."],
        intro: "What a provider is sent, and what a client may send, over all threads of a process. [A provider's \
                limit](../failures.md#a-providers-limit) describes what happens to a request that there is no room for.",
        example: include_str!("examples/rate-limit.yaml"),
    },
    Section {
        file: "rollouts",
        title: "Rollouts",
        roots: &["rollouts[]."],
        intro: "A rollout is a named move from one provider to another. With `stable` alone it is a plain route. \
                [Concepts](../concepts.md) describes the split, [Rehearsal and comparison](../rehearsal.md) copies \
                of requests, and [Roll back](../operations/rollback.md) what lifts a rollback.\n\n\
                The percent in force is 0 if the rollout is locked or blocked. Otherwise it is `rollback_to` if the \
                guard rolled this attempt back, else the pinned percent, else half while the canary is \
                [confirmed](../how-the-guard-decides.md#above-50), else the ramp's percent. It is never above \
                `ramp.max`. Where the file and the percent in force differ, every output shows it with the reason. An \
                edit of `percent` lifts no rollback. A rolled-back canary is opened by `serin resume`, by \
                `try_again_after`, or by a higher `attempt`.",
        example: include_str!("examples/rollouts.yaml"),
    },
    Section {
        file: "match",
        title: "Match",
        roots: &["rollouts[].match."],
        intro: "Which requests a rollout takes. The first rollout that matches takes the request.",
        example: include_str!("examples/match.yaml"),
    },
    Section {
        file: "ramp",
        title: "Ramp",
        roots: &["rollouts[].ramp."],
        intro: "The schedule of `percent: auto`. [A promotion](../how-the-guard-decides.md#a-promotion) describes what \
                else a promotion needs.",
        example: include_str!("examples/ramp.yaml"),
    },
    Section {
        file: "guard",
        title: "Guard",
        roots: &["rollouts[].guard."],
        intro: "When the canary is promoted and when it is rolled back. \
                [How the guard decides](../how-the-guard-decides.md) explains the rules, and `serin simulate` \
                [tests them](../testing-flags.md).",
        example: include_str!("examples/guard.yaml"),
    },
    Section {
        file: "retry",
        title: "Retry",
        roots: &["rollouts[].retry."],
        intro: "When the same provider is tried again. [The last candidate](../failures.md#the-last-candidate) \
                describes which failures are retried, and how long the pauses are.",
        example: include_str!("examples/retry.yaml"),
    },
    Section {
        file: "flags",
        title: "Flags",
        roots: &["flags.NAME."],
        intro: "Flags that the application reads over OFREP. [Flags for the application](../flags-for-apps.md) shows \
                how to read them, and how rules, splits and rollouts decide.",
        example: include_str!("examples/flags.yaml"),
    },
];
