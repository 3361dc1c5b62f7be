//! What the live screen shows: for each process its rollouts, how they came there, and what happened last.
//!
//! Pure: what was seen, the time and the size in, lines out. The share over time is drawn from the history, one column
//! for a part of the time. Owns which facts fit on one screen; `serin status` has all of them.

use crate::app::api::{HistoryEntry, Recent, RecentArm, Rollout, StatusReply};
use crate::cli::guard_format::waits_for;
use crate::cli::output::{Style, distance, moment, one_line, span};
use crate::decide::units::UnixMillis;

use super::terminal::Size;

/// The share over so long at most.
const LONGEST: u64 = 24 * 3_600_000;
/// Events that are listed.
const LISTED: usize = 6;
/// From nobody to everybody.
const BARS: [char; 8] =
    ['\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];

/// What is known of one process.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) name: String,
    /// Its last answer.
    pub(super) reply: Option<StatusReply>,
    /// Newest first.
    pub(super) events: Vec<HistoryEntry>,
    /// Why it does not answer, and since when.
    pub(super) error: Option<(String, UnixMillis)>,
}

impl Seen {
    pub(super) const fn new(name: String) -> Seen {
        Seen { name, reply: None, events: Vec::new(), error: None }
    }

    pub(super) fn answered(&mut self, reply: StatusReply, events: Vec<HistoryEntry>) {
        (self.reply, self.events, self.error) = (Some(reply), events, None);
    }

    pub(super) fn lost(&mut self, error: String, now: UnixMillis) {
        let since = self.error.as_ref().map_or(now, |(_, since)| *since);
        self.error = Some((error, since));
    }

    pub(super) const fn is_connected(&self) -> bool {
        self.error.is_none()
    }
}

/// The whole screen.
pub(super) fn lines(seen: &[Seen], now: UnixMillis, style: Style, size: Size) -> Vec<String> {
    let mut lines = Vec::new();
    for known in seen {
        process(&mut lines, known, now, style, size);
    }
    lines.push(style.dim(&format!("{}  Ctrl-C ends", moment(crate::app::api::Timestamp(now)))));
    lines
}

fn process(lines: &mut Vec<String>, known: &Seen, now: UnixMillis, style: Style, size: Size) {
    if let Some((error, since)) = &known.error {
        let lost = format!("no connection for {}: {}", span(now.since(*since)), one_line(error));
        lines.push(style.red(&lost));
    }
    let Some(reply) = &known.reply else { return };
    let StatusReply { process, flags, .. } = reply;
    let draining = if process.draining { style.yellow(", draining") } else { String::new() };
    let up = span(now.since(process.started_at.0));
    lines.push(format!(
        "{} {}, pid {}, up {up}, generation {}{draining}",
        style.bold("serin"),
        process.version,
        process.pid,
        flags.generation
    ));
    if let Some(error) = flags.errors.first() {
        let first = error.to_string();
        lines.push(
            style.red(&format!(
                "the file on disk is not in force: {}",
                one_line(first.lines().next().unwrap_or_default())
            )),
        );
    }
    for provider in reply.providers.iter().filter(|provider| !matches!(provider.breaker.as_str(), "closed" | "off")) {
        lines.push(style.red(&format!("breaker of {}: {}", provider.name, provider.breaker)));
    }
    for shown in &reply.rollouts {
        lines.push(String::new());
        rollout(lines, shown, &known.events, now, style, size);
    }
    if !known.events.is_empty() {
        lines.push(String::new());
        lines.extend(known.events.iter().take(LISTED).map(|event| of_event(event, now, style)));
    }
}

fn rollout(
    lines: &mut Vec<String>,
    shown: &Rollout,
    events: &[HistoryEntry],
    now: UnixMillis,
    style: Style,
    size: Size,
) {
    let Some(canary) = &shown.canary else {
        lines.push(format!("{}  {} (a plain route)", style.bold(&shown.name), shown.stable));
        return;
    };
    let phase = match shown.phase.as_str() {
        "locked" | "blocked" | "rolled_back" => style.red(&shown.phase),
        "completed" | "ramping" => style.green(&shown.phase),
        _ => style.yellow(&shown.phase),
    };
    lines.push(format!(
        "{}  {} -> {canary}  {phase}  {}  for {}",
        style.bold(&shown.name),
        shown.stable,
        style.bold(&format!("{}%", shown.percent)),
        span(now.since(shown.since.0))
    ));
    lines.push(format!("  {}", one_line(&shown.reason)));
    let width = size.columns.saturating_sub(24).min(60);
    if let Some((drawn, length)) = share_over_time(&shown.name, events, shown.percent, now, width) {
        lines.push(format!("  percent  {drawn} {}", style.dim(&format!("last {}", span(length)))));
    }
    if let Some(recent) = &shown.recent {
        lines.push(arm("stable", &recent.stable, recent));
        lines.extend(recent.canary.as_ref().map(|of_canary| arm("canary", of_canary, recent)));
    }
    if let Some(next) = &shown.next {
        lines.push(format!("  next     {}%, {}", next.percent, distance(next.not_before, now)));
    }
    let waits = waits_for(shown);
    if !waits.is_empty() {
        lines.push(format!("  waits    {}", one_line(&waits)));
    }
    if let Some(ready) = shown.rollback_ready.as_ref().filter(|ready| !ready.ready && shown.percent > 0.0) {
        lines.push(style.yellow(&format!("  rollback {}", one_line(&ready.sentence(&shown.stable)))));
    }
    if let Some(fault) = &shown.stable_fault {
        lines.push(style.red(&format!("  stable   {}", one_line(fault))));
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of five minutes")]
fn arm(name: &str, arm: &RecentArm, recent: &Recent) -> String {
    let rate = arm.requests as f64 / recent.seconds.max(1.0);
    let failed = if arm.requests == 0 {
        "-".to_owned()
    } else {
        format!("{:.2}%", arm.failed as f64 * 100.0 / arm.requests as f64)
    };
    format!("  {name:<8} {rate:>8.1}/s {failed:>8} failed {:>6} in flight", arm.in_flight)
}

fn of_event(event: &HistoryEntry, now: UnixMillis, style: Style) -> String {
    let share = if event.from == event.to { String::new() } else { format!(" {}% -> {}%", event.from, event.to) };
    let reason = if event.reason.is_empty() { String::new() } else { format!(": {}", one_line(&event.reason)) };
    format!(
        "{} {} {}{share}, {}{reason}",
        style.dim(&format!("{:>8}", span(now.since(event.at.0)))),
        event.rollout.as_deref().unwrap_or("-"),
        one_line(&event.action),
        one_line(&event.actor)
    )
}

/// A bar for each part of the time up to now, and how long that is; `None`: nothing is known of it.
fn share_over_time(
    rollout: &str,
    events: &[HistoryEntry],
    percent: f64,
    now: UnixMillis,
    width: usize,
) -> Option<(String, crate::decide::units::Millis)> {
    let own: Vec<&HistoryEntry> = events.iter().filter(|event| event.rollout.as_deref() == Some(rollout)).collect();
    let oldest = own.last()?;
    let length = now.since(oldest.at.0).0.min(LONGEST);
    if width == 0 || length == 0 {
        return None;
    }
    let columns = u64::try_from(width).unwrap_or(1);
    let bar = |column: u64| {
        let at = UnixMillis(now.0 - length + length * (column + 1) / columns);
        let share = if column + 1 == columns {
            percent
        } else {
            own.iter().find(|event| event.at.0 <= at).map_or(oldest.from, |event| event.to)
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        let step = (share.clamp(0.0, 100.0) / 100.0 * 7.0).ceil() as usize;
        BARS[step.min(BARS.len() - 1)]
    };
    Some(((0..columns).map(bar).collect(), crate::decide::units::Millis(length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::api::{Flags, Process, State, Timestamp};
    use crate::cli::fixtures;

    fn status() -> StatusReply {
        let process = Process {
            version: "0.1.0".to_owned(),
            pid: 7,
            started_at: fixtures::at(600),
            listen: String::new(),
            listen_tls: None,
            admin: String::new(),
            probe: None,
            draining: false,
        };
        let flags = Flags {
            path: "flags.yaml".to_owned(),
            generation: 3,
            accepted_at: fixtures::at(600),
            modified_at: None,
            errors: Vec::new(),
            failures: 0,
            from_last_good: false,
            warnings: Vec::new(),
        };
        let state = State { dir: "state".to_owned(), error: None, locks_error: None, ephemeral: None };
        StatusReply {
            kept_state: Vec::new(),
            certificate: None,
            process,
            flags,
            state,
            rollouts: vec![fixtures::rollout()],
            providers: Vec::new(),
            clients: Vec::new(),
            notify: Vec::new(),
            websockets: Vec::new(),
        }
    }

    fn event(at: u64, from: f64, to: f64) -> HistoryEntry {
        HistoryEntry {
            at: Timestamp(UnixMillis(at)),
            rollout: Some("chat".to_owned()),
            actor: "ramp".to_owned(),
            action: "promote".to_owned(),
            reason: "well\nsaid".to_owned(),
            from,
            to,
            numbers: Default::default(),
            causes: Vec::new(),
            generation: 1,
            edited: None,
        }
    }

    #[test]
    fn the_share_is_drawn_over_the_time_that_is_known() {
        let events = [event(9_000, 50.0, 100.0), event(5_000, 0.0, 50.0), event(0, 0.0, 0.0)];
        let (drawn, length) = share_over_time("chat", &events, 100.0, UnixMillis(10_000), 10).unwrap();
        assert_eq!(
            (drawn.as_str(), length.0),
            ("\u{2581}\u{2581}\u{2581}\u{2581}\u{2585}\u{2585}\u{2585}\u{2585}\u{2588}\u{2588}", 10_000)
        );
        assert_eq!(share_over_time("other", &events, 1.0, UnixMillis(10_000), 10), None);
        assert_eq!(share_over_time("chat", &events, 1.0, UnixMillis(10_000), 0), None);
        assert_eq!(share_over_time("chat", &events, 1.0, UnixMillis(0), 10), None);
    }

    #[test]
    fn a_screen_has_both_arms_the_events_and_a_lost_connection() {
        let mut seen = Seen::new("pid 7".to_owned());
        let now = UnixMillis(1_795_247_762_123);
        seen.answered(status(), vec![event(now.0 - 60_000, 10.0, 25.0)]);
        let size = Size { columns: 80, lines: 24 };
        let shown = |seen: &Seen, now| lines(std::slice::from_ref(seen), now, Style::PLAIN, size).join("\n");
        let text = shown(&seen, now);
        for part in
            ["stable ", "canary ", "/s", "failed", "promote 10% -> 25%, ramp: well said", "waits ", "Ctrl-C ends"]
        {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        assert!(!text.contains("no connection"));
        seen.lost("gone".to_owned(), now);
        seen.lost("still gone".to_owned(), UnixMillis(now.0 + 5_000));
        let text = shown(&seen, UnixMillis(now.0 + 9_000));
        assert!(text.starts_with("no connection for 9s: still gone\n") && text.contains("stable "), "{text}");
        seen.answered(status(), Vec::new());
        assert!(seen.is_connected());
    }
}
