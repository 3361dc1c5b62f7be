//! `serin compare`: what copies of stable's requests have shown of the canary.
//!
//! Asks a running sidecar for its counts: the funnel, what blocks a rehearsal and the rule to write, in what the
//! answers differ, times and cost. Counts only; no text of a user is in them. Only reads.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use http::Method;

use super::api_call::by_any;
use super::locate::LocateArgs;
use super::output::{self, Style, moment, one_line, row};
use super::rollback::segment;
use super::{Exit, Failure, Outcome};
use crate::app::api::{ComparisonCounts, ComparisonReply, RehearsalReply};

const PATIENCE: Duration = Duration::from_secs(12);

/// Arguments of `serin compare`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "Examples:\n  serin compare chat\n  serin compare chat --json | jq '.comparison.aspects'")]
pub struct CompareArgs {
    /// The rollout.
    rollout: String,
    /// Print JSON, as `GET /api/v1/rollouts/{name}/comparison` has it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

/// Shows the counts.
///
/// # Errors
/// Where nothing answers, where there is no such rollout, and where its file asks for no copies.
pub fn run(args: &CompareArgs) -> Outcome {
    let vias = args.reach.find_one()?.vias;
    let path = format!("/api/v1/rollouts/{}/comparison", segment(&args.rollout));
    let reply: ComparisonReply =
        by_any(&vias, &Method::GET, &path, None, PATIENCE).map_err(|error| Failure::failed(error.to_string()))?;
    if args.json {
        output::print_json(&reply);
    } else {
        output::print(&render(&reply, Style::of_stdout()));
    }
    Ok(Exit::Done)
}

fn render(reply: &ComparisonReply, style: Style) -> String {
    let ComparisonReply { rollout, stable, canary, sentence, .. } = reply;
    let title = format!("{}  {} -> {}", one_line(rollout), one_line(stable), one_line(canary));
    let mut text = format!("{}\n{}\n", style.bold(&title), one_line(sentence));
    let cost = if reply.priced {
        format!("${:.4} today", reply.spent_today)
    } else {
        style.yellow("unknown: the canary has no `prices`, so `max_cost` cannot be held")
    };
    row(&mut text, "cost", &cost);
    if let Some(rehearsal) = &reply.rehearsal {
        text.push_str(&self::rehearsal(rehearsal, style));
    }
    if let Some(counts) = &reply.comparison {
        let _ = write!(text, "\n{}\n{}", style.bold("comparison"), self::counts(counts, style));
    }
    text
}

fn rehearsal(rehearsal: &RehearsalReply, style: Style) -> String {
    let RehearsalReply { round, requests, passed, ended_at, blocking, counts } = rehearsal;
    let at = ended_at.map(|at| format!(" ({})", moment(at))).unwrap_or_default();
    let verdict = match passed {
        Some(true) => style.green(&format!("passed{at}")),
        Some(false) => style.red(&format!("not passed{at}")),
        None => format!("{} of {requests} copies compared", counts.funnel.compared),
    };
    let title = style.bold(&format!("rehearsal, round {round}"));
    let mut text = format!("\n{title}  {verdict}\n");
    for found in blocking {
        let advice = found.advice.as_ref().map(|advice| format!(": {}", one_line(advice))).unwrap_or_default();
        let _ = writeln!(text, "  {} {}{advice}", style.red("blocks"), one_line(&found.sentence));
    }
    text + &self::counts(counts, style)
}

fn counts(counts: &ComparisonCounts, style: Style) -> String {
    let ComparisonCounts { funnel, defects, aspects, .. } = counts;
    let mut text = String::new();
    row(
        &mut text,
        "requests",
        &format!(
            "{} seen, {} sampled, {} sent, {} answered, {} compared",
            funnel.seen, funnel.sampled, funnel.sent, funnel.answered, funnel.compared
        ),
    );
    if !funnel.skipped.is_empty() {
        let skipped = funnel.skipped.iter().map(|(why, count)| format!("{} {count}", one_line(why)));
        row(&mut text, "skipped", &skipped.collect::<Vec<_>>().join(", "));
    }
    for defect in defects {
        row(&mut text, "defect", &style.yellow(&format!("{} ({})", one_line(&defect.sentence), defect.count)));
    }
    if !aspects.is_empty() {
        let of = |(name, pairs): (&String, &crate::app::api::ComparedPairs)| {
            format!("{} {} of {}", one_line(name), pairs.different, pairs.alike + pairs.different)
        };
        row(&mut text, "different", &aspects.iter().map(of).collect::<Vec<_>>().join(", "));
    }
    if let (Some(first), Some(total)) = (&counts.first_output_ms, &counts.total_ms) {
        let times = format!(
            "first output {} ms (stable {} ms), total {} ms (stable {} ms), medians",
            first.canary, first.stable, total.canary, total.stable
        );
        row(&mut text, "times", &times);
    }
    if let Some(ratio) = counts.length_ratio {
        row(&mut text, "length", &format!("{ratio:.2} times stable's"));
    }
    if counts.unpriced > 0 {
        let unknown = format!("unknown for {} copies: no price fits, or they tell of no tokens", counts.unpriced);
        row(&mut text, "cost", &style.yellow(&unknown));
    }
    if let Some(cost) = &counts.cost {
        row(&mut text, "response", &format!("${:.6} (stable ${:.6}), mean cost", cost.canary, cost.stable));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_what_blocks_and_what_to_write() {
        let reply: ComparisonReply = serde_json::from_str(
            r#"{"rollout":"chat","stable":"old","canary":"new","mode":"rehearsal_failed","sentence":"It failed.",
                "spent_today":0.25,"priced":true,
                "rehearsal":{"round":2,"requests":50,"passed":false,"blocking":[
                    {"sentence":"`logit_bias` is refused, 3 copies","advice":"write providers.new.drop_fields: [logit_bias]"}],
                  "counts":{"funnel":{"seen":90,"sampled":60,"skipped":{"rate":5},"sent":50,"answered":50,"compared":50},
                    "defects":[{"kind":"parameter","sentence":"`logit_bias` is refused","count":3}],
                    "aspects":{"status":{"alike":47,"different":3}},"length_ratio":1.5,
                    "first_output_ms":{"stable":100,"canary":90},"total_ms":{"stable":1000,"canary":900},
                    "cost":{"stable":0.002,"canary":0.001},"spent":0.05,"unpriced":3}}}"#,
        )
        .unwrap();
        let text = render(&reply, Style::PLAIN);
        for part in [
            "rehearsal, round 2  not passed",
            "blocks `logit_bias` is refused, 3 copies: write providers.new.drop_fields: [logit_bias]",
            "90 seen, 60 sampled, 50 sent, 50 answered, 50 compared",
            "rate 5",
            "status 3 of 50",
            "first output 90 ms (stable 100 ms), total 900 ms (stable 1000 ms)",
            "1.50 times stable's",
            "$0.2500 today",
            "unknown for 3 copies",
        ] {
            assert!(text.contains(part), "no `{part}` in {text}");
        }
    }
}
