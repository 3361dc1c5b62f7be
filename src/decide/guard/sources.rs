//! Where requests come from, and which sources decide.
//!
//! A source is a client of `clients` by its name, or the address that a connection comes from. Sources are counted in a
//! fixed number of groups: the first few have a group each, and every later source is put into one of them, always the
//! same. Owns the traffic of each group, and the [`Quorum`] that follows from it. A source decides from its 50th
//! request on. Before that it decides only while fewer than three sources have sent that many and these have not yet
//! sent 500 together and nearly all of the traffic, so that the first source does not decide alone.
//! [`source_sets`](super::source_sets) applies a quorum. Invariant: a single source is counted with all its requests,
//! and the sums that are shown include every source.

use super::constants::Constants;
use super::numbers::fading;
use super::silent::SilentRun;
use super::tick::ArmTick;

/// How many groups there are.
pub const GROUPS: usize = 5;
/// A source decides from this request on.
const FIRST: f64 = 50.0;
/// With this many sources no single one decides.
const ENOUGH: u32 = 3;
/// Fewer than [`ENOUGH`] decide without the others once they have sent this many requests together,
const KNOWN: f64 = 500.0;
/// and as long as all of the others together send no more than this part of the traffic.
const FEW: f64 = 0.02;
/// A source with more than this part of the traffic decides alone: without it too little is left to judge by.
const DOMINANT: f64 = 0.75;
/// A source whose last request on the canary is so many of its requests ago has no users there. Only one of a hundred
/// may be sent there: of two sources of three none was among the last five hundred often enough, and one decided alone.
const NONE_THERE: f64 = 1000.0;
/// With less traffic than this a group has gone: two half-lives after a single request.
const GONE: f64 = 0.25;

/// A group of sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceGroup(u8);

impl SourceGroup {
    pub const ALL: [SourceGroup; GROUPS] =
        [SourceGroup(0), SourceGroup(1), SourceGroup(2), SourceGroup(3), SourceGroup(4)];

    /// Of a number below [`GROUPS`]; any other is the first's.
    #[must_use]
    pub const fn of(number: u8) -> SourceGroup {
        if (number as usize) < GROUPS { SourceGroup(number) } else { SourceGroup(0) }
    }

    /// Its number, below [`GROUPS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Its bit in a set of groups.
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self.0
    }
}

/// Which sources decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quorum {
    /// A bit for each group that does.
    pub groups: u8,
    /// A bit for each of them that has requests on the canary, or may have some yet.
    pub on_canary: u8,
    /// That which has by far the most traffic.
    pub dominant: Option<SourceGroup>,
}

impl Quorum {
    pub fn each(self) -> impl Iterator<Item = SourceGroup> + Clone {
        members(self.groups)
    }

    /// The set of groups whose requests decide something: the set with the largest `weight` is the worst. `who`: the
    /// groups that can know; requests of the others are counted with every one of these.
    pub fn deciding(self, who: u8, weight: impl Fn(u8) -> f64) -> u8 {
        let (all, who) = (self.groups, self.groups & who);
        if let Some(group) = self.dominant.filter(|group| who & group.bit() != 0) {
            return group.bit();
        }
        // Of two it cannot be known which one lies; one has no other to compare it with.
        if who.count_ones() < ENOUGH {
            return all;
        }
        let worse = |one: &u8, other: &u8| weight(*one).total_cmp(&weight(*other));
        let without = |set: u8, but: u8| members(who & !but).map(move |group| set & !group.bit()).min_by(worse);
        let exceptions = members(who).filter_map(|group| without(all & !group.bit(), group.bit()));
        exceptions.chain(without(all, 0)).max_by(worse).unwrap_or(all)
    }
}

/// The groups of a set, which has a bit for each.
pub fn members(set: u8) -> impl Iterator<Item = SourceGroup> + Clone {
    SourceGroup::ALL.into_iter().filter(move |group| set & group.bit() != 0)
}

fn only(set: u8) -> Option<SourceGroup> {
    members(set).next().filter(|group| group.bit() == set)
}

/// One group's part of a length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SourceTick {
    /// The old provider.
    pub stable: ArmTick,
    /// The new one.
    pub canary: ArmTick,
    /// What the canary's requests without output had come to at its end.
    pub silence: SilentRun,
}

impl SourceTick {
    /// The same requests and some others.
    pub fn add(&mut self, constants: &Constants, other: &SourceTick) {
        self.stable.add(&other.stable);
        self.canary.add(&other.canary);
        self.silence = SilentRun::sum(constants, [&self.silence, &other.silence].into_iter());
    }
}

/// A length of time by group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TickBySource {
    /// Which of them decide.
    pub quorum: Quorum,
    /// Who was the only one until now.
    pub before: Option<SourceGroup>,
    /// Who is the only one from now on.
    pub alone: Option<SourceGroup>,
    /// Each group's part.
    pub parts: [SourceTick; GROUPS],
}

/// How much traffic each group has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SourceWeights {
    // Lately, and since it came.
    lately: [f64; GROUPS],
    ever: [f64; GROUPS],
    // On the canary, lately; and in all since the last one there.
    canary: [f64; GROUPS],
    none_there: [f64; GROUPS],
    // A bit for each that sends anything.
    present: u8,
    quorum: Quorum,
}

impl SourceWeights {
    /// The only one that sends anything.
    #[must_use]
    pub fn alone(&self) -> Option<SourceGroup> {
        only(self.present)
    }

    /// This was sent in so many seconds, by group: all of it together, and by source where there are several, or were
    /// until now, or where there was another.
    pub fn tick(
        &mut self,
        constants: &Constants,
        seconds: f64,
        parts: [SourceTick; GROUPS],
    ) -> (SourceTick, Option<Box<TickBySource>>) {
        let (present, before) = (self.present, self.alone());
        self.count(constants, seconds, &parts);
        let mut together = SourceTick::default();
        parts.iter().for_each(|part| together.add(constants, part));
        let (quorum, alone) = (self.quorum, self.alone());
        let stays_alone = alone.is_some() && (present == 0 || before == alone);
        let by_source =
            (self.present != 0 && !stays_alone).then(|| Box::new(TickBySource { quorum, before, alone, parts }));
        (together, by_source)
    }

    fn count(&mut self, constants: &Constants, seconds: f64, parts: &[SourceTick; GROUPS]) {
        let fade = fading(seconds, constants.share_half_life);
        for (place, part) in parts.iter().enumerate() {
            let (on_canary, sent) = (part.canary.sent(), part.stable.sent() + part.canary.sent());
            self.lately[place] = self.lately[place] * fade + sent;
            self.ever[place] = if self.lately[place] < GONE { 0.0 } else { self.ever[place] + sent };
            self.canary[place] = self.canary[place] * fade + on_canary;
            self.none_there[place] =
                if self.ever[place] == 0.0 || on_canary > 0.0 { 0.0 } else { self.none_there[place] + sent };
        }
        let present = self.those(|place| self.lately[place] >= GONE);
        // Without traffic the sources that decided last decide on.
        if present == 0 {
            return;
        }
        let of = |set: u8| members(set).map(|group| self.lately[group.index()]).sum::<f64>();
        let many = present & self.those(|place| self.ever[place] >= FIRST);
        let of_many: f64 = members(many).map(|group| self.ever[group.index()]).sum();
        let others_count = present.count_ones() >= ENOUGH
            && many.count_ones() < ENOUGH
            && (of_many < KNOWN || of(present & !many) > FEW * of(present));
        let groups = if many == 0 || others_count { present } else { many };
        let dominant = |group: &SourceGroup| {
            let lately = self.lately[group.index()];
            lately >= FIRST && lately > DOMINANT * of(present)
        };
        let on_canary = groups & self.those(|place| self.canary[place] >= GONE || self.none_there[place] < NONE_THERE);
        self.quorum = Quorum { groups, on_canary, dominant: members(groups).find(dominant) };
        self.present = present;
    }

    fn those(&self, is_one: impl Fn(usize) -> bool) -> u8 {
        SourceGroup::ALL.into_iter().filter(|group| is_one(group.index())).fold(0, |set, group| set | group.bit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: [f64; GROUPS] = [0.0; GROUPS];

    fn part(stable: f64, canary: f64) -> SourceTick {
        SourceTick { stable: ArmTick::plain(stable, 0.0), canary: ArmTick::plain(canary, 0.0), ..SourceTick::default() }
    }

    /// A second in which each sends so much, half of it to the canary: who decides.
    fn second(sources: &mut SourceWeights, sent: [f64; GROUPS]) -> u8 {
        let (together, _) = sources.tick(&Constants::default(), 1.0, sent.map(|sent| part(sent / 2.0, sent / 2.0)));
        assert_eq!(together.stable.sent() * 2.0, sent.iter().sum::<f64>(), "all of it is shown, whoever decides");
        sources.quorum.groups
    }

    #[test]
    fn a_single_source_decides_from_its_first_request_on() {
        let mut sources = SourceWeights::default();
        assert_eq!(second(&mut sources, NOBODY), 0, "nobody yet");
        assert_eq!(second(&mut sources, [0.0, 1.0, 0.0, 0.0, 0.0]), 0b10);
        for _ in 0..600 {
            assert_eq!(second(&mut sources, NOBODY), 0b10, "also while it sends nothing");
        }
        let mut other =
            || sources.tick(&Constants::default(), 1.0, [0.0, 0.0, 9.0, 0.0, 0.0].map(|sent| part(sent, 0.0))).1;
        let TickBySource { before, alone, .. } = *other().unwrap();
        assert_eq!((before, alone), (Some(SourceGroup(1)), Some(SourceGroup(2))));
        assert!(other().is_none());
    }

    #[test]
    fn of_two_each_decides_from_its_fiftieth_request_on() {
        let mut sources = SourceWeights::default();
        assert_eq!(second(&mut sources, [0.0, 49.0, 40.0, 0.0, 0.0]), 0b110, "both have few");
        assert_eq!(second(&mut sources, [0.0, 9.0, 8.0, 0.0, 0.0]), 0b10);
        let (_, by_source) =
            sources.tick(&Constants::default(), 1.0, [0.0, 9.0, 1.0, 0.0, 0.0].map(|sent| part(sent, 0.0)));
        assert!(by_source.is_some(), "the other is kept apart meanwhile");
        assert_eq!(second(&mut sources, [0.0, 9.0, 1.0, 0.0, 0.0]), 0b110);
        for _ in 0..3600 {
            second(&mut sources, NOBODY);
        }
        assert_eq!(second(&mut sources, [0.0, 3.0, 0.0, 0.0, 0.0]), 0b10, "the other has gone");
    }

    #[test]
    fn one_request_more_beside_two_or_three_that_are_known_decides_nothing() {
        for (known, deciding) in [([0.0, 300.0, 200.0, 0.0, 0.0], 0b110), ([0.0, 80.0, 60.0, 60.0, 0.0], 0b1110)] {
            let mut sources = SourceWeights::default();
            assert_eq!(second(&mut sources, known), deciding);
            let [none, one, two, three, _] = known;
            for sent in 1..=50 {
                let and_one = if sent < 50 { 0 } else { 0b1_0000 };
                let groups = second(&mut sources, [none, one, two, three, 1.0]);
                assert_eq!(groups, deciding | and_one, "after {sent} requests");
            }
        }
    }

    #[test]
    fn while_most_have_few_requests_who_is_first_does_not_decide_alone() {
        // A rollout begins beside three that send half a request a second each, and one that sends more.
        let mut sources = SourceWeights::default();
        let mut deciding = Vec::new();
        for _ in 0..110 {
            // One request every other second.
            let one = f64::from(u8::from(deciding.len() % 2 == 0));
            deciding.push(second(&mut sources, [0.0, one, one, one, 1.35]));
        }
        let all = 0b1_1110;
        assert!(deciding.iter().all(|groups| *groups == all), "{deciding:?}");
        assert!(sources.ever[4] > FIRST && sources.ever[1] > FIRST);
        // Two that are known, and two that are new and send a twentieth.
        let mut sources = SourceWeights::default();
        second(&mut sources, [0.0, 90.0, 90.0, 0.0, 0.0]);
        assert_eq!(second(&mut sources, [0.0, 90.0, 90.0, 4.0, 4.0]), all);
        // That one has four fifths of everything is another matter.
        let mut sources = SourceWeights::default();
        assert_eq!(second(&mut sources, [0.0, 80.0, 10.0, 8.0, 0.0]), 0b1110);
        assert_eq!(sources.quorum.dominant, Some(SourceGroup(1)));
    }

    #[test]
    fn whoever_has_most_of_the_traffic_decides_alone() {
        let dominant = |sent| {
            let mut sources = SourceWeights::default();
            second(&mut sources, sent);
            sources.quorum.dominant.map(SourceGroup::index)
        };
        assert_eq!(dominant([0.0, 45.0, 1.0, 1.0, 0.0]), None, "of a few requests none does");
        assert_eq!(dominant([0.0, 74.0, 25.0, 1.0, 0.0]), None);
        assert_eq!(dominant([0.0, 76.0, 20.0, 4.0, 0.0]), Some(1));
    }

    #[test]
    fn whoever_has_no_users_on_the_canary_is_known_after_many_requests() {
        let mut sources = SourceWeights::default();
        let mut seconds = |stable: f64, canary: f64, count: usize| {
            let one = [part(0.0, 0.0), part(stable, canary), part(9.0, 1.0), part(9.0, 1.0), part(0.0, 0.0)];
            for _ in 0..count {
                sources.tick(&Constants::default(), 1.0, one);
            }
            sources.quorum.on_canary
        };
        assert_eq!(seconds(1.0, 0.0, 999), 0b1110, "it may have some");
        assert_eq!(seconds(1.0, 0.0, 1), 0b1100);
        assert_eq!(seconds(1.0, 1.0, 1), 0b1110);
        // One in a hundred comes to less than one in the last minute.
        assert_eq!(seconds(1.0, 0.0, 980), 0b1110);
        assert_eq!(seconds(1.0, 0.0, 30), 0b1100);
    }
}
