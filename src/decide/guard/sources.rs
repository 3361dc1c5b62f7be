//! Where requests come from, and who of them has a say.
//!
//! A source is a client of `clients` by its name, or the address that a connection comes from. Sources are heard in a few
//! groups, so that however many come there is a bound: the first few have a group each, and whoever comes later shares
//! one, always the same. Owns how much traffic each group has, and who has a say by it; what follows from that is
//! [`views`](super::views)'s to say. Invariant: a single source is heard with all its requests.

use super::constants::Constants;
use super::numbers::fading;
use super::silent::Silence;
use super::tick::ArmTick;

/// How many groups there are.
pub const GROUPS: usize = 5;
/// Of two sources each is heard from this request on.
const FIRST: u32 = 50;
/// A source with more than this part of the traffic is heard alone: without it too little is left to judge by.
const OUTWEIGHS: f64 = 0.75;
/// Of a source without a request on the canary this is known after so many.
const SURELY: u32 = 300;
/// With less traffic than this a group has gone.
const GONE: f64 = 1.0;

/// A group of sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceGroup(u8);

impl SourceGroup {
    /// All of them.
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

/// Who has a say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voices {
    /// A bit for each group that has.
    pub groups: u8,
    /// A bit for each that is there and has none.
    pub unheard: u8,
    /// A bit for each that has requests on the canary, or may have some yet.
    pub on_canary: u8,
    /// That which has by far the most traffic.
    pub outweighs: Option<SourceGroup>,
}

impl Voices {
    /// The only one; `None`: there are several, or none.
    #[must_use]
    pub fn alone(&self) -> Option<SourceGroup> {
        let mut groups = SourceGroup::ALL.into_iter().filter(|group| self.groups & group.bit() != 0);
        groups.next().filter(|_| groups.next().is_none())
    }

    /// Each of them.
    pub fn each(self) -> impl Iterator<Item = SourceGroup> + Clone {
        SourceGroup::ALL.into_iter().filter(move |group| self.groups & group.bit() != 0)
    }
}

/// One group's part of a length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    /// The old provider.
    pub stable: ArmTick,
    /// The new one.
    pub canary: ArmTick,
    /// What the canary's requests without output had come to at its end.
    pub silence: Silence,
}

impl Part {
    /// The same requests and some others.
    pub fn add(&mut self, constants: &Constants, other: &Part) {
        self.stable.add(&other.stable);
        self.canary.add(&other.canary);
        self.silence = Silence::together(constants, [&self.silence, &other.silence].into_iter());
    }
}

/// A length of time by group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Apart {
    /// Who has a say.
    pub voices: Voices,
    /// Who was the only one until now.
    pub before: Option<SourceGroup>,
    /// Each group's part.
    pub parts: [Part; GROUPS],
}

/// Who is heard, at the end of a length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Who has a say.
    pub voices: Voices,
    /// Who was the only one until now.
    pub before: Option<SourceGroup>,
    /// Whether there are several, or were until now, or there was another.
    pub matters: bool,
}

impl Heard {
    /// All parts of those who are heard, together; where it matters, also by source.
    #[must_use]
    pub fn of(self, constants: &Constants, parts: [Part; GROUPS]) -> (Part, Option<Box<Apart>>) {
        let Heard { voices, before, matters } = self;
        let heard = SourceGroup::ALL.into_iter().filter(|group| voices.unheard & group.bit() == 0);
        let mut together = Part::default();
        heard.for_each(|group| together.add(constants, &parts[group.index()]));
        (together, matters.then(|| Box::new(Apart { voices, before, parts })))
    }
}

/// How much traffic each group has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sources {
    // Lately, and since it came.
    lately: [f64; GROUPS],
    ever: [f64; GROUPS],
    // On the canary, lately.
    canary: [f64; GROUPS],
    voices: Voices,
}

impl Sources {
    /// The only one that is heard.
    #[must_use]
    pub fn alone(&self) -> Option<SourceGroup> {
        self.voices.alone()
    }

    /// So many requests were sent in so many seconds, by group, and so many of them to the canary: who has a say now. It
    /// matters who says what where there are several, or were until now, or where there was another.
    pub fn tick(&mut self, constants: &Constants, seconds: f64, sent: [f64; GROUPS], canary: [f64; GROUPS]) -> Heard {
        let fade = fading(seconds, constants.share_half_life);
        let before = self.voices;
        for ((lately, ever), sent) in self.lately.iter_mut().zip(&mut self.ever).zip(sent) {
            *lately = *lately * fade + sent;
            *ever = if *lately < GONE { 0.0 } else { *ever + sent };
        }
        for (lately, sent) in self.canary.iter_mut().zip(canary) {
            *lately = *lately * fade + sent;
        }
        let set = |is_one: &dyn Fn(SourceGroup) -> bool| {
            SourceGroup::ALL.into_iter().filter(|group| is_one(*group)).fold(0, |set, group| set | group.bit())
        };
        let all: f64 = self.lately.iter().sum();
        let present = set(&|group| self.lately[group.index()] >= GONE);
        let many = set(&|group| self.ever[group.index()] >= f64::from(FIRST)) & present;
        let groups = if present.count_ones() == 2 && many != 0 { many } else { present };
        // While nobody sends anything, those who did last are heard on.
        if groups != 0 {
            let outweighs = |group: &SourceGroup| {
                let lately = self.lately[group.index()];
                groups & group.bit() != 0 && lately >= f64::from(FIRST) && lately > OUTWEIGHS * all
            };
            let outweighs = SourceGroup::ALL.into_iter().find(outweighs);
            let may_be =
                |group: SourceGroup| self.canary[group.index()] >= GONE || self.ever[group.index()] < f64::from(SURELY);
            let on_canary = groups & set(&may_be);
            self.voices = Voices { groups, unheard: present & !groups, on_canary, outweighs };
        }
        let several = |voices: &Voices| voices.groups.count_ones() > 1;
        let another = before.alone().is_some_and(|one| self.voices.groups & one.bit() == 0);
        let matters = several(&self.voices) || several(&before) || another;
        Heard { voices: self.voices, before: before.alone(), matters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(sources: &mut Sources, sent: [f64; GROUPS]) -> (u8, u8, Option<usize>) {
        let Heard { voices, .. } = sources.tick(&Constants::default(), 1.0, sent, sent);
        (voices.groups, voices.unheard, voices.outweighs.map(SourceGroup::index))
    }

    #[test]
    fn a_single_source_is_heard_from_its_first_request_on() {
        let mut sources = Sources::default();
        assert_eq!(heard(&mut sources, [0.0; GROUPS]), (0, 0, None), "nobody yet");
        assert_eq!(heard(&mut sources, [0.0, 1.0, 0.0, 0.0, 0.0]), (0b10, 0, None));
        assert_eq!(heard(&mut sources, [0.0; GROUPS]).0, 0b10, "it is heard on");
        let heard = sources.tick(&Constants::default(), 1.0, [0.0, 0.0, 9.0, 0.0, 0.0], [0.0; GROUPS]);
        assert_eq!((heard.before, heard.matters), (Some(SourceGroup(1)), true));
    }

    #[test]
    fn beside_one_of_many_requests_one_of_few_is_not_heard() {
        let mut sources = Sources::default();
        assert_eq!(heard(&mut sources, [0.0, 49.0, 20.0, 0.0, 0.0]).0, 0b110, "both have few");
        assert_eq!(heard(&mut sources, [0.0, 9.0, 9.0, 0.0, 0.0]), (0b10, 0b100, None));
        assert_eq!(heard(&mut sources, [0.0, 9.0, 30.0, 0.0, 0.0]), (0b110, 0, None));
        assert_eq!(heard(&mut sources, [2.0, 0.0, 0.0, 0.0, 0.0]), (0b111, 0, None), "of three each is heard");
        for _ in 0..3600 {
            heard(&mut sources, [0.0; GROUPS]);
        }
        assert_eq!(heard(&mut sources, [0.0, 3.0, 0.0, 0.0, 0.0]), (0b10, 0, None), "the others have gone");
    }

    #[test]
    fn whoever_has_most_of_the_traffic_outweighs_the_others() {
        let mut sources = Sources::default();
        assert_eq!(heard(&mut sources, [0.0, 9.0, 1.0, 1.0, 0.0]).2, None, "of a few requests none does");
        assert_eq!(heard(&mut sources, [0.0, 65.0, 23.0, 1.0, 0.0]).2, None);
        assert_eq!(heard(&mut sources, [0.0, 90.0, 2.0, 1.0, 0.0]).2, Some(1));
    }
}
