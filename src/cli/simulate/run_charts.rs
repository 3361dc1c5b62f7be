//! The charts of one rollout: the share over time, what failed, and the evidence on its way to the bound.
//!
//! Three charts over one axis of time, with the same marks. Evidence is drawn as a part of what it takes, so that the
//! one line at the top is the alarm whatever rule gives it. Time counts from the fault where there is one, else from
//! the start. The table has the same numbers in fewer, longer pieces: nothing is left out of a piece.

use serde_json::{Value, json};

use super::format;
use super::report::Table;
use super::specs::{Specs, millis, percent};
use crate::simulate::timeline::{Timeline, TimelinePoint};

/// What is drawn.
pub(super) struct RunCharts<'a> {
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

/// At most so many bars, and so many rows of the table.
const BARS: usize = 120;
const ROWS: usize = 30;
/// Room for the labels of every chart, so that the axes of time lie below each other.
const MARGIN: u32 = 48;

impl RunCharts<'_> {
    /// The charts.
    pub(super) fn html(&self, specs: &mut Specs) -> String {
        let since = if self.fault_at.is_some() { "the fault" } else { "the start" };
        let failing = "A bar is the part of the canary's requests that failed in its time. The dashed line is stable.";
        let share = format!("The share in force. Time counts from {since} on.");
        let evidence = format!("At 100% the guard acts.{}", self.spikes());
        specs.figure("Users on the canary", &share, true, self.shares())
            + &specs.figure("Failing requests", failing, true, self.failures())
            + &specs.figure("Evidence, as a share of its bound", &evidence, true, self.evidence())
    }

    /// What a shape means that a name does not explain.
    fn spikes(&self) -> &'static str {
        if self.strip.moments().iter().any(|moment| moment.down > 0.0) {
            " A dotted spike is a few failures in a row: evidence that the canary is down, which the next good response \
             ends."
        } else {
            ""
        }
    }

    /// What all charts have in common.
    fn spec(&self, height: u32, x: Vec<f64>, lines: Value) -> Value {
        let mut marks = Vec::new();
        if let Some(fault) = self.fault_at.filter(|at| *at > self.from && *at <= self.until) {
            marks.push(json!({"at": millis(fault), "label": "it begins to fail", "class": "still"}));
        }
        if let Some((at, label)) = &self.acted {
            marks.push(json!({"at": millis(*at), "label": label, "class": "down"}));
        }
        json!({
            "x": x, "lines": lines, "marks": marks, "unit": "%", "height": height, "margin": MARGIN,
            "from": millis(self.from), "to": millis(self.end()), "zero": millis(self.fault_at.unwrap_or(0.0)),
        })
    }

    /// Where the axis ends: what was done is followed for a while.
    fn end(&self) -> f64 {
        let after = if self.acted.is_some() { 0.1 } else { 0.0 };
        self.until + after * (self.until - self.from).max(1.0)
    }

    fn shares(&self) -> Value {
        let moments = self.strip.moments();
        let begin = |moment: &TimelinePoint| (moment.at - moment.seconds).max(self.from);
        let mut points: Vec<(f64, f64)> = moments.iter().map(|moment| (begin(moment), moment.share)).collect();
        // A share that does not change needs one point.
        points.dedup_by_key(|(_, share)| *share);
        let last = moments.last().map_or(0.0, |moment| moment.share);
        if self.acted.is_some() {
            points.push((self.until, self.share_after));
        }
        points.push((self.end(), if self.acted.is_some() { self.share_after } else { last }));
        let (x, values): (Vec<f64>, Vec<f64>) =
            points.into_iter().map(|(at, share)| (millis(at), percent(share))).unzip();
        let line = json!({"name": "in force", "class": "canary", "values": values, "steps": true, "filled": true});
        self.spec(160, x, json!([line]))
    }

    fn failures(&self) -> Value {
        let rate = |(requests, failures): (f64, f64)| (requests > 0.0).then(|| percent(failures / requests));
        let (mut x, mut canary, mut stable) = (Vec::new(), Vec::new(), Vec::new());
        let mut point = |at: f64, rates: (Option<f64>, Option<f64>)| {
            x.push(millis(at));
            canary.push(rates.0);
            stable.push(rates.1);
        };
        let (mut end, mut last) = (self.from, None);
        for piece in self.pieces(BARS) {
            let begin = (piece.at - piece.seconds).max(self.from);
            if begin > end + 0.001 {
                point(end, (None, None));
            }
            last = rate(piece.stable);
            point(begin, (rate(piece.canary), last));
            end = piece.at;
        }
        // The last piece ends where it ends, for stable's line as well.
        point(end, (None, last));
        let canary = json!({"name": "canary", "class": "canary", "values": canary, "bars": true});
        let stable = json!({"name": "stable", "class": "stable", "values": stable, "steps": true});
        self.spec(180, x, json!([canary, stable]))
    }

    fn evidence(&self) -> Value {
        let moments = self.strip.moments();
        let x = moments.iter().map(|moment| millis(moment.at)).collect();
        let of =
            |value: fn(&TimelinePoint) -> f64| moments.iter().map(|moment| percent(value(moment))).collect::<Vec<_>>();
        let mut lines = vec![json!({
            "name": "that it is worse than stable", "class": "canary", "values": of(|moment| moment.worse), "filled": true,
        })];
        if moments.iter().any(|moment| moment.down > 0.0) {
            lines.push(json!({"name": "that it is down", "class": "down", "values": of(|moment| moment.down)}));
        }
        let mut spec = self.spec(210, x, Value::from(lines));
        spec["bounds"] = json!([{"value": 100, "label": "the guard acts", "side": "left"}]);
        spec
    }

    /// Neighbours together, so that there are at most so many.
    fn pieces(&self, most: usize) -> Vec<TimelinePoint> {
        let moments = self.strip.moments();
        let each = moments.len().div_ceil(most).max(1);
        let together = |parts: &[TimelinePoint]| {
            let mut piece = parts[0];
            parts.iter().skip(1).for_each(|next| piece.and(next));
            piece
        };
        moments.chunks(each).map(together).collect()
    }

    /// The same in numbers.
    pub(super) fn table(&self) -> Table {
        let failed =
            |(requests, failures): (f64, f64)| format!("{} of {}", format::count(failures), format::count(requests));
        let row = |piece: &TimelinePoint| {
            vec![
                self.moment(piece.at),
                format::share(piece.share),
                failed(piece.canary),
                failed(piece.stable),
                format::share(piece.worse),
                format::share(piece.down),
            ]
        };
        let since = if self.fault_at.is_some() { "from the fault on" } else { "from the start on" };
        Table {
            titles: vec!["until", "on the canary", "canary failed", "stable failed", "worse", "down"],
            rows: self.pieces(ROWS).iter().map(row).collect(),
            caption: format!(
                "until: {since}; failed: requests in the time since the row before; worse, down: the strongest evidence \
                 in that time, as a share of its bound."
            ),
        }
    }

    fn moment(&self, at: f64) -> String {
        let from = at - self.fault_at.unwrap_or(0.0);
        let text = format::time(Some(from.abs()));
        match from {
            _ if text == "0s" => text,
            from if from < 0.0 => format!("−{text}"),
            _ if self.fault_at.is_some_and(|fault| self.from < fault) => format!("+{text}"),
            _ => text,
        }
    }
}
