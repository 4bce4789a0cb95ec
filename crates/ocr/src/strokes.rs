//! Straight lines of a picture, level and upright: the rules of tables, which say which words belong together, and which
//! a reader takes for letters.

use serde::{Deserialize, Serialize};

use crate::image::{Canvas, GreyImage};

/// Thicker ones are areas, in points.
const THICKEST: f32 = 1.7;

/// Shorter ones are strokes of letters: in points, and as a part of the picture's longer side, since the letters of posters
/// are large.
const SHORTEST: f32 = 20.0;
const SHORTEST_PART: f32 = 0.04;

/// A line is darker than what is beside it by so much at least.
const DARKER: u8 = 8;

/// Lines that cross a line, and dust, leave gaps of so many pixels in it; all together, of one part in `MOST_GAPS`.
const GAP: usize = 3;
const MOST_GAPS: usize = 10;

/// A line is of one colour: all but one part in `MOST_OTHERS` of its pixels differ from their mean by at most this. Small
/// letters that are blurred together are dark all along, and not even.
const SAME_COLOUR: u8 = 28;
const MOST_OTHERS: usize = 6;

/// More lines are a pattern.
const MAX_LINES: usize = 4_000;

/// Points in an inch.
const POINTS_PER_INCH: f32 = 72.0;

/// A line of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StraightLine {
    /// Whether it goes from left to right, and not from top to bottom.
    pub is_level: bool,
    /// Where it lies: y of a level one, x of an upright one.
    pub at: f32,
    /// Where it begins: x or y.
    pub from: f32,
    /// Where it ends.
    pub to: f32,
    /// How thick it is.
    pub thickness: f32,
}

/// The lines of a picture; none of one that is full of them.
pub fn straight_lines(image: &GreyImage<'_>) -> Vec<StraightLine> {
    match image.validate() {
        Ok(()) => lines(&Canvas::of(image), image.dpi),
        Err(_) => Vec::new(),
    }
}

pub(crate) fn lines(canvas: &Canvas, dpi: u32) -> Vec<StraightLine> {
    let a_point = dpi as f32 / POINTS_PER_INCH;
    let longer = canvas.width.max(canvas.height) as f32;
    let shortest = (SHORTEST * a_point).max(SHORTEST_PART * longer) as usize;
    let reach = ((THICKEST * a_point) as usize).max(2);
    let mut found = level(canvas, shortest, reach);
    let upright = level(&canvas.transposed(), shortest, reach);
    found.extend(upright.into_iter().map(|line| StraightLine {
        is_level: false,
        ..line
    }));
    match found.len() > MAX_LINES {
        true => Vec::new(),
        false => found,
    }
}

/// Pixels of a row that are dark one after the other.
#[derive(Debug, Clone, Copy)]
struct Run {
    from: usize,
    to: usize,
    dark: usize,
}

/// A line while its rows are walked through.
#[derive(Debug, Clone, Copy)]
struct Open {
    from: usize,
    to: usize,
    first_row: usize,
    last_row: usize,
}

fn level(canvas: &Canvas, shortest: usize, reach: usize) -> Vec<StraightLine> {
    let mut found = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for y in reach..canvas.height.saturating_sub(reach) {
        let rows = [canvas.row(y - reach), canvas.row(y), canvas.row(y + reach)];
        for run in runs(rows, shortest) {
            let joins = |line: &&mut Open| {
                y - line.last_row <= 2 && run.from < line.to && run.to > line.from
            };
            match open.iter_mut().find(joins) {
                Some(line) => {
                    line.from = line.from.min(run.from);
                    line.to = line.to.max(run.to);
                    line.last_row = y;
                }
                None => open.push(Open {
                    from: run.from,
                    to: run.to,
                    first_row: y,
                    last_row: y,
                }),
            }
        }
        open.retain(|line| {
            let goes_on = y - line.last_row <= 2;
            if !goes_on {
                found.push(finished(line));
            }
            goes_on
        });
        if found.len() + open.len() > MAX_LINES {
            return found;
        }
    }
    found.extend(open.iter().map(finished));
    found
}

fn finished(line: &Open) -> StraightLine {
    StraightLine {
        is_level: true,
        at: (line.first_row + line.last_row + 1) as f32 / 2.0,
        from: line.from as f32,
        to: line.to as f32,
        thickness: (line.last_row - line.first_row + 1) as f32,
    }
}

/// The runs of pixels in the middle row that are darker than those above and below them.
fn runs([above, row, below]: [&[u8]; 3], shortest: usize) -> Vec<Run> {
    let mut found: Vec<Run> = Vec::new();
    let mut open: Option<Run> = None;
    let is_line = |run: &Run| {
        let length = run.to - run.from;
        length >= shortest
            && (length - run.dark) * MOST_GAPS <= length
            && is_even(&row[run.from..run.to])
    };
    for (x, ((&pixel, &above), &below)) in row.iter().zip(above).zip(below).enumerate() {
        if above.min(below).saturating_sub(pixel) < DARKER {
            continue;
        }
        match &mut open {
            Some(run) if x - run.to <= GAP => {
                run.to = x + 1;
                run.dark += 1;
            }
            _ => {
                found.extend(open.take().filter(is_line));
                open = Some(Run {
                    from: x,
                    to: x + 1,
                    dark: 1,
                });
            }
        }
    }
    found.extend(open.filter(is_line));
    found
}

fn is_even(pixels: &[u8]) -> bool {
    let sum: usize = pixels.iter().map(|&pixel| usize::from(pixel)).sum();
    let mean = (sum / pixels.len().max(1)) as u8;
    let others = pixels
        .iter()
        .filter(|pixel| pixel.abs_diff(mean) > SAME_COLOUR);
    others.count() * MOST_OTHERS <= pixels.len()
}

/// Takes lines away: each of their pixels gets the lighter one of those on both sides.
pub(crate) fn erase(canvas: &mut Canvas, lines: &[StraightLine]) {
    let (width, height) = (canvas.width, canvas.height);
    for line in lines {
        let half = (line.thickness / 2.0).ceil() as usize + 1;
        let (across, length) = match line.is_level {
            true => (height, width),
            false => (width, height),
        };
        // Where two lines meet in a corner neither is darker than what is beside it.
        let from = (line.from as usize).saturating_sub(half);
        let to = (line.to as usize + half).min(length);
        let at = line.at as usize;
        let (before, after) = (at.saturating_sub(half + 1), (at + half + 1).min(across - 1));
        for along in from..to {
            let place = |offset: usize| match line.is_level {
                true => offset * width + along,
                false => along * width + offset,
            };
            let paper = canvas.pixels[place(before)].max(canvas.pixels[place(after)]);
            for offset in before + 1..after {
                canvas.pixels[place(offset)] = paper;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DPI: u32 = 72;

    /// White, with a box of two columns drawn in lines that are one pixel thick.
    fn ruled() -> Canvas {
        let mut canvas = Canvas::white(200, 100);
        for x in 20..180 {
            canvas.row_mut(20)[x] = 100;
            canvas.row_mut(60)[x] = 100;
        }
        for y in 20..61 {
            for x in [20, 100, 179] {
                canvas.row_mut(y)[x] = 100;
            }
        }
        canvas
    }

    #[test]
    fn the_rules_of_a_table_are_found_also_where_others_cross_them() {
        let found = lines(&ruled(), DPI);
        let level: Vec<_> = found.iter().filter(|line| line.is_level).collect();
        let upright: Vec<_> = found.iter().filter(|line| !line.is_level).collect();
        assert_eq!((level.len(), upright.len()), (2, 3), "{found:?}");
        assert!((level[0].at - 20.5).abs() < 1.0 && level[0].to - level[0].from >= 155.0);
        assert!((upright[1].at - 100.5).abs() < 1.0);
    }

    #[test]
    fn letters_and_areas_are_no_lines() {
        let mut canvas = Canvas::white(200, 100);
        // A stroke as long as those of letters, and an area.
        (20..30).for_each(|x| canvas.row_mut(10)[x] = 0);
        for y in 40..80 {
            (20..180).for_each(|x| canvas.row_mut(y)[x] = 0);
        }
        // Letters that are blurred together.
        (20..180).for_each(|x| canvas.row_mut(90)[x] = 60 + (x % 5 * 40) as u8);
        assert_eq!(lines(&canvas, DPI), []);
    }

    #[test]
    fn nothing_of_a_line_is_left_and_all_of_what_stands_beside_it() {
        let mut canvas = ruled();
        canvas.row_mut(40)[60] = 0;
        let found = lines(&canvas, DPI);
        erase(&mut canvas, &found);
        let dark = canvas.pixels.iter().filter(|&&pixel| pixel < 200).count();
        assert_eq!((dark, canvas.row(40)[60]), (1, 0));
    }
}
