//! Events of single requests, on their way from the cores to control.
//!
//! One ring per core, with one writer and one reader and without a lock. Control drains all of them at every tick and
//! alone evaluates them. Owns no meaning: the epoch of a sample is a number in it. A full ring drops new samples and
//! counts them, so a core never waits and memory is bounded. Invariant: every sample that is drained was pushed, whole
//! and once, in the order in which its core pushed it. Requests are identified by the second in which they were sent;
//! control sets the number of the second here, so that cores and control use the same one.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::counters::{Core, Count};
use super::pause_masks::Attribution;
use crate::decide::finish_kind::FinishKind;
use crate::decide::guard::sources::SourceGroup;
use crate::decide::guard::waiting::{ResponseKind, Wait, WaitEnd};
use crate::decide::units::{Arm, Millis, Slot};

/// How many samples of one core may wait.
pub const CAPACITY: usize = 8192;
/// Samples are found by their number, the lowest bits of which are their place.
const PLACES: u64 = CAPACITY as u64;

/// Something that happened to a request of an arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Which [`Evidence`](super::evidence::Evidence) it belongs to, by its id.
    pub evidence: u64,
    /// Whose request it was.
    pub whose: Attribution,
    /// When it was sent, where it waited for output until now, or does from now on.
    pub wait: Option<Wait>,
    /// What happened.
    pub kind: SampleKind,
}

/// What happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// The provider failed.
    Failed {
        /// Whether there was no connection to it.
        connect: bool,
    },
    /// It was refused as the client's error, whatever the other provider makes of it.
    Rejected,
    /// The first output of its answer came.
    Output {
        /// How long after it was sent.
        after: Millis,
    },
    /// It was answered, and no status calls the answer bad.
    Answered {
        /// How the answer ended.
        finished: FinishKind,
    },
    /// A stream of several outputs came to its end, or its client left.
    Paced {
        /// The mean time between two outputs, in microseconds.
        gap: u64,
    },
    /// Its client left, and no output had come.
    ClientGone {
        /// How long after it was sent.
        after: Millis,
    },
    Sent,
    /// It was sent again, after a pause in which no provider was asked.
    SentAgain,
    /// It waits no more; the reason is a sample of its own, or does not concern the guard.
    WaitEnded(WaitEnd),
}

/// A sample is two words: the evidence with what the request waits for, and this of all the rest.
mod packed {
    /// More blocks of evidence than any process makes.
    pub(super) const EVIDENCE: u32 = 30;
    pub(super) const WAITS: u64 = 1 << EVIDENCE;
    pub(super) const STREAMED: u64 = 1 << (EVIDENCE + 1);
    /// Whole: control compares it with the time that has passed since the process began.
    pub(super) const SECOND: u32 = EVIDENCE + 2;
    pub(super) const CANARY: u64 = 1;
    pub(super) const HAS_SLOT: u64 = 1 << 1;
    pub(super) const SLOT: u32 = 2;
    pub(super) const WHAT: u32 = 16;
    pub(super) const SOURCE: u32 = 20;
    pub(super) const AFTER: u32 = 24;
    /// Longer than any request lasts: decades.
    pub(super) const LONGEST: u64 = u64::MAX >> AFTER;
}

impl Sample {
    fn pack(self) -> [u64; 2] {
        let (what, after) = match self.kind {
            SampleKind::Failed { connect: false } => (0, 0),
            SampleKind::Failed { connect: true } => (1, 0),
            SampleKind::Rejected => (2, 0),
            SampleKind::Output { after } => (3, after.0),
            SampleKind::ClientGone { after } => (4, after.0),
            SampleKind::Sent => (5, 0),
            SampleKind::WaitEnded(WaitEnd::Answered) => (6, 0),
            SampleKind::WaitEnded(WaitEnd::Failed) => (7, 0),
            SampleKind::WaitEnded(WaitEnd::ClientGone) => (8, 0),
            SampleKind::WaitEnded(WaitEnd::Dropped) => (9, 0),
            SampleKind::WaitEnded(WaitEnd::Paused) => (12, 0),
            SampleKind::SentAgain => (13, 0),
            SampleKind::Paced { gap } => (10, gap),
            SampleKind::Answered { finished } => (11, finished as u64),
        };
        let wait = self.wait.map_or(0, |Wait { second, kind }| {
            let streamed = if kind == ResponseKind::Streamed { packed::STREAMED } else { 0 };
            packed::WAITS | streamed | u64::from(second) << packed::SECOND
        });
        let evidence = self.evidence & (packed::WAITS - 1) | wait;
        let Attribution { arm, source, slot } = self.whose;
        let arm = if arm == Arm::Canary { packed::CANARY } else { 0 };
        let slot = slot.map_or(0, |slot| packed::HAS_SLOT | (slot.index() as u64) << packed::SLOT);
        let source = (source.index() as u64) << packed::SOURCE;
        [evidence, arm | slot | source | what << packed::WHAT | after.min(packed::LONGEST) << packed::AFTER]
    }

    fn unpack([evidence, rest]: [u64; 2]) -> Sample {
        let after = Millis(rest >> packed::AFTER);
        let [low, high, ..] = (rest >> packed::SLOT).to_le_bytes();
        let wait = (evidence & packed::WAITS != 0).then(|| Wait {
            second: u32::try_from(evidence >> packed::SECOND).unwrap_or_default(),
            kind: ResponseKind::of(evidence & packed::STREAMED != 0),
        });
        Sample {
            evidence: evidence & (packed::WAITS - 1),
            wait,
            whose: Attribution {
                arm: if rest & packed::CANARY == 0 { Arm::Stable } else { Arm::Canary },
                source: SourceGroup::of(((rest >> packed::SOURCE) & 0xf) as u8),
                slot: (rest & packed::HAS_SLOT != 0).then(|| Slot::of(u16::from_le_bytes([low, high]))),
            },
            kind: match (rest >> packed::WHAT) & 0xf {
                0 => SampleKind::Failed { connect: false },
                1 => SampleKind::Failed { connect: true },
                2 => SampleKind::Rejected,
                3 => SampleKind::Output { after },
                4 => SampleKind::ClientGone { after },
                5 => SampleKind::Sent,
                6 => SampleKind::WaitEnded(WaitEnd::Answered),
                7 => SampleKind::WaitEnded(WaitEnd::Failed),
                8 => SampleKind::WaitEnded(WaitEnd::ClientGone),
                9 => SampleKind::WaitEnded(WaitEnd::Dropped),
                10 => SampleKind::Paced { gap: after.0 },
                12 => SampleKind::WaitEnded(WaitEnd::Paused),
                13 => SampleKind::SentAgain,
                _ => {
                    let [cell, ..] = after.0.to_le_bytes();
                    SampleKind::Answered { finished: FinishKind::ALL[usize::from(cell) % FinishKind::ALL.len()] }
                }
            },
        }
    }
}

/// All cores' rings.
#[derive(Debug)]
pub struct Samples {
    rings: Box<[Ring]>,
    second: AtomicU32,
}

impl Samples {
    /// Empty, for this many cores.
    #[must_use]
    pub fn new(cores: usize) -> Samples {
        Samples { rings: (0..cores).map(|_| Ring::default()).collect(), second: AtomicU32::new(0) }
    }

    /// The number of the second that control counts in now.
    #[must_use]
    pub fn second(&self) -> u32 {
        self.second.load(Ordering::Relaxed)
    }

    /// Control only: another second begins.
    pub fn set_second(&self, second: u32) {
        self.second.store(second, Ordering::Relaxed);
    }

    /// A sample of this core's. Only the owning core may call this.
    pub fn push(&self, core: Core, sample: Sample) {
        self.rings[usize::from(core.0)].push(sample);
    }

    /// Control only: takes what has come since the last time.
    pub fn drain(&self, mut take: impl FnMut(Sample)) {
        self.rings.iter().for_each(|ring| ring.drain(&mut take));
    }

    /// How many samples were dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.rings.iter().map(|ring| ring.written.lost.get()).sum()
    }
}

#[derive(Debug)]
struct Ring {
    written: WriterSide,
    read: ReaderSide,
    words: Box<[[AtomicU64; 2]]>,
}

/// What the core writes; apart from what control writes, so that neither slows the other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct WriterSide {
    /// The number of the next sample. A reader that sees it sees the samples before it.
    next: AtomicU64,
    /// How far control was when the core last looked: it looks when the ring seems full, and not for every sample.
    read: AtomicU64,
    lost: Count,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct ReaderSide {
    /// The number of the next sample to be read. A writer that sees it may overwrite the samples before it.
    next: AtomicU64,
}

impl Default for Ring {
    fn default() -> Ring {
        let words = (0..CAPACITY).map(|_| Default::default()).collect();
        Ring { written: WriterSide::default(), read: ReaderSide::default(), words }
    }
}

impl Ring {
    fn push(&self, sample: Sample) {
        let WriterSide { next: end, read, lost } = &self.written;
        let number = end.load(Ordering::Relaxed);
        if number.wrapping_sub(read.load(Ordering::Relaxed)) >= PLACES {
            let now = self.read.next.load(Ordering::Acquire);
            read.store(now, Ordering::Relaxed);
            if number.wrapping_sub(now) >= PLACES {
                lost.add_one();
                return;
            }
        }
        let words = self.at(number);
        for (word, value) in words.iter().zip(sample.pack()) {
            word.store(value, Ordering::Relaxed);
        }
        end.store(number.wrapping_add(1), Ordering::Release);
    }

    fn drain(&self, take: &mut impl FnMut(Sample)) {
        let end = self.written.next.load(Ordering::Acquire);
        let mut number = self.read.next.load(Ordering::Relaxed);
        while number != end {
            let [evidence, rest] = self.at(number);
            take(Sample::unpack([evidence.load(Ordering::Relaxed), rest.load(Ordering::Relaxed)]));
            number = number.wrapping_add(1);
        }
        self.read.next.store(end, Ordering::Release);
    }

    fn at(&self, number: u64) -> &[AtomicU64; 2] {
        &self.words[(number % PLACES) as usize]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failed(evidence: u64) -> Sample {
        let whose = (Arm::Canary, None).into();
        Sample { evidence, whose, wait: None, kind: SampleKind::Failed { connect: false } }
    }

    fn drained(samples: &Samples) -> Vec<Sample> {
        let mut all = Vec::new();
        samples.drain(|sample| all.push(sample));
        all
    }

    #[test]
    fn what_was_pushed_comes_once_and_in_its_order() {
        let samples = Samples::new(2);
        for evidence in 0..3 {
            samples.push(Core(1), failed(evidence));
        }
        samples.push(Core(0), failed(9));
        assert_eq!(drained(&samples).iter().map(|sample| sample.evidence).collect::<Vec<_>>(), [9, 0, 1, 2]);
        assert_eq!(drained(&samples), []);
    }

    #[test]
    fn a_full_ring_drops_what_comes_and_says_so() {
        let samples = Samples::new(1);
        for round in 0..3 {
            let begin = round * 20_000;
            for number in 0..CAPACITY as u64 + 100 {
                samples.push(Core(0), failed(begin + number));
            }
            let all = drained(&samples);
            assert_eq!(all.len(), CAPACITY);
            assert!(all.iter().zip(begin..).all(|(sample, number)| sample.evidence == number));
            assert_eq!(samples.dropped(), (round + 1) * 100);
        }
    }

    #[test]
    fn two_threads_see_the_same() {
        const ALL: u64 = 300_000;
        let samples = Samples::new(1);
        // Both words say the same number, so that a sample torn in two shows.
        let sample = |number: u64| {
            let slot = Some(Slot::of(u16::try_from(number & 0x1fff).unwrap()));
            let what = SampleKind::Output { after: Millis(number) };
            Sample { evidence: number, whose: (Arm::Stable, slot).into(), wait: None, kind: what }
        };
        let seen = std::thread::scope(|scope| {
            scope.spawn(|| (0..ALL).for_each(|number| samples.push(Core(0), sample(number))));
            let (mut last, mut count) = (None, 0);
            while last != Some(ALL - 1) && count + samples.dropped() < ALL {
                samples.drain(|found| {
                    assert_eq!(found, sample(found.evidence));
                    assert!(last.is_none_or(|last| last < found.evidence), "{last:?}, then {found:?}");
                    last = Some(found.evidence);
                    count += 1;
                });
                std::thread::yield_now();
            }
            count
        });
        assert_eq!((seen + samples.dropped(), drained(&samples)), (ALL, Vec::new()));
    }

    fn what() -> impl Strategy<Value = SampleKind> {
        let after = (0..=packed::LONGEST).prop_map(Millis);
        prop_oneof![
            any::<bool>().prop_map(|connect| SampleKind::Failed { connect }),
            Just(SampleKind::Rejected),
            after.clone().prop_map(|after| SampleKind::Output { after }),
            after.clone().prop_map(|Millis(gap)| SampleKind::Paced { gap }),
            prop::sample::select(FinishKind::ALL.to_vec()).prop_map(|finished| SampleKind::Answered { finished }),
            after.prop_map(|after| SampleKind::ClientGone { after }),
            Just(SampleKind::Sent),
            Just(SampleKind::SentAgain),
            prop::sample::select(vec![
                WaitEnd::Answered,
                WaitEnd::Failed,
                WaitEnd::Paused,
                WaitEnd::ClientGone,
                WaitEnd::Dropped
            ])
            .prop_map(SampleKind::WaitEnded),
        ]
    }

    fn wait() -> impl Strategy<Value = Option<Wait>> {
        let wait = (any::<u32>(), any::<bool>());
        proptest::option::of(wait.prop_map(|(second, streams)| Wait { second, kind: ResponseKind::of(streams) }))
    }

    // A number that began anew after some weeks made every request an old one.
    #[test]
    fn a_process_of_years_tells_its_seconds() {
        let samples = Samples::new(1);
        for second in [1 << 22, 400 * 86_400, u32::MAX] {
            samples.set_second(second);
            assert_eq!(samples.second(), second);
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            evidence in 0..1_u64 << 30, canary: bool, group: u8, slot: Option<u16>, wait in wait(), what in what()
        ) {
            let arm = if canary { Arm::Canary } else { Arm::Stable };
            let whose = Attribution { arm, source: SourceGroup::of(group % 8), slot: slot.map(Slot::of) };
            let sample = Sample { evidence, whose, wait, kind: what };
            prop_assert_eq!(Sample::unpack(sample.pack()), sample);
        }
    }

    #[test]
    fn what_lasts_for_ever_lasts_decades() {
        let what = |after| Sample { kind: SampleKind::Output { after: Millis(after) }, ..failed(1) };
        assert_eq!(Sample::unpack(what(u64::MAX).pack()), what(packed::LONGEST));
    }
}
