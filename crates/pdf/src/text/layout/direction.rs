//! Writing directions and their frames.

use crate::text::layout::Glyph;
use pagemill_document::Rect;

/// Directions that are as near as this, in tenths of a degree, are one: matrices of one line differ by rounding.
const SAME_DIRECTION: u16 = 2;

/// Where a page has more oblique directions than this, as text on a curve has, further ones go in steps of five
/// degrees.
const MANY_DIRECTIONS: usize = 64;

/// The directions that text of one page runs in.
#[derive(Debug, Clone, Default)]
pub(in crate::text) struct Directions(Vec<Direction>);

impl Directions {
    /// The direction of an angle, the same for angles that differ by rounding only.
    pub(in crate::text) fn of_degrees(&mut self, degrees: f32) -> Direction {
        let direction = Direction::from_degrees(degrees);
        if !direction.is_oblique() {
            return direction;
        }
        if let Some(known) = self.0.iter().find(|known| known.is_near(direction)) {
            return *known;
        }
        if self.0.len() >= MANY_DIRECTIONS {
            return direction.coarse();
        }
        self.0.push(direction);
        direction
    }
}

/// Where text runs on the page as seen: tenths of a degree counter-clockwise from "to the right", 0 to 3599. In the
/// frame of a direction its text runs to the right and its lines follow each other downwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(in crate::text) struct Direction(u16);

impl Direction {
    /// Text that runs down the page, its lines from right to left: vertical writing of East Asia.
    pub(in crate::text) const DOWN: Self = Self(2700);

    /// The direction of an angle. What is within two degrees of a right angle is taken for it; any other is exact to
    /// a tenth, because a line that is long leaves a frame that is turned by a degree.
    pub(in crate::text) fn from_degrees(degrees: f32) -> Self {
        let turned = degrees.rem_euclid(360.0);
        let right_angle = (turned / 90.0).round() * 90.0;
        let rounded = if (turned - right_angle).abs() <= 2.0 {
            right_angle
        } else {
            turned
        };
        // In 0..=3600 by construction; what is not a number becomes 0.
        Self((rounded * 10.0).round() as u16 % 3600)
    }

    /// In steps of five degrees.
    fn coarse(self) -> Self {
        Self((self.0 + 25) / 50 * 50 % 3600)
    }

    fn is_near(self, other: Self) -> bool {
        let apart = self.0.abs_diff(other.0);
        apart.min(3600 - apart) <= SAME_DIRECTION
    }

    /// Whether it is at an angle to the page's edges.
    pub(in crate::text) fn is_oblique(self) -> bool {
        !self.0.is_multiple_of(900)
    }

    /// Sine and cosine of the angle.
    pub(in crate::text) fn sin_cos(self) -> (f32, f32) {
        match self.0 {
            0 => (0.0, 1.0),
            900 => (1.0, 0.0),
            1800 => (0.0, -1.0),
            2700 => (-1.0, 0.0),
            tenths => (f32::from(tenths) / 10.0).to_radians().sin_cos(),
        }
    }

    /// Unit vectors of the frame on the page as seen: along the text, and to the next line.
    fn axes(self) -> ((f32, f32), (f32, f32)) {
        let (sin, cos) = self.sin_cos();
        ((cos, -sin), (sin, cos))
    }

    /// A point of the page as seen, in this frame.
    pub(in crate::text) fn to_frame(self, x: f32, y: f32) -> (f32, f32) {
        if self.0 == 0 {
            return (x, y);
        }
        let (along, down) = self.axes();
        (x * along.0 + y * along.1, x * down.0 + y * down.1)
    }

    /// A rectangle of the page as seen, in this frame.
    pub(in crate::text) fn rect_to_frame(self, rect: Rect) -> Rect {
        if self.0 == 0 {
            return rect;
        }
        enclose(rect, |x, y| self.to_frame(x, y))
    }

    /// A rectangle of this frame on the page as seen.
    pub(in crate::text) fn rect_to_seen(self, rect: Rect) -> Rect {
        if self.0 == 0 {
            return rect;
        }
        let (along, down) = self.axes();
        enclose(rect, |x, y| {
            (x * along.0 + y * down.0, x * along.1 + y * down.1)
        })
    }
}

fn enclose(rect: Rect, turn: impl Fn(f32, f32) -> (f32, f32)) -> Rect {
    let corners = [
        turn(rect.x0, rect.y0),
        turn(rect.x1, rect.y0),
        turn(rect.x0, rect.y1),
        turn(rect.x1, rect.y1),
    ];
    let (first_x, first_y) = corners[0];
    corners.iter().fold(
        Rect {
            x0: first_x,
            y0: first_y,
            x1: first_x,
            y1: first_y,
        },
        |all, &(x, y)| Rect {
            x0: all.x0.min(x),
            y0: all.y0.min(y),
            x1: all.x1.max(x),
            y1: all.y1.max(y),
        },
    )
}

/// The directions of a page, the one with most glyphs first.
pub(super) fn by_weight(glyphs: &[Glyph]) -> Vec<Direction> {
    let mut counts: Vec<(Direction, usize)> = Vec::new();
    for glyph in glyphs {
        match counts
            .iter_mut()
            .find(|(direction, _)| *direction == glyph.direction)
        {
            Some((_, count)) => *count += 1,
            None => counts.push((glyph.direction, 1)),
        }
    }
    counts.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then(a.cmp(b)));
    counts.into_iter().map(|(direction, _)| direction).collect()
}

/// Finds East Asian characters that stand below each other, as vertical writing does, and turns them into the frame
/// of [`Direction::DOWN`].
pub(in crate::text) fn find_vertical_writing(glyphs: &mut [Glyph]) {
    let stands_below = |upper: &Glyph, lower: &Glyph| {
        let upright = Direction::default();
        let middle = |glyph: &Glyph| (glyph.x0 + glyph.x1) / 2.0;
        upper.direction == upright
            && lower.direction == upright
            && is_ideographic(upper.ch)
            && is_ideographic(lower.ch)
            && (middle(upper) - middle(lower)).abs() < 0.3 * upper.size
            && (0.6..1.6).contains(&((lower.baseline - upper.baseline) / upper.size.max(0.1)))
    };
    let mut start = 0;
    while start < glyphs.len() {
        let mut end = start + 1;
        while end < glyphs.len() && stands_below(&glyphs[end - 1], &glyphs[end]) {
            end += 1;
        }
        if end - start >= 3 {
            for glyph in &mut glyphs[start..end] {
                turn_down(glyph);
            }
        }
        start = end;
    }
}

/// Turns an upright glyph of vertical writing into the frame of [`Direction::DOWN`].
pub(in crate::text) fn turn_down(glyph: &mut Glyph) {
    if glyph.direction != Direction::default() {
        return;
    }
    let seen = Rect {
        x0: glyph.x0,
        y0: glyph.top,
        x1: glyph.x1,
        y1: glyph.bottom,
    };
    let turned = Direction::DOWN.rect_to_frame(seen);
    glyph.direction = Direction::DOWN;
    glyph.x0 = turned.x0;
    glyph.x1 = turned.x1;
    glyph.top = turned.y0;
    glyph.bottom = turned.y1;
    glyph.baseline = turned.y0 + 0.8 * (turned.y1 - turned.y0);
}

/// Whether a character is written without spaces between words: Han, kana, their punctuation and full width forms.
/// Hangul is not: Korean has spaces.
pub(in crate::text) fn is_ideographic(ch: char) -> bool {
    matches!(u32::from(ch),
        0x2E80..=0x30FF | 0x3100..=0x312F | 0x31A0..=0x31FF | 0x3200..=0x4DBF | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF | 0xFE30..=0xFE4F | 0xFF00..=0xFFEF | 0x20000..=0x3FFFF)
}
