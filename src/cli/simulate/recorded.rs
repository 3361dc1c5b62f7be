//! `serin simulate --trace`: a recorded day through the guard of a file.
//!
//! Reads the recording line by line, so that its length is nobody's concern, and names the line that cannot be read.
//! Nothing is drawn by chance here: the same recording and the same file give the same decisions.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::Failure;
use super::super::output::{Style, moment};

use super::format;
use super::inputs::TestedRollout;
use super::report::wrap;
use crate::decide::event::{Action, Detail, Event};
use crate::decide::guard::trace::TraceLine;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::UnixMillis;
use crate::describe::event::reason;
use crate::describe::format::percent;
use crate::simulate::replay::{Recording, Replay};

/// A recording, and what would have been decided on it.
#[derive(Clone, Debug)]
pub(super) struct Replayed {
    pub(super) file: PathBuf,
    pub(super) subject: TestedRollout,
    pub(super) recording: Recording,
    /// When the first line began, and when the last one ended.
    pub(super) span: (UnixMillis, UnixMillis),
    /// The rules of others, and when each would have taken the canary back.
    pub(super) compared_rules: Vec<(&'static str, Option<UnixMillis>)>,
}

pub(super) fn replay(file: &Path, subject: &TestedRollout) -> Result<Replayed, Failure> {
    let name = file.display();
    let unreadable = |error: std::io::Error| Failure::usage(format!("{name}: {error}"));
    let mut input = BufReader::new(File::open(file).map_err(unreadable)?);
    let mut replay: Option<Replay> = None;
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        if input.read_until(b'\n', &mut text).map_err(unreadable)? == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let wrong = |problem: String| Failure::usage(format!("{name}, line {number}: {problem}"));
        let line: TraceLine = serde_json::from_slice(&text).map_err(|error| wrong(problem(&error)))?;
        replay.get_or_insert_with(|| Replay::new(&subject.name, &subject.canary, &line)).see(&line).map_err(wrong)?;
    }
    let Some(replay) = replay else {
        return Err(Failure::usage(format!(
            "{name} is empty: a recording has a line of JSON for each tick, as `serin history ROLLOUT --trace` writes \
             it"
        )));
    };
    Ok(Replayed {
        file: file.to_owned(),
        subject: subject.clone(),
        span: replay.span(),
        compared_rules: replay.compared_rules(),
        recording: replay.into_recording(),
    })
}

// The line is ours to tell, and serde's is always the first.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    match error.column() {
        0 => text.to_owned(),
        column => format!("{text} (column {column})"),
    }
}

/// What was replayed, in a sentence.
pub(super) fn asked(replayed: &Replayed) -> String {
    let Replayed { recording, span: (begin, end), subject, .. } = replayed;
    let arm = |(requests, failures): (f64, f64)| {
        let rate = if requests > 0.0 { format!(" ({})", percent(failures / requests)) } else { String::new() };
        format!("{} of {} requests{rate}", format::count(failures), format::count(requests))
    };
    let guard = match &subject.file {
        Some(file) => format!("rollout `{}` of {}", subject.name, file.display()),
        None => "a rollout with every default".to_owned(),
    };
    format!(
        "{} from {} on, in {} lines: stable failed {}, the canary {}. Replayed with the guard of {guard}.",
        format::time(Some(end.since(*begin).0 as f64 / 1000.0)),
        moment(Timestamp(*begin)),
        format::count(recording.lines as f64),
        arm(recording.stable),
        arm(recording.canary),
    )
}

/// What answered a regression, if anything did.
fn answer(replayed: &Replayed) -> Option<&Event> {
    replayed.recording.decisions.last().filter(|_| replayed.recording.ended)
}

/// Since when it showed that was answered: the canary looked well until then. A recording may begin days before.
fn showed_at(event: &Event) -> UnixMillis {
    let Some(decision) = event.decision() else { return event.at };
    let ago = |seconds: f64| {
        let length = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_millis();
        UnixMillis(event.at.0.saturating_sub(u64::try_from(length).unwrap_or_default()))
    };
    match &decision.detail {
        Detail::Run { seconds, .. } => ago(*seconds),
        Detail::Silence { since, .. } => *since,
        _ => ago(decision.seconds),
    }
}

fn between(from: UnixMillis, to: UnixMillis) -> String {
    format::time(Some(to.since(from).0 as f64 / 1000.0))
}

/// What the guard would have done, in a sentence.
pub(super) fn headline(replayed: &Replayed) -> String {
    let (begin, end) = replayed.span;
    match answer(replayed) {
        Some(event) => format!(
            "This file would have {} {} after it last looked well, {} into the recording.",
            acted(event),
            between(showed_at(event), event.at),
            between(begin, event.at)
        ),
        None if replayed.recording.canary.0 == 0.0 => {
            "No user was on the canary: there was nothing to judge.".to_owned()
        }
        None => {
            format!("This file would not have rolled the canary back in these {}.", between(begin, end))
        }
    }
}

fn acted(event: &Event) -> &'static str {
    match event.action {
        Action::Hold => "paused the canary's ramp",
        Action::StepBack => "moved the canary one stage back",
        _ => "rolled the canary back",
    }
}

/// When, and what.
pub(super) fn rows(replayed: &Replayed) -> Vec<[String; 4]> {
    let row = |event: &Event| {
        let share =
            if event.from == event.to { event.from.to_string() } else { format!("{} -> {}", event.from, event.to) };
        [moment(Timestamp(event.at)), event.action.to_string(), share, reason(event)]
    };
    replayed.recording.decisions.iter().map(row).collect()
}

/// The rules of others, in sentences.
pub(super) fn others(replayed: &Replayed) -> Vec<(&'static str, String)> {
    // Counted as the guard's own is, where it acted.
    let showed = answer(replayed).map(showed_at);
    let text_of = |at: &Option<UnixMillis>| match (at, showed) {
        (None, _) => "would not have rolled it back".to_owned(),
        (Some(at), Some(showed)) if *at >= showed => {
            format!("would have rolled it back at {}, {} after that", moment(Timestamp(*at)), between(showed, *at))
        }
        (Some(at), Some(showed)) => {
            format!("would have rolled it back at {}, {} before that", moment(Timestamp(*at)), between(*at, showed))
        }
        (Some(at), None) => {
            let into = between(replayed.span.0, *at);
            format!("would have rolled it back at {}, {into} into the recording", moment(Timestamp(*at)))
        }
    };
    replayed.compared_rules.iter().map(|(name, at)| (*name, text_of(at))).collect()
}

/// For people.
pub(super) fn text(replayed: &Replayed, style: Style) -> String {
    let mut text = wrap(&asked(replayed), 100).join("\n") + "\n\n";
    for [at, action, share, reason] in &rows(replayed) {
        text.push_str(&format!("{}  {}  {share}\n", style.dim(at), style.bold(action)));
        wrap(reason, 98).iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        text.push('\n');
    }
    text.push_str(&style.bold(&headline(replayed)));
    text.push('\n');
    for (name, sentence) in others(replayed) {
        text.push_str(&format!("{name} {sentence}.\n"));
    }
    text
}
