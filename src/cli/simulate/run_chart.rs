//! The picture of one rollout: the share over time, what failed, and the evidence on its way to the bound.
//!
//! Three strips over one axis of time. Evidence is drawn as a part of what it takes, so that the one line at the top is
//! the alarm whatever rule gives it. Time counts from the fault where there is one, else from the start.

use super::chart::{Anchor, Scale, area, both, inside, line, path, signed, stairs, text, times};
use super::format;
use crate::simulate::timeline::{Timeline, TimelinePoint};

/// What is drawn.
pub(super) struct RunChart<'a> {
    /// What was seen and held.
    pub(super) strip: &'a Timeline,
    /// Where it begins and ends, in seconds from the start.
    pub(super) from: f64,
    pub(super) until: f64,
    /// When the canary begins to fail, where that is in the picture.
    pub(super) fault_at: Option<f64>,
    /// When something was done about it, and what.
    pub(super) acted: Option<(f64, String)>,
    /// The share from then on.
    pub(super) share_after: f64,
}

const HEIGHT: f64 = 420.0;
/// Top and bottom of the strips.
const SHARE: (f64, f64) = (46.0, 120.0);
const FAILING: (f64, f64) = (158.0, 232.0);
const EVIDENCE: (f64, f64) = (270.0, 372.0);

impl RunChart<'_> {
    /// The picture.
    pub(super) fn html(&self) -> String {
        let legend = "<ul class=\"legend\"><li><span class=\"swatch c0\"></span>evidence that it is worse than stable</li>\
                      <li><span class=\"swatch line\"></span>evidence that it is down</li>\
                      <li><span class=\"swatch bad\"></span>the canary's failures</li>\
                      <li><span class=\"swatch quiet\"></span>stable's</li></ul>\n";
        let label = "One rollout: the canary's share, both failure rates and the evidence against its bound, over time";
        legend.to_owned() + &both(label, HEIGHT, |width| self.draw(width)) + &self.caption()
    }

    /// What the shapes mean that a legend does not explain.
    fn caption(&self) -> String {
        let mut text = "A bar is the part of the canary's requests that failed in its time.".to_owned();
        if self.strip.moments().iter().any(|moment| moment.down > 0.0) {
            text.push_str(
                " A dotted spike is a few failures in a row: evidence that the canary is down, which the next good \
                 response ends. At 100% the guard acts.",
            );
        }
        format!("<p class=\"sub caption\">{text}</p>\n")
    }

    fn draw(&self, width: f64) -> String {
        let length = (self.until - self.from).max(1.0);
        let after = if self.acted.is_some() { 0.1 * length } else { 0.0 };
        let x = Scale { from: self.from, to: self.until + after, start: 44.0, end: width - 10.0, log: false };
        let mut svg = self.axis(&x, width);
        svg += &self.shares(&x);
        svg += &self.failures(&x);
        svg += &self.evidence(&x);
        svg + &self.marks(&x)
    }

    fn axis(&self, x: &Scale, width: f64) -> String {
        let zero = self.fault_at.unwrap_or(0.0);
        let mut svg = String::new();
        for at in times(x, zero, if width > 500.0 { 80.0 } else { 64.0 }) {
            let place = x.place(at);
            svg += &line("grid", (place, SHARE.0), (place, EVIDENCE.1));
            let label = if self.fault_at.is_some() { signed(at - zero) } else { format::time(Some(at)) };
            svg += &inside("tick", x, place, EVIDENCE.1 + 18.0, &label);
        }
        let sentence = if self.fault_at.is_some() { "from the fault on" } else { "from the start on" };
        svg + &text("tick", Anchor::End, (x.end, EVIDENCE.1 + 36.0), sentence)
    }

    fn strip(&self, x: &Scale, (top, bottom): (f64, f64), title: &str, most: f64) -> (String, Scale) {
        let y = Scale { from: 0.0, to: most, start: bottom, end: top, log: false };
        let mut svg = text("title", Anchor::Start, (x.start, top - 9.0), title);
        svg += &line("axis", (x.start, bottom), (x.end, bottom));
        svg += &text("tick", Anchor::End, (x.start - 7.0, bottom + 4.0), "0%");
        svg += &text("tick", Anchor::End, (x.start - 7.0, top + 5.0), &format::share(most));
        svg += &line("grid", (x.start, top), (x.end, top));
        (svg, y)
    }

    fn shares(&self, x: &Scale) -> String {
        let moments = self.strip.moments();
        let most = nice(moments.iter().map(|moment| moment.share).fold(0.0, f64::max));
        let (svg, y) = self.strip(x, SHARE, "Users on the canary", most);
        let begin = |moment: &TimelinePoint| x.place((moment.at - moment.seconds).max(self.from));
        let mut points: Vec<(f64, f64)> = moments.iter().map(|moment| (begin(moment), y.place(moment.share))).collect();
        let last = moments.last().map_or(0.0, |moment| moment.share);
        if self.acted.is_some() {
            points.push((x.place(self.until), y.place(self.share_after)));
        }
        let end = if self.acted.is_some() { self.share_after } else { last };
        points.push((x.end, y.place(end)));
        let points = stairs(&points);
        svg + &area("share", &points, SHARE.1) + &path("share-line", &points)
    }

    fn failures(&self, x: &Scale) -> String {
        let pieces = self.pieces(x);
        let rate = |(requests, failures): (f64, f64)| if requests > 0.0 { failures / requests } else { 0.0 };
        let most = nice(pieces.iter().map(|piece| rate(piece.canary).max(rate(piece.stable))).fold(0.01, f64::max));
        let (mut svg, y) = self.strip(x, FAILING, "Failing requests", most);
        for piece in &pieces {
            let (start, end) = (x.place(piece.at - piece.seconds), x.place(piece.at));
            let top = y.place(rate(piece.canary));
            if piece.canary.1 > 0.0 {
                svg += &format!(
                    "<rect class=\"failing\" x=\"{start:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                    (end - start - 0.6).max(0.6),
                    FAILING.1 - top
                );
            }
        }
        let place = |piece: &TimelinePoint| (x.place(piece.at - piece.seconds / 2.0), y.place(rate(piece.stable)));
        let stable: Vec<(f64, f64)> = pieces.iter().filter(|piece| piece.stable.0 > 0.0).map(place).collect();
        svg + &path("stable-line", &stable)
    }

    /// Neighbours together until each is wide enough to be seen.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundreds")]
    fn pieces(&self, x: &Scale) -> Vec<TimelinePoint> {
        let moments = self.strip.moments();
        let each = moments.len().div_ceil((x.room() / 5.0).max(1.0).round() as usize).max(1);
        let sum = |parts: &[TimelinePoint], of: fn(&TimelinePoint) -> f64| parts.iter().map(of).sum::<f64>();
        moments
            .chunks(each)
            .map(|parts| TimelinePoint {
                at: parts.last().map_or(0.0, |moment| moment.at),
                seconds: sum(parts, |moment| moment.seconds),
                stable: (sum(parts, |m| m.stable.0), sum(parts, |m| m.stable.1)),
                canary: (sum(parts, |m| m.canary.0), sum(parts, |m| m.canary.1)),
                ..TimelinePoint::default()
            })
            .collect()
    }

    fn evidence(&self, x: &Scale) -> String {
        let y = Scale { from: 0.0, to: 1.0, start: EVIDENCE.1, end: EVIDENCE.0, log: false };
        let mut svg = text("title", Anchor::Start, (x.start, EVIDENCE.0 - 9.0), "Evidence, as a share of its bound");
        svg += &line("axis", (x.start, EVIDENCE.1), (x.end, EVIDENCE.1));
        for part in [0.0, 0.5, 1.0] {
            svg += &text("tick", Anchor::End, (x.start - 7.0, y.place(part) + 4.0), &format::share(part));
        }
        svg += &line("grid", (x.start, y.place(0.5)), (x.end, y.place(0.5)));
        let moments = self.strip.moments();
        let points = |of: fn(&TimelinePoint) -> f64| -> Vec<(f64, f64)> {
            moments.iter().map(|moment| (x.place(moment.at), y.place(of(moment)))).collect()
        };
        let worse = points(|moment| moment.worse);
        svg += &area("evidence", &worse, EVIDENCE.1);
        svg += &path("curve s0", &worse);
        svg += &path("down-line", &points(|moment| moment.down));
        svg + &line("bound", (x.start, y.place(1.0)), (x.end, y.place(1.0)))
    }

    fn marks(&self, x: &Scale) -> String {
        let mut svg = String::new();
        let acted = self.acted.as_ref().map(|(at, label)| (x.place(*at), label));
        if let Some(fault) = self.fault_at.filter(|at| *at > self.from && *at <= self.until) {
            let place = x.place(fault);
            svg += &line("mark", (place, 26.0), (place, EVIDENCE.1));
            // To the left where the other mark is near.
            let (anchor, beside) = if place > x.start + 100.0 { (Anchor::End, -4.0) } else { (Anchor::Start, 4.0) };
            svg += &text("note", anchor, (place + beside, 20.0), "it begins to fail");
        }
        if let Some((place, label)) = acted {
            svg += &line("mark", (place, 26.0), (place, EVIDENCE.1));
            svg += &text("note strong", Anchor::End, (x.end, 20.0), label);
        }
        svg
    }
}

/// A round part of 1 that holds this one.
fn nice(most: f64) -> f64 {
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].into_iter().find(|part| *part >= most * 1.02).unwrap_or(1.0)
}
