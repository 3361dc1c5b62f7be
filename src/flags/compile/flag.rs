//! The flags that the application reads: what each serves to whom.
//!
//! One flag at a time. Rules come first, then one of: the rollout that the flag follows, its split, its default. A flag
//! with an error is still returned, so that what else is wrong is found in the same go. A mistake in `variants` is told
//! there and not at each name that uses them.

use std::collections::BTreeMap;

use crate::decide::policy::{Condition, Flag, FlagRule, Rollout, Serve, VariantId};
use crate::decide::units::{Percent, RolloutId};

use super::super::mask;
use super::super::place::At;
use super::super::scalar::{moment, name, rate, switch, wrong};
use super::condition::condition;
use super::findings::{Findings, Named};
use super::flag_variants::{Variants, variants};
use super::names;

/// All flags, by name.
pub(super) fn all(root: &At, rollouts: &[Rollout], findings: &mut Findings<'_>) -> BTreeMap<String, Flag> {
    let mut flags = BTreeMap::new();
    for (flag, at) in root.key("flags").named() {
        if let Err(problem) = name(flag) {
            findings.error(&at.name(), format!("`{}` {}", mask::short(flag), problem.problem), problem.remedy);
        }
        let parts = Parts { at: &at, variants: variants(&at, findings) };
        flags.insert(flag.to_owned(), parts.flag(flag, root, rollouts, findings));
    }
    flags
}

/// A flag of the file, with its variants read.
struct Parts<'a> {
    at: &'a At,
    variants: Variants,
}

impl Parts<'_> {
    fn flag(self, name: &str, root: &At, rollouts: &[Rollout], findings: &mut Findings<'_>) -> Flag {
        let at = self.at;
        let rules = self.rules(findings);
        let given = findings.given(&at.key("default"), |text| self.variants.named(text));
        let by_default = given.or_else(|| self.variants.find("off"));
        let otherwise = match (at.has("follows"), at.has("split")) {
            (true, _) => self.follow(root, rollouts, findings),
            (false, true) => self.split(&at.key("split"), findings),
            (false, false) => {
                if by_default.is_none() && self.variants.complete && !at.has("default") && !at.has_unknown_key() {
                    let first = self.variants.list.first().map_or("off", |variant| variant.name.as_str());
                    let remedy = format!("add `default` with a variant, such as `default: {first}`");
                    findings.error(at, "`default` is missing: no variant is named `off`", remedy);
                }
                Serve::Variant(by_default.unwrap_or(VariantId(0)))
            }
        };
        let off_variant = self.variants.find("off").or(given).unwrap_or(match &otherwise {
            Serve::Variant(id) => *id,
            Serve::Split(shares) => shares.last().map_or(VariantId(0), |(_, id)| *id),
            Serve::Follow { stable, .. } => *stable,
        });
        let from = findings.given(&at.key("from"), moment);
        let until = findings.given(&at.key("until"), moment);
        if let (Some(from), Some(until)) = (from, until)
            && until <= from
        {
            findings.error(&at.key("until"), "`until` is not after `from`", "write a later timestamp");
        }
        let splits = std::iter::once(&otherwise).chain(rules.iter().map(|rule| &rule.serve));
        if at.has("salt") && !splits.into_iter().any(|serve| matches!(serve, Serve::Split(_))) {
            findings.warn(&at.key("salt"), "this changes nothing: the flag has no split of its own");
        }
        if matches!(&rules.last(), Some(FlagRule { condition: None, .. })) && (at.has("split") || at.has("follows")) {
            let key = if at.has("follows") { "follows" } else { "split" };
            findings.warn(&at.key(key), "this is never reached: the last rule has no `if` and serves all users");
        }
        let off = findings.given(&at.key("off"), switch).unwrap_or(false);
        let salt = findings.given(&at.key("salt"), |text| Ok(text.to_owned())).unwrap_or_else(|| name.to_owned());
        let Variants { flag_type, list, .. } = self.variants;
        Flag { flag_type, variants: list, rules, otherwise, off_variant, off, from, until, salt }
    }

    fn rules(&self, findings: &mut Findings<'_>) -> Vec<FlagRule> {
        let mut rules = Vec::new();
        let items = self.at.key("rules").items();
        for (index, at) in items.iter().enumerate() {
            // One that is wrong, or not resolved here, holds for nobody.
            let nobody = Condition::Any(Vec::new());
            let condition = at.has("if").then(|| condition(&at.key("if"), findings).unwrap_or(nobody));
            if !at.has("if") && !at.has_unknown_key() && index + 1 < items.len() {
                findings.warn(at, "the rules below are never reached: this one has no `if` and holds for all users");
            }
            let serve = match (at.has("serve"), at.has("split")) {
                (true, false) => {
                    let serve = findings.given(&at.key("serve"), |text| self.variants.named(text));
                    Serve::Variant(serve.unwrap_or(VariantId(0)))
                }
                (false, true) => self.split(&at.key("split"), findings),
                (true, true) => {
                    findings.error(&at.key("split"), "a rule has either `serve` or `split`", "keep one of the two");
                    Serve::Variant(VariantId(0))
                }
                (false, false) => {
                    if !at.has_unknown_key() {
                        let first = self.variants.list.first().map_or("on", |variant| variant.name.as_str());
                        let remedy = format!("add `serve` with a variant, such as `serve: {first}`, or `split`");
                        findings.error(at, "the rule serves nothing", remedy);
                    }
                    Serve::Variant(VariantId(0))
                }
            };
            rules.push(FlagRule { condition, serve });
        }
        rules
    }

    fn split(&self, at: &At, findings: &mut Findings<'_>) -> Serve {
        let (mut ends, mut sum, mut complete) = (Vec::new(), 0_u16, true);
        for (name, here) in at.named() {
            let id = self.variants.named(name).map_err(|problem| {
                findings.error(&here.name(), format!("`{}` {}", mask::short(name), problem.problem), problem.remedy);
            });
            let share = findings.given(&here, rate);
            let (Ok(id), Some(share)) = (id, share) else {
                complete = false;
                continue;
            };
            sum = sum.saturating_add(share.hundredths());
            ends.push((Percent::from_hundredths(sum).unwrap_or(Percent::ALL), id));
        }
        // An entry that does not fit is an error of its own, and so is not part of `named`.
        complete &= at.entries().len() == ends.len();
        if !complete {
            return Serve::Variant(VariantId(0));
        }
        if at.fits() && sum != Percent::ALL.hundredths() {
            let (whole, part) = (sum / 100, sum % 100);
            let sum = if part == 0 { format!("{whole}%") } else { format!("{whole}.{part:02}%") };
            findings.error(at, format!("the shares sum to {sum}"), "write shares that sum to 100%");
        }
        Serve::Split(ends)
    }

    fn follow(&self, root: &At, rollouts: &[Rollout], findings: &mut Findings<'_>) -> Serve {
        let (at, variants) = (self.at, &self.variants);
        for key in ["split", "default"] {
            if at.has(key) {
                let problem = format!("a flag that follows a rollout has no `{key}`");
                findings.error(&at.key(key).name(), problem, format!("remove `{key}` or `follows`"));
            }
        }
        let known: Vec<&str> = rollouts.iter().map(|rollout| rollout.name.as_str()).collect();
        let wants_canary = |index: usize| names::wants_canary(&root.key("rollouts").item(index));
        let found = |text: &str| match rollouts.iter().position(|rollout| rollout.name == text) {
            Some(index) if rollouts[index].canary.is_none() && !wants_canary(index) => {
                wrong("is a plain route: it has no canary to follow", "follow a rollout with a `canary`")
            }
            Some(index) => Ok(RolloutId(u16::try_from(index).unwrap_or(u16::MAX))),
            None => wrong("is not a rollout", names::there_are("rollout", text, &known)),
        };
        let rollout = findings.named(&at.key("follows"), Named::Rollout, found);
        let pair = |canary, stable| Some((variants.find(canary)?, variants.find(stable)?));
        let (canary, stable) = pair("canary", "stable").or_else(|| pair("on", "off")).unwrap_or_else(|| {
            if variants.complete {
                let remedy = "name two of the variants `canary` and `stable`";
                findings.error(&at.key("variants"), "it is not known which variant each arm has", remedy);
            }
            (VariantId(0), VariantId(0))
        });
        rollout.map_or(Serve::Variant(stable), |rollout| Serve::Follow { rollout, canary, stable })
    }
}
