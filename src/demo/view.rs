//! What the demo shows: a frame on a terminal, one line for each change elsewhere.
//!
//! Pure: facts in, text out. Colours are asked for by the caller, who knows whether there is a terminal. With what is
//! printed before it, a frame fits a terminal of 80 by 24: no line is longer, and stages that follow each other are one
//! line, so that the rollback stays in sight to the end.

use std::fmt::Write as _;

use super::traffic::UserCounts;
use crate::decide::event::{Action, Event};
use crate::decide::printable::printable;
use crate::decide::rollout::state::OverallPhase;
use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::describe::event::reason;
use crate::describe::format::{grouped, time};

/// Everything that is shown.
#[derive(Clone, Debug)]
pub(super) struct ViewData {
    /// When the demo began, and now.
    pub(super) began: UnixMillis,
    pub(super) now: UnixMillis,
    /// What is going on, in a sentence.
    pub(super) caption: &'static str,
    /// The share in force.
    pub(super) percent: Percent,
    /// Where the rollout is.
    pub(super) phase: OverallPhase,
    /// Why the share is what it is.
    pub(super) reason: String,
    /// Stable first.
    pub(super) providers: [ProviderFacts; 2],
    /// What users saw.
    pub(super) users: UserCounts,
    /// Newest first.
    pub(super) events: Vec<Event>,
    /// What it came to, once the script is over.
    pub(super) sum: Option<DemoSummary>,
}

/// What the script came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DemoSummary {
    /// From the beginning of the new provider's failures until nobody was sent to it any more; `None`: a human was
    /// faster.
    pub(super) back_after: Option<Millis>,
    /// What the new provider failed.
    pub(super) failed: u64,
    /// What users saw of it.
    pub(super) noticed: u64,
}

/// What one provider says of itself.
#[derive(Clone, Debug)]
pub(super) struct ProviderFacts {
    pub(super) name: String,
    /// What it was asked to generate.
    pub(super) requests: u64,
    pub(super) failed: u64,
}

const BAR: u16 = 40;
const EVENTS: usize = 7;
const WIDTH: usize = 80;

/// A frame for a terminal, each line ended by a newline.
pub(super) fn frame(facts: &ViewData, colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let hue = match facts.phase {
        OverallPhase::RolledBack | OverallPhase::Locked | OverallPhase::Blocked => "31",
        OverallPhase::Paused | OverallPhase::Probing | OverallPhase::Pinned | OverallPhase::Confirming => "33",
        OverallPhase::Ramping | OverallPhase::Completed => "32",
    };
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line("");
    let bar = bar(facts.percent);
    let share = format!("{:>6}", facts.percent.to_string());
    let now = stamp(facts.now, facts.began);
    line(&format!("  {now}  {} {} {}", paint("1", &share), paint(hue, &bar), paint(hue, facts.phase.as_str())));
    line(&cut(&format!("  {}", facts.reason), WIDTH));
    for (arm, provider) in ["stable", "canary"].iter().zip(&facts.providers) {
        let failed = format!("{:>7} failed", grouped(provider.failed));
        let failed = if provider.failed > 0 { paint("31", &failed) } else { failed };
        line(&format!("  {arm}  {:<10} {:>9} requests {failed}", provider.name, grouped(provider.requests)));
    }
    let (answered, failed) = (grouped(facts.users.answered), grouped(facts.users.failed));
    line(&format!("  users              {answered:>9} answered {failed:>7} failed"));
    line("");
    let runs = runs(&facts.events);
    let shown = runs.len().saturating_sub(EVENTS);
    for run in &runs[shown..] {
        line(&cut(&format!("  {}", event_line(run, facts.began)), WIDTH));
    }
    for _ in runs.len()..EVENTS {
        line("");
    }
    line("");
    line(&format!("  {}", paint("1", facts.caption)));
    let sum = facts.sum.map_or_else(String::new, |sum| summed(&sum, facts));
    line(&format!("  {}", paint("1", &cut(&sum, WIDTH - 2))));
    out
}

/// Events that make one line, oldest first: promotions that follow each other are one.
fn runs(newest_first: &[Event]) -> Vec<Vec<&Event>> {
    let mut runs: Vec<Vec<&Event>> = Vec::new();
    for event in newest_first.iter().rev() {
        match runs.last_mut() {
            Some(run) if event.action == Action::Promote && run.iter().all(|other| follows(other, event)) => {
                run.push(event);
            }
            _ => runs.push(vec![event]),
        }
    }
    runs
}

fn follows(before: &Event, event: &Event) -> bool {
    before.action == Action::Promote && before.actor == event.actor
}

/// What it came to, in a line.
fn summed(sum: &DemoSummary, facts: &ViewData) -> String {
    let [stable, canary] = facts.providers.each_ref().map(|provider| &provider.name);
    let requests = if sum.failed == 1 { "1 request".to_owned() } else { format!("{} requests", grouped(sum.failed)) };
    let back = sum.back_after.map(|after| format!("; back on {stable} in {}", time(after.duration().as_secs_f64())));
    format!("{requests} failed at {canary}; failed for users: {}{}", grouped(sum.noticed), back.unwrap_or_default())
}

/// One line for each thing that changed since the last look.
pub(super) fn changes(before: Option<&ViewData>, now: &ViewData) -> Vec<String> {
    let stamp = stamp(now.now, now.began);
    let mut lines = Vec::new();
    let known = before.map_or(0, |before| before.events.first().map_or(0, |event| event.at.0));
    let known_then: Vec<&Event> =
        before.map_or(Vec::new(), |before| before.events.iter().filter(|event| event.at.0 == known).collect());
    let is_new = |event: &&Event| event.at.0 > known || (event.at.0 == known && !known_then.contains(event));
    lines.extend(now.events.iter().filter(is_new).map(|event| cut(&event_line(&[event], now.began), WIDTH)).rev());
    if before.is_none_or(|before| (before.percent, before.phase) != (now.percent, now.phase)) {
        let providers = now.providers.each_ref().map(|provider| {
            format!("{} failed {} of {}", provider.name, grouped(provider.failed), grouped(provider.requests))
        });
        let phase = now.phase.as_str();
        lines.push(format!("{stamp}  canary at {} ({phase}); {}", now.percent, providers.join(", ")));
    }
    if before.is_none_or(|before| before.caption != now.caption) {
        lines.push(format!("{stamp}  {}", now.caption));
    }
    if let Some(sum) = now.sum.filter(|sum| before.and_then(|before| before.sum) != Some(*sum)) {
        lines.push(format!("{stamp}  {}", summed(&sum, now)));
    }
    lines
}

/// A line for events that belong together.
fn event_line(run: &[&Event], began: UnixMillis) -> String {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return String::new() };
    let mut text = format!("{}  {:<6} {}", stamp(last.at, began), last.actor, last.action);
    if first.from != last.to {
        // Writing to a String does not fail.
        let _ = write!(text, " {} -> {}", first.from, last.to);
    }
    let why = match (run.len(), last.decision()) {
        (1, Some(decision)) => {
            let (canary, stable) = (&decision.canary, &decision.stable);
            format!(
                "{:.0} of {:.0} failed, {:.0} of {:.0} of stable's",
                canary.events, canary.requests, stable.events, stable.requests
            )
        }
        (1, None) => reason(last),
        (stages, _) => format!("{stages} stages"),
    };
    if !why.is_empty() {
        let _ = write!(text, ": {why}");
    }
    text
}

fn bar(percent: Percent) -> String {
    let full = usize::from(percent.hundredths() / (10_000 / BAR));
    format!("{}{}", "█".repeat(full), "░".repeat(usize::from(BAR) - full))
}

/// Minutes and seconds since the demo began.
fn stamp(at: UnixMillis, began: UnixMillis) -> String {
    let Millis(millis) = at.since(began);
    let seconds = millis / 1000;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

fn cut(text: &str, width: usize) -> String {
    let line = printable(text);
    if line.chars().count() <= width {
        return line;
    }
    let mut short: String = line.chars().take(width - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::event::Reason;

    fn event(at: u64, action: &str, from: u16, to: u16) -> Event {
        Event {
            at: UnixMillis(at),
            rollout: Some("chat".to_owned()),
            actor: "ramp".into(),
            action: Action::from(action.to_owned()),
            reason: Reason::from_human("3s passed, 20 answers"),
            from: Percent::from_hundredths(from).unwrap(),
            to: Percent::from_hundredths(to).unwrap(),
            generation: 1,
        }
    }

    fn facts() -> ViewData {
        ViewData {
            began: UnixMillis(1_000_000),
            now: UnixMillis(1_065_400),
            caption: "it climbs",
            percent: Percent::from_hundredths(2500).unwrap(),
            phase: OverallPhase::Ramping,
            reason: "second stage of the ramp".to_owned(),
            providers: [
                ProviderFacts { name: "openai".to_owned(), requests: 1_234_567, failed: 0 },
                ProviderFacts { name: "holysheep".to_owned(), requests: 312, failed: 14 },
            ],
            users: UserCounts { answered: 1_234_865, failed: 14 },
            events: vec![event(1_004_000, "promote", 1000, 2500), event(1_000_500, "begin", 0, 1000)],
            sum: None,
        }
    }

    #[test]
    fn a_frame_shows_share_providers_users_and_reasons() {
        let frame = frame(&facts(), false);
        for part in [
            "  01:05     25% ██████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ ramping",
            "stable  openai     1,234,567 requests       0 failed",
            "canary  holysheep        312 requests      14 failed",
            "1,234,865 answered      14 failed",
            "00:04  ramp   promote 10% -> 25%: 3s passed, 20 answers",
            "it climbs",
        ] {
            assert!(frame.contains(part), "no `{part}` in\n{frame}");
        }
        assert!(!frame.contains('\x1b'));
        assert!(frame.find("00:00").unwrap() < frame.find("00:04").unwrap(), "oldest first");
    }

    #[test]
    fn a_frame_keeps_its_height_whatever_happens() {
        let mut many = facts();
        many.events =
            (0..50).map(|n| event(1_000_000 + n, if n % 2 == 0 { "promote" } else { "rollback" }, 0, 10)).collect();
        many.events[0].reason = Reason::from_human(&"long\n".repeat(200));
        let mut none = facts();
        none.events.clear();
        let height = frame(&facts(), true).lines().count();
        // Six lines stand above it, and the cursor below.
        assert!(height + 6 < 24, "{height}");
        assert_eq!(frame(&many, false).lines().count(), height);
        assert_eq!(frame(&none, false).lines().count(), height);
        many.sum = Some(DemoSummary { back_after: Some(Millis(3200)), failed: 1_234_567, noticed: 1_234_567 });
        many.reason = "a long reason ".repeat(20);
        let frame = frame(&many, false);
        assert_eq!(frame.lines().count(), height);
        assert!(frame.lines().all(|line| line.chars().count() <= 80), "{frame}");
    }

    #[test]
    fn the_rollback_stays_in_sight_to_the_end() {
        let mut facts = facts();
        let climb = |from: u64, most: u16| {
            (0..most / 1500).map(move |n| event(from + u64::from(n), "promote", n * 1500, (n + 1) * 1500))
        };
        let mut events: Vec<Event> = climb(1_000_000, 4500).collect();
        events.push(event(1_010_000, "rollback", 4500, 0));
        events.push(event(1_020_000, "resume", 0, 0));
        events.extend(climb(1_030_000, 9000));
        events.push(event(1_040_000, "complete", 9000, 9000));
        facts.events = events.into_iter().rev().collect();
        facts.sum = Some(DemoSummary { back_after: Some(Millis(3200)), failed: 24, noticed: 0 });
        let frame = frame(&facts, false);
        for part in [
            "promote 0% -> 45%: 3 stages",
            "rollback 45% -> 0%",
            "promote 0% -> 90%: 6 stages",
            "24 requests failed at holysheep; failed for users: 0; back on openai in 3s",
        ] {
            assert!(frame.contains(part), "no `{part}` in\n{frame}");
        }
        let text = changes(None, &facts).pop().unwrap();
        assert!(text.ends_with("failed for users: 0; back on openai in 3s"), "{text}");
    }

    #[test]
    fn the_bar_is_as_long_as_the_share() {
        for (hundredths, full) in [(0, 0), (249, 0), (250, 1), (5000, 20), (9999, 39), (10_000, 40)] {
            let bar = bar(Percent::from_hundredths(hundredths).unwrap());
            assert_eq!((bar.matches('█').count(), bar.chars().count()), (full, 40));
        }
    }

    #[test]
    fn changes_are_told_once_each() {
        let first = facts();
        assert_eq!(changes(None, &first).len(), 4);
        assert!(changes(Some(&first), &first).is_empty());
        let mut next = facts();
        next.now = UnixMillis(1_070_000);
        next.percent = Percent::from_hundredths(4000).unwrap();
        next.events.insert(0, event(1_069_000, "promote", 2500, 4000));
        assert_eq!(
            changes(Some(&first), &next),
            [
                "01:09  ramp   promote 25% -> 40%: 3s passed, 20 answers",
                "01:10  canary at 40% (ramping); openai failed 0 of 1,234,567, holysheep failed 14 of 312",
            ]
        );
    }
}
