//! The evidence of one epoch: what was counted in it, its windows, and the results of its probes.
//!
//! A new epoch starts from nothing. Counts are kept as the totals of the last tick, and a tick takes the differences.
//! Invariant: totals only rise, so each event is counted once.

use std::sync::Arc;

use super::probe_clock::ProbeClock;
use crate::decide::guard::aspect::{ASPECTS, Aspect};
use crate::decide::guard::ceiling::CeilingWindow;
use crate::decide::guard::first_output::FirstOutputs;
use crate::decide::guard::sources::{GROUPS, SourceGroup, TickBySource};
use crate::decide::guard::tick::{ArmTick, Tick};
use crate::decide::policy::Guard;
use crate::decide::units::{Arm, Millis, Slot};
use crate::decide::verdict::Weight;
use crate::decide::window::{Counts, Window};
use crate::state::evidence::{ArmTotals, Evidence};
use crate::state::pause_masks::Attribution;

#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) evidence: Arc<Evidence>,
    pub(super) windows: [Window; 2],
    // Where the guard has a ceiling: its window and the counts of the last tick.
    pub(super) ceiling: Option<(CeilingWindow, Counts)>,
    // The time of the guard's last tick.
    pub(super) ticked: Option<Millis>,
    // By source, then by arm.
    pub(super) counts: [[ArmCounts; 2]; GROUPS],
    pub(super) failing: [UserSet; 2],
    pub(super) probes: ProbeClock,
    pub(super) first_outputs: FirstOutputs,
}

/// The counts of one source on one arm.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ArmCounts {
    // At the last tick.
    totals: ArmTotals,
    // Since the last tick.
    events: [u32; ASPECTS],
    refused_connections: u32,
    // In hundredths.
    verdicts: u64,
    bad_verdicts: u64,
}

/// A set of users: one bit for each slot.
#[derive(Debug, Default)]
pub(super) struct UserSet {
    bits: Vec<u64>,
    pub(super) count: u32,
}

impl UserSet {
    fn insert(&mut self, user: Option<Slot>) {
        // An anonymous user counts as a new one each time.
        let Some(user) = user else { return self.count += 1 };
        self.bits.resize(Slot::COUNT / 64, 0);
        let (word, bit) = (&mut self.bits[user.index() / 64], 1 << (user.index() % 64));
        if *word & bit == 0 {
            *word |= bit;
            self.count += 1;
        }
    }
}

impl Epoch {
    pub(super) fn new(evidence: Arc<Evidence>, guard: &Guard) -> Epoch {
        Epoch {
            evidence,
            windows: [Window::new(guard.window), Window::new(guard.window)],
            ceiling: None,
            ticked: None,
            counts: Default::default(),
            failing: [UserSet::default(), UserSet::default()],
            probes: ProbeClock::default(),
            first_outputs: FirstOutputs::default(),
        }
    }

    /// Counts an event of a user.
    pub(super) fn count(&mut self, aspect: Aspect, Attribution { arm, source, slot }: Attribution) {
        self.counts[source.index()][arm as usize].events[aspect as usize] += 1;
        if aspect == Aspect::Failing {
            self.failing[arm as usize].insert(slot);
        }
    }

    /// Counts a verdict of the application.
    pub(super) fn count_verdict(&mut self, Attribution { arm, source, .. }: Attribution, good: bool, weight: Weight) {
        let counts = &mut self.counts[source.index()][arm as usize];
        let weight = u64::from(weight.hundredths());
        counts.verdicts += weight;
        counts.bad_verdicts += if good { 0 } else { weight };
    }

    pub(super) fn count_refused_connection(&mut self, Attribution { arm, source, .. }: Attribution) {
        self.counts[source.index()][arm as usize].refused_connections += 1;
    }

    /// What one source did on one arm since the last tick.
    pub(super) fn take_arm_tick(&mut self, arm: Arm, source: SourceGroup) -> ArmTick {
        let totals = self.evidence.totals_of(arm, source);
        self.counts[source.index()][arm as usize].take(totals)
    }

    /// Discards what has come since the last tick.
    pub(super) fn discard(&mut self, now: Millis) {
        self.ticked = Some(now);
        for (source, arms) in SourceGroup::ALL.into_iter().zip(&mut self.counts) {
            for (arm, counts) in [Arm::Stable, Arm::Canary].into_iter().zip(arms) {
                *counts = ArmCounts { totals: self.evidence.totals_of(arm, source), ..ArmCounts::default() };
            }
        }
        self.probes.take_stable_results();
    }

    pub(super) fn update_ceiling(&mut self, guard: &Guard, tick: &Tick, apart: Option<&TickBySource>, now: Millis) {
        if guard.ceiling.is_some() {
            let new = || (CeilingWindow::new(guard.window), Counts::default());
            let (window, counts) = self.ceiling.get_or_insert_with(new);
            *counts = window.tick(&guard.constants, tick, apart, now);
        }
    }
}

impl ArmCounts {
    fn take(&mut self, totals: ArmTotals) -> ArmTick {
        let ArmCounts { totals: before, events, refused_connections, verdicts, bad_verdicts } =
            std::mem::replace(self, ArmCounts { totals, ..ArmCounts::default() });
        let exposed = Aspect::ALL.map(|aspect| totals.exposed[aspect as usize] - before.exposed[aspect as usize]);
        let succeeded = totals.succeeded - before.succeeded;
        let (mut requests, mut events) = (exposed.map(real), events.map(f64::from));
        requests[Aspect::Feedback as usize] = real(verdicts) / 100.0;
        events[Aspect::Feedback as usize] = real(bad_verdicts) / 100.0;
        ArmTick {
            requests,
            events,
            successes: real(succeeded),
            connections_refused: f64::from(refused_connections),
            answered: real(succeeded + totals.failed - before.failed),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below the precision")]
const fn real(number: u64) -> f64 {
    number as f64
}
