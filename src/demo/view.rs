//! What the demo shows: a frame on a terminal, one line for each change elsewhere.
//!
//! Pure: facts in, text out. Colours are asked for by the caller, who knows whether there is a terminal. A frame
//! has few lines and is never wider than it must be, so that it fits a terminal of 80 by 24.

use std::fmt::Write as _;

use super::traffic::Seen;
use crate::decide::event::Event;
use crate::decide::printable::printable;
use crate::decide::rollout::state::Standing;
use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::describe::event::reason;

/// Everything that is shown.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// When the demo began, and now.
    pub(super) began: UnixMillis,
    /// Now.
    pub(super) now: UnixMillis,
    /// What is going on, in a sentence.
    pub(super) told: &'static str,
    /// The share in force.
    pub(super) percent: Percent,
    /// Where the rollout is.
    pub(super) standing: Standing,
    /// Why the share is what it is.
    pub(super) reason: String,
    /// Stable first.
    pub(super) providers: [ProviderFacts; 2],
    /// What users saw.
    pub(super) users: Seen,
    /// Newest first.
    pub(super) events: Vec<Event>,
}

/// What one provider says of itself.
#[derive(Clone, Debug)]
pub(super) struct ProviderFacts {
    /// Its name.
    pub(super) name: String,
    /// What it was asked to generate.
    pub(super) requests: u64,
    /// What it failed.
    pub(super) failed: u64,
}

const BAR: u16 = 40;
const EVENTS: usize = 6;
const WIDTH: usize = 110;

/// A frame for a terminal, each line ended by a newline.
pub(super) fn frame(facts: &Facts, colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let hue = match facts.standing {
        Standing::RolledBack | Standing::Locked | Standing::Blocked => "31",
        Standing::Paused | Standing::Probing | Standing::Pinned | Standing::Confirming => "33",
        Standing::Ramping | Standing::Completed => "32",
    };
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line("");
    line(&format!("  {}  {}", paint("1", "serin demo"), stamp(facts.now, facts.began)));
    line("");
    let bar = bar(facts.percent);
    let share = format!("{:>6}", facts.percent.to_string());
    line(&format!("  canary {} {} {}", paint("1", &share), paint(hue, &bar), paint(hue, facts.standing.as_str())));
    line(&format!("  {}", cut(&facts.reason, WIDTH)));
    line("");
    for (arm, provider) in ["stable", "canary"].iter().zip(&facts.providers) {
        let failed = format!("{:>7} failed", grouped(provider.failed));
        let failed = if provider.failed > 0 { paint("31", &failed) } else { failed };
        line(&format!("  {arm}  {:<10} {:>9} requests {failed}", provider.name, grouped(provider.requests)));
    }
    let (answered, failed) = (grouped(facts.users.answered), grouped(facts.users.failed));
    line(&format!("  users              {answered:>9} answered {failed:>7} failed"));
    line("");
    for event in facts.events.iter().take(EVENTS).rev() {
        line(&cut(&format!("  {}", told(event, facts.began)), WIDTH));
    }
    for _ in facts.events.len()..EVENTS {
        line("");
    }
    line("");
    line(&format!("  {}", paint("1", facts.told)));
    out
}

/// One line for each thing that changed since the last look.
pub(super) fn changes(before: Option<&Facts>, now: &Facts) -> Vec<String> {
    let stamp = stamp(now.now, now.began);
    let mut lines = Vec::new();
    let known = before.map_or(0, |before| before.events.first().map_or(0, |event| event.at.0));
    let known_then: Vec<&Event> =
        before.map_or(Vec::new(), |before| before.events.iter().filter(|event| event.at.0 == known).collect());
    let is_new = |event: &&Event| event.at.0 > known || (event.at.0 == known && !known_then.contains(event));
    lines.extend(now.events.iter().filter(is_new).map(|event| told(event, now.began)).rev());
    if before.is_none_or(|before| (before.percent, before.standing) != (now.percent, now.standing)) {
        let providers = now.providers.each_ref().map(|provider| {
            format!("{} {} requests, {} failed", provider.name, grouped(provider.requests), grouped(provider.failed))
        });
        let standing = now.standing.as_str();
        lines.push(format!("{stamp}  canary at {} ({standing}); {}", now.percent, providers.join("; ")));
    }
    if before.is_none_or(|before| before.told != now.told) {
        lines.push(format!("{stamp}  {}", now.told));
    }
    lines
}

fn told(event: &Event, began: UnixMillis) -> String {
    let mut text = format!("{}  {:<6} {}", stamp(event.at, began), event.actor, event.action);
    if event.from != event.to {
        // Writing to a String does not fail.
        let _ = write!(text, " {} -> {}", event.from, event.to);
    }
    let reason = reason(event);
    if !reason.is_empty() {
        let _ = write!(text, ": {reason}");
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

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
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
    use crate::decide::event::{Action, Reason};

    fn event(at: u64, action: &str, from: u16, to: u16) -> Event {
        Event {
            at: UnixMillis(at),
            rollout: Some("chat".to_owned()),
            actor: "ramp".into(),
            action: Action::from(action.to_owned()),
            reason: Reason::said("3s passed, 20 answers"),
            from: Percent::from_hundredths(from).unwrap(),
            to: Percent::from_hundredths(to).unwrap(),
            generation: 1,
        }
    }

    fn facts() -> Facts {
        Facts {
            began: UnixMillis(1_000_000),
            now: UnixMillis(1_065_400),
            told: "it climbs",
            percent: Percent::from_hundredths(2500).unwrap(),
            standing: Standing::Ramping,
            reason: "second stage of the ramp".to_owned(),
            providers: [
                ProviderFacts { name: "oldcorp".to_owned(), requests: 1_234_567, failed: 0 },
                ProviderFacts { name: "newcorp".to_owned(), requests: 312, failed: 14 },
            ],
            users: Seen { answered: 1_234_865, failed: 14 },
            events: vec![event(1_004_000, "promote", 1000, 2500), event(1_000_500, "begin", 0, 1000)],
        }
    }

    #[test]
    fn a_frame_shows_share_providers_users_and_reasons() {
        let frame = frame(&facts(), false);
        for part in [
            "serin demo  01:05",
            "   25% ██████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ ramping",
            "stable  oldcorp    1,234,567 requests       0 failed",
            "canary  newcorp          312 requests      14 failed",
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
        many.events = (0..50).map(|n| event(1_000_000 + n, "promote", 0, 10)).collect();
        many.events[0].reason = Reason::said(&"long\n".repeat(200));
        let mut none = facts();
        none.events.clear();
        let height = frame(&facts(), true).lines().count();
        assert!(height < 24);
        assert_eq!(frame(&many, false).lines().count(), height);
        assert_eq!(frame(&none, false).lines().count(), height);
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
                "01:10  canary at 40% (ramping); oldcorp 1,234,567 requests, 0 failed; newcorp 312 requests, 14 failed",
            ]
        );
    }
}
