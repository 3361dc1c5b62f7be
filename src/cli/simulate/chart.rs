//! What the pictures of the page are made of: scales, ticks, paths and texts, as inline SVG.
//!
//! Every picture is drawn twice, for a desk and for a phone, and the style sheet shows the one that fits: a drawing
//! that is only made smaller has letters that nobody can read. Colours are classes, so that light and dark are the
//! style sheet's business. Owns no data; everything that came from elsewhere goes through [`escape`].

use std::fmt::Write as _;

use super::format;
pub(super) use crate::decide::printable::html as escape;

/// The two widths, in pixels.
pub(super) const WIDTHS: [(f64, &str); 2] = [(720.0, "wide"), (350.0, "narrow")];

/// Both drawings of a picture. `label` is read out instead of it.
pub(super) fn both(label: &str, height: f64, draw: impl Fn(f64) -> String) -> String {
    let label = escape(label);
    WIDTHS.iter().fold(String::new(), |mut html, (width, class)| {
        let _ = writeln!(
            html,
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
             aria-label=\"{label}\">{}</svg>",
            draw(*width)
        );
        html
    })
}

/// From a quantity to a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The quantities at both ends.
    pub(super) from: f64,
    pub(super) to: f64,
    /// Their places, in pixels.
    pub(super) start: f64,
    pub(super) end: f64,
    /// Whether equal factors are equally far apart, and not equal sums.
    pub(super) log: bool,
}

impl Scale {
    pub(super) fn place(&self, value: f64) -> f64 {
        let part = if self.log {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        self.start + (self.end - self.start) * part.clamp(0.0, 1.0)
    }

    /// How far apart the ends are, in pixels.
    pub(super) fn room(&self) -> f64 {
        (self.end - self.start).abs()
    }
}

/// Times that people count in, in seconds.
const STEPS: [f64; 24] = [
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    345_600.0,
    604_800.0,
    1_209_600.0,
    2_592_000.0,
    7_776_000.0,
];

/// Moments with a label, not closer than so many pixels, counted from `zero`.
pub(super) fn times(scale: &Scale, zero: f64, apart: f64) -> Vec<f64> {
    let fits = |step: &&f64| **step / (scale.to - scale.from) * scale.room() >= apart;
    let step = STEPS.iter().find(fits).copied().unwrap_or(scale.to - scale.from);
    let first = ((scale.from - zero) / step).ceil();
    (0_u32..100).map(|n| zero + (first + f64::from(n)) * step).take_while(|at| *at <= scale.to + 1e-9).collect()
}

/// Times with a label on a logarithmic scale.
pub(super) fn powers(scale: &Scale, apart: f64) -> Vec<f64> {
    const MARKS: [f64; 9] = [1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0];
    let mut kept: Vec<f64> = Vec::new();
    for mark in MARKS.into_iter().filter(|mark| (scale.from..=scale.to).contains(mark)) {
        if kept.last().is_none_or(|last| scale.place(mark) - scale.place(*last) >= apart) {
            kept.push(mark);
        }
    }
    kept
}

/// A line through these places.
pub(super) fn path(class: &str, points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (number, (x, y)) in points.iter().enumerate() {
        let _ = write!(d, "{}{x:.1} {y:.1}", if number == 0 { "M" } else { "L" });
    }
    format!("<path class=\"{class}\" d=\"{d}\"/>")
}

/// The area between these places and a height.
pub(super) fn area(class: &str, points: &[(f64, f64)], base: f64) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let mut closed = points.to_vec();
    closed.extend([(last.0, base), (first.0, base)]);
    path(class, &closed)
}

/// From place to place in stairs: each height holds until the next place.
pub(super) fn stairs(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut stairs: Vec<(f64, f64)> = Vec::with_capacity(points.len() * 2);
    for (x, y) in points {
        if let Some((_, before)) = stairs.last() {
            stairs.push((*x, *before));
        }
        stairs.push((*x, *y));
    }
    stairs
}

pub(super) fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> String {
    format!("<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>", from.0, from.1, to.0, to.1)
}

/// Where a text stands by its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) fn text(class: &str, anchor: Anchor, (x, y): (f64, f64), text: &str) -> String {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    format!("<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(text))
}

/// A text by a place on the axis, kept inside of it.
pub(super) fn inside(class: &str, scale: &Scale, x: f64, y: f64, label: &str) -> String {
    // A letter is about so wide.
    let half = label.chars().count() as f64 * 3.4;
    let anchor = match x {
        x if x - half < scale.start - 30.0 => Anchor::Start,
        x if x + half > scale.end + 8.0 => Anchor::End,
        _ => Anchor::Middle,
    };
    text(class, anchor, (x, y), label)
}

/// A moment before or after zero.
pub(super) fn signed(seconds: f64) -> String {
    let text = format::time(Some(seconds.abs()));
    match seconds {
        s if s > 0.0 => format!("+{text}"),
        s if s < 0.0 => format!("−{text}"),
        _ => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_place_their_ends_at_the_ends_and_nothing_beyond() {
        let scale = Scale { from: 1.0, to: 100.0, start: 10.0, end: 110.0, log: true };
        assert_eq!([0.0, 1.0, 10.0, 100.0, 1e9].map(|value| scale.place(value)), [10.0, 10.0, 60.0, 110.0, 110.0]);
        let turned = Scale { from: 0.0, to: 2.0, start: 50.0, end: 0.0, log: false };
        assert_eq!([0.0, 1.0, 2.0].map(|value| turned.place(value)), [50.0, 25.0, 0.0]);
    }

    #[test]
    fn ticks_are_round_and_have_room() {
        let scale = Scale { from: -25.0, to: 16.0, start: 0.0, end: 400.0, log: false };
        assert_eq!(times(&scale, 0.0, 80.0), [-20.0, -10.0, 0.0, 10.0]);
        let days = Scale { from: 0.0, to: 1_235_000.0, start: 0.0, end: 600.0, log: false };
        assert_eq!(
            times(&days, 0.0, 80.0),
            [0.0, 172_800.0, 345_600.0, 518_400.0, 691_200.0, 864_000.0, 1_036_800.0, 1_209_600.0]
        );
        let log = Scale { from: 1.0, to: 21_600.0, start: 0.0, end: 250.0, log: true };
        assert_eq!(powers(&log, 50.0), [1.0, 10.0, 600.0, 21_600.0]);
    }

    #[test]
    fn nothing_from_elsewhere_is_taken_for_markup() {
        assert_eq!(escape("<b a=\"1\">&\n"), "&lt;b a=&quot;1&quot;&gt;&amp; ");
    }

    #[test]
    fn stairs_hold_each_height_until_the_next_place() {
        assert_eq!(stairs(&[(0.0, 1.0), (2.0, 3.0)]), [(0.0, 1.0), (2.0, 1.0), (2.0, 3.0)]);
    }
}
