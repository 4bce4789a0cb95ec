//! Where a page is drawn upon, coarsely: the areas that its lines and curves cover, of which figures are made.

use pagemill_document::Rect;

/// Side of a square of the sketch, in points, on pages of up to [`MOST_SQUARES`] of them along an axis.
const SQUARE: f32 = 6.0;

/// Squares along an axis. Larger pages have larger squares.
const MOST_SQUARES: usize = 256;

/// An area that is narrower or lower than this, in points, is a rule, a sign or a bullet.
const SMALLEST: f32 = 36.0;

/// An area that takes more than this part of the page both ways is its frame or its ground.
const FRAME: f32 = 0.9;

/// More areas of a page are not told: it is sprinkled with signs.
const MOST_AREAS: usize = 200;

/// A sketch of one page, as seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    width: f32,
    height: f32,
    square: f32,
    columns: usize,
    rows: usize,
    drawn: Vec<bool>,
}

impl Sketch {
    /// Of a page of this size in points.
    pub(super) fn new((width, height): (f32, f32)) -> Self {
        let is_sane = (1.0..1e6).contains(&width) && (1.0..1e6).contains(&height);
        if !is_sane {
            return Self::default();
        }
        let square = SQUARE.max(width.max(height) / MOST_SQUARES as f32);
        let squares = |length: f32| (length / square).ceil() as usize;
        let (columns, rows) = (squares(width), squares(height));
        Self {
            width,
            height,
            square,
            columns,
            rows,
            drawn: vec![false; columns * rows],
        }
    }

    /// Draws the line between points, as far as it lies on the page.
    pub(super) fn line(&mut self, points: &[(f32, f32)]) {
        for pair in points.windows(2) {
            let ((xa, ya), (xb, yb)) = (pair[0], pair[1]);
            let length = (xa - xb).abs().max((ya - yb).abs());
            // What reaches far beyond the page is cut off by something, or a mistake; so is what is no number.
            let is_sane = length <= 2.0 * (self.width + self.height);
            if !is_sane {
                continue;
            }
            let steps = (length / self.square).ceil().max(1.0);
            for step in 0..=steps as usize {
                let part = step as f32 / steps;
                self.mark(xa + (xb - xa) * part, ya + (yb - ya) * part);
            }
        }
    }

    fn mark(&mut self, x: f32, y: f32) {
        let on_page = (0.0..self.width).contains(&x) && (0.0..self.height).contains(&y);
        if !on_page {
            return;
        }
        let (column, row) = ((x / self.square) as usize, (y / self.square) as usize);
        if let Some(drawn) = self.drawn.get_mut(row * self.columns + column) {
            *drawn = true;
        }
    }

    /// The areas of what is drawn close together, from top to bottom: those that may be figures.
    pub(super) fn areas(mut self) -> Vec<Rect> {
        let mut areas = Vec::new();
        let mut open = Vec::new();
        for start in 0..self.drawn.len() {
            if !std::mem::take(&mut self.drawn[start]) {
                continue;
            }
            let (row, column) = (start / self.columns, start % self.columns);
            let (mut top, mut bottom, mut left, mut right) = (row, row, column, column);
            open.push((row, column));
            while let Some((row, column)) = open.pop() {
                (top, bottom) = (top.min(row), bottom.max(row));
                (left, right) = (left.min(column), right.max(column));
                // A gap of one square parts nothing.
                for near_row in row.saturating_sub(2)..(row + 3).min(self.rows) {
                    for near in column.saturating_sub(2)..(column + 3).min(self.columns) {
                        let place = near_row * self.columns + near;
                        if std::mem::take(&mut self.drawn[place]) {
                            open.push((near_row, near));
                        }
                    }
                }
            }
            let area = Rect {
                x0: left as f32 * self.square,
                y0: top as f32 * self.square,
                x1: ((right + 1) as f32 * self.square).min(self.width),
                y1: ((bottom + 1) as f32 * self.square).min(self.height),
            };
            let (width, height) = (area.x1 - area.x0, area.y1 - area.y0);
            let is_frame = width > FRAME * self.width && height > FRAME * self.height;
            if width >= SMALLEST && height >= SMALLEST && !is_frame {
                areas.push(area);
            }
        }
        match areas.len() <= MOST_AREAS {
            true => areas,
            false => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn areas(lines: &[&[(f32, f32)]]) -> Vec<[f32; 4]> {
        let mut sketch = Sketch::new((600.0, 800.0));
        lines.iter().for_each(|line| sketch.line(line));
        let areas = sketch.areas().into_iter();
        areas.map(|at| [at.x0, at.y0, at.x1, at.y1]).collect()
    }

    #[test]
    fn what_is_drawn_close_together_is_one_area() {
        let axes: &[(f32, f32)] = &[(90.0, 120.0), (90.0, 301.0), (300.0, 301.0)];
        let curve: &[(f32, f32)] = &[(100.0, 290.0), (150.0, 200.0), (290.0, 150.0)];
        let far: &[(f32, f32)] = &[(90.0, 500.0), (200.0, 600.0)];
        assert_eq!(
            areas(&[axes, curve, far]),
            [[90.0, 120.0, 306.0, 306.0], [90.0, 498.0, 204.0, 606.0]]
        );
    }

    #[test]
    fn rules_signs_and_the_frame_of_a_page_are_none() {
        let rule: &[(f32, f32)] = &[(50.0, 100.0), (550.0, 100.0)];
        let sign: &[(f32, f32)] = &[(50.0, 300.0), (60.0, 310.0)];
        let frame: &[(f32, f32)] = &[(5.0, 5.0), (595.0, 5.0), (595.0, 795.0), (5.0, 795.0)];
        assert_eq!(areas(&[rule, sign]), [[0.0; 4]; 0]);
        assert_eq!(areas(&[frame]), [[0.0; 4]; 0]);
    }

    #[test]
    fn what_lies_off_the_page_or_nowhere_is_passed_over() {
        let nowhere: &[(f32, f32)] = &[(f32::NAN, 5.0), (f32::INFINITY, 5.0), (1e9, -1e9)];
        assert_eq!(areas(&[nowhere]), [[0.0; 4]; 0]);
        assert_eq!(Sketch::new((f32::NAN, 0.0)).areas(), []);
        let huge = Sketch::new((900_000.0, 10.0));
        assert!(huge.columns <= MOST_SQUARES && huge.rows == 1);
    }
}
