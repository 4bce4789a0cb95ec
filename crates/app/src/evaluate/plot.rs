//! Acceptance curve and reliability diagram, side by side, as SVG.

use std::fmt::Write as _;

use super::{Accepted, Confidence, Wanted};

/// The size of the picture, and of each of its two plots, in pixels.
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 440.0;
const SIDE: f64 = 320.0;
const TOP: f64 = 50.0;
const LEFT: [f64; 2] = [70.0, 520.0];

const INK: &str = "#333";
const LINE: &str = "#1f6feb";
const WANTED: &str = "#c0392b";

/// The plots of what was measured.
pub(super) fn of(confidence: &Confidence) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>Acceptance curve and reliability of extracted fields</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    acceptance(&mut svg, confidence);
    reliability(&mut svg, confidence);
    let foot = format!(
        "{} values of {} documents, {} wrong; reliability of documents that were held out; bands and bars: 95 % (Wilson)",
        confidence.values, confidence.documents, confidence.wrong
    );
    text(&mut svg, WIDTH / 2.0, HEIGHT - 10.0, "middle", &foot);
    svg.push_str("</svg>\n");
    svg
}

/// A plot's place and what its axes stand for.
struct Axes {
    left: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let part =
            |value: f64, (low, high): (f64, f64)| ((value - low) / (high - low)).clamp(0.0, 1.0);
        let (right, up) = (part(x, self.x) * SIDE, part(y, self.y) * SIDE);
        (self.left + right, TOP + SIDE - up)
    }

    fn draw(&self, svg: &mut String, title: &str, x: &str, y: &str) {
        let (left, middle, bottom) = (self.left, self.left + SIDE / 2.0, TOP + SIDE);
        text(svg, middle, TOP - 16.0, "middle", title);
        put(
            svg,
            format_args!(
                "<rect x=\"{left:.1}\" y=\"{TOP:.1}\" width=\"{SIDE:.1}\" height=\"{SIDE:.1}\" fill=\"none\" stroke=\"{INK}\"/>"
            ),
        );
        for step in 0..=5 {
            let part = f64::from(step) / 5.0;
            let of = |(low, high): (f64, f64)| low + part * (high - low);
            let (at_x, at_y) = (left + part * SIDE, bottom - part * SIDE);
            put(
                svg,
                format_args!(
                    "<path d=\"M{at_x:.1} {bottom:.1}v5M{left:.1} {at_y:.1}h-5\" stroke=\"{INK}\"/>"
                ),
            );
            text(svg, at_x, bottom + 18.0, "middle", &percent(of(self.x)));
            text(svg, left - 8.0, at_y + 4.0, "end", &percent(of(self.y)));
        }
        text(svg, middle, bottom + 36.0, "middle", x);
        let (turn_x, turn_y) = (left - 50.0, TOP + SIDE / 2.0);
        put(
            svg,
            format_args!(
                "<text x=\"{turn_x:.1}\" y=\"{turn_y:.1}\" text-anchor=\"middle\" fill=\"{INK}\" transform=\"rotate(-90 {turn_x:.1} {turn_y:.1})\">{y}</text>"
            ),
        );
    }
}

fn acceptance(svg: &mut String, confidence: &Confidence) {
    let Wanted {
        max_error, point, ..
    } = &confidence.wanted;
    let curve: Vec<Accepted> = confidence
        .curve
        .iter()
        .map(|point| point.accepted)
        .collect();
    let errors = curve.iter().map(|point| point.error);
    let highest = errors.fold(*max_error, f64::max);
    let axes = Axes {
        left: LEFT[0],
        x: (0.0, 1.0),
        y: (0.0, nice_above(highest * 1.5)),
    };
    axes.draw(
        svg,
        "Acceptance",
        "accepted without a person",
        "wrong among the accepted",
    );
    let upper = curve
        .iter()
        .map(|point| axes.at(point.share, point.interval.high));
    let lower = curve
        .iter()
        .rev()
        .map(|point| axes.at(point.share, point.interval.low));
    let band = points(upper.chain(lower));
    put(
        svg,
        format_args!("<polygon points=\"{band}\" fill=\"{LINE}\" fill-opacity=\"0.15\"/>"),
    );
    let line = points(curve.iter().map(|point| axes.at(point.share, point.error)));
    put(
        svg,
        format_args!(
            "<polyline points=\"{line}\" fill=\"none\" stroke=\"{LINE}\" stroke-width=\"2\"/>"
        ),
    );
    for point in &curve {
        let (x, y) = axes.at(point.share, point.error);
        put(
            svg,
            format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\" fill=\"{LINE}\"/>"),
        );
    }
    let (from, at) = axes.at(0.0, *max_error);
    put(
        svg,
        format_args!(
            "<path d=\"M{from:.1} {at:.1}h{SIDE:.1}\" stroke=\"{WANTED}\" stroke-dasharray=\"4 4\"/>"
        ),
    );
    if let Some(point) = point {
        let (x, y) = axes.at(point.accepted.share, point.accepted.error);
        put(
            svg,
            format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"none\" stroke=\"{WANTED}\" stroke-width=\"2\"/>"
            ),
        );
    }
}

fn reliability(svg: &mut String, confidence: &Confidence) {
    let bins = &confidence.held_out.bins;
    let lows = bins.iter().map(|bin| bin.predicted.min(bin.interval.low));
    let lowest = (lows.fold(1.0, f64::min) * 10.0).floor() / 10.0;
    let range = (lowest.clamp(0.0, 0.9), 1.0);
    let axes = Axes {
        left: LEFT[1],
        x: range,
        y: range,
    };
    axes.draw(svg, "Reliability", "probability", "right");
    let ((from_x, from_y), (to_x, to_y)) = (axes.at(range.0, range.0), axes.at(1.0, 1.0));
    put(
        svg,
        format_args!(
            "<path d=\"M{from_x:.1} {from_y:.1}L{to_x:.1} {to_y:.1}\" stroke=\"{INK}\" stroke-dasharray=\"2 4\"/>"
        ),
    );
    for bin in bins {
        let (x, low) = axes.at(bin.predicted, bin.interval.low);
        let (_, high) = axes.at(bin.predicted, bin.interval.high);
        let (_, y) = axes.at(bin.predicted, bin.observed);
        put(
            svg,
            format_args!("<path d=\"M{x:.1} {low:.1}V{high:.1}\" stroke=\"{LINE}\"/>"),
        );
        put(
            svg,
            format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{LINE}\"/>"),
        );
    }
}

/// The next of 1, 2, 5, 10, 20, 50 and 100 %.
fn nice_above(share: f64) -> f64 {
    let steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
    steps.into_iter().find(|step| *step >= share).unwrap_or(1.0)
}

fn percent(share: f64) -> String {
    let percent = (share * 1_000.0).round() / 10.0;
    format!("{percent} %")
}

fn points(points: impl Iterator<Item = (f64, f64)>) -> String {
    let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    points.join(" ")
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    put(
        svg,
        format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{INK}\">{words}</text>"
        ),
    );
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(svg, "{element}").expect("a string takes all that is written");
}
