//! Where lines of text stand: oriented boxes around the connected parts of a map of probabilities.

/// A point, in pixels.
pub(super) type Point = [f32; 2];

/// A rectangle that may stand askew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OrientedBox {
    pub(crate) centre: Point,
    /// Along the text, in pixels.
    pub(crate) length: f32,
    /// Across the text, in pixels.
    pub(crate) height: f32,
    /// By how much the text descends to the right, in radians, -π/4 to π/4.
    pub(crate) angle: f32,
}

impl OrientedBox {
    /// The unit vector along the text.
    pub(super) fn along(&self) -> Point {
        let (sin, cos) = self.angle.sin_cos();
        [cos, sin]
    }

    /// The unit vector across the text, downwards.
    pub(super) fn across(&self) -> Point {
        let (sin, cos) = self.angle.sin_cos();
        [-sin, cos]
    }

    /// The point that lies so far along and across from the upper left corner.
    pub(super) fn point(&self, along: f32, across: f32) -> Point {
        let (u, v) = (self.along(), self.across());
        let (s, t) = (along - self.length / 2.0, across - self.height / 2.0);
        [
            self.centre[0] + s * u[0] + t * v[0],
            self.centre[1] + s * u[1] + t * v[1],
        ]
    }

    /// The upright box around a part of it, from and to so far along and across: left, top, right, bottom.
    pub(super) fn bounds_of(&self, along: [f32; 2], across: [f32; 2]) -> [f32; 4] {
        // The middle is moved and the size stays: a letter is no larger for standing askew.
        let middle = |range: [f32; 2]| (range[0] + range[1]) / 2.0;
        let half = |range: [f32; 2]| (range[1] - range[0]) / 2.0;
        let [x, y] = self.point(middle(along), middle(across));
        let (width, height) = (half(along), half(across));
        [x - width, y - height, x + width, y + height]
    }

    /// This, larger by `margin` on each side.
    pub(super) fn grown(self, margin: f32) -> Self {
        Self {
            length: self.length + 2.0 * margin,
            height: self.height + 2.0 * margin,
            ..self
        }
    }

    /// This in an image that is so many times as wide and as high.
    pub(super) fn scaled(self, [x, y]: [f32; 2]) -> Self {
        // Both are nearly the same: they differ by what makes a side a multiple of the network's stride.
        let mean = (x * y).sqrt();
        Self {
            centre: [self.centre[0] * x, self.centre[1] * y],
            length: self.length * mean,
            height: self.height * mean,
            angle: self.angle,
        }
    }
}

/// A connected part of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Component {
    /// Its convex hull, in order around it.
    pub(super) hull: Vec<Point>,
    /// Mean of its probabilities.
    pub(super) score: f32,
}

/// The parts of a map (rows of `width` values) in which each value is over `threshold` and touches another one, also at a
/// corner; the first `most` of them from the top.
pub(super) fn components(map: &[f32], width: usize, threshold: f32, most: usize) -> Vec<Component> {
    let mut found = Vec::new();
    let mut is_seen = vec![false; map.len()];
    let mut open = Vec::new();
    for start in 0..map.len() {
        if is_seen[start] || map[start] <= threshold {
            continue;
        }
        if found.len() == most {
            break;
        }
        let first_row = start / width;
        // The leftmost and the rightmost pixel of each row are all that a hull is made of.
        let mut extremes: Vec<[usize; 2]> = Vec::new();
        let (mut sum, mut count) = (0.0f64, 0u32);
        is_seen[start] = true;
        open.push(start);
        while let Some(at) = open.pop() {
            let (x, y) = (at % width, at / width);
            sum += f64::from(map[at]);
            count += 1;
            // The scan meets the topmost row of a part first.
            let row = y - first_row;
            if extremes.len() <= row {
                extremes.resize(row + 1, [usize::MAX, 0]);
            }
            extremes[row] = [extremes[row][0].min(x), extremes[row][1].max(x)];
            for y in y.saturating_sub(1)..=y + 1 {
                for x in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                    let near = y * width + x;
                    if near < map.len() && !is_seen[near] && map[near] > threshold {
                        is_seen[near] = true;
                        open.push(near);
                    }
                }
            }
        }
        let rows = extremes.iter().enumerate();
        let rows = rows.filter(|(_, [left, right])| left <= right);
        let corners = rows.flat_map(|(row, [left, right])| {
            // Of the pixels' areas, and not of their middles.
            let (top, bottom) = ((first_row + row) as f32, (first_row + row + 1) as f32);
            let (left, right) = (*left as f32, (*right + 1) as f32);
            [[left, top], [left, bottom], [right, top], [right, bottom]]
        });
        found.push(Component {
            hull: convex_hull(corners.collect()),
            score: (sum / f64::from(count)) as f32,
        });
    }
    found
}

/// The convex hull by Andrew's monotone chain.
fn convex_hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let turn = |o: Point, a: Point, b: Point| {
        (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])
    };
    let half = |points: &mut dyn Iterator<Item = Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for point in points {
            while let [.., o, a] = chain[..]
                && turn(o, a, point) <= 0.0
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut hull = half(&mut points.iter().copied());
    hull.extend(half(&mut points.iter().rev().copied()));
    hull
}

/// The box of the least area around a hull, one of whose sides lies along one of the hull's.
pub(super) fn least_box(hull: &[Point]) -> OrientedBox {
    let sides = (0..hull.len()).map(|at| {
        let ([x0, y0], [x1, y1]) = (hull[at], hull[(at + 1) % hull.len()]);
        quarter(f32::atan2(y1 - y0, x1 - x0))
    });
    let boxes = sides.map(|angle| box_at(hull, angle));
    let area = |found: &OrientedBox| found.length * found.height;
    boxes
        .min_by(|a, b| area(a).total_cmp(&area(b)))
        .unwrap_or_else(|| box_at(hull, 0.0))
}

/// The angle of the side of a rectangle that is nearest to level, -π/4 to π/4.
fn quarter(angle: f32) -> f32 {
    let quarter = std::f32::consts::FRAC_PI_2;
    angle - (angle / quarter).round() * quarter
}

/// The box around a hull that stands at this angle.
pub(super) fn box_at(hull: &[Point], angle: f32) -> OrientedBox {
    let (sin, cos) = angle.sin_cos();
    let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
    for [x, y] in hull {
        for (axis, value) in [x * cos + y * sin, y * cos - x * sin]
            .into_iter()
            .enumerate()
        {
            low[axis] = low[axis].min(value);
            high[axis] = high[axis].max(value);
        }
    }
    let [s, t] = [0, 1].map(|axis| (low[axis] + high[axis]) / 2.0);
    OrientedBox {
        centre: [s * cos - t * sin, s * sin + t * cos],
        length: high[0] - low[0],
        height: high[1] - low[1],
        angle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f32, b: f32) -> bool {
        (a - b).abs() < 0.05
    }

    #[test]
    fn parts_that_touch_at_a_corner_are_one_and_the_others_are_apart() {
        #[rustfmt::skip]
        let map = [
            0.9, 0.9, 0.0, 0.0, 0.6,
            0.0, 0.0, 0.9, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.0, 0.0,
            0.4, 0.2, 0.0, 0.0, 0.0,
        ];
        let found = components(&map, 5, 0.3, 9);
        let boxes: Vec<_> = found
            .iter()
            .map(|part| box_at(&part.hull, 0.0))
            .map(|found| (found.centre, found.length, found.height))
            .collect();
        assert_eq!(
            boxes,
            [
                ([1.5, 1.0], 3.0, 2.0),
                ([4.5, 0.5], 1.0, 1.0),
                ([0.5, 3.5], 1.0, 1.0)
            ]
        );
        assert!(near(found[0].score, 0.9) && near(found[2].score, 0.4));
        assert_eq!(components(&map, 5, 0.3, 2).len(), 2);
    }

    #[test]
    fn the_least_box_stands_as_its_line_does() {
        // A line of 100 by 10 that descends by 5 degrees, around (60, 40).
        let angle = 5.0f32.to_radians();
        let line = OrientedBox {
            centre: [60.0, 40.0],
            length: 100.0,
            height: 10.0,
            angle,
        };
        let corners = [
            (0.0, 0.0),
            (100.0, 0.0),
            (100.0, 10.0),
            (0.0, 10.0),
            (50.0, 5.0),
        ];
        let hull = convex_hull(corners.map(|(s, t)| line.point(s, t)).to_vec());
        assert_eq!(hull.len(), 4);
        let found = least_box(&hull);
        assert!(near(found.angle, angle) && near(found.length, 100.0) && near(found.height, 10.0));
        assert!(near(found.centre[0], 60.0) && near(found.centre[1], 40.0));
        // Level, it is as wide and as high as what it reaches.
        let level = box_at(&hull, 0.0);
        assert!(level.length > 100.0 && level.height > 18.0, "{level:?}");
    }

    #[test]
    fn an_upright_line_is_higher_than_long() {
        let hull = [[0.0, 0.0], [8.0, 0.0], [8.0, 90.0], [0.0, 90.0]];
        let found = least_box(&hull);
        assert_eq!((found.length, found.height, found.angle), (8.0, 90.0, 0.0));
    }

    #[test]
    fn a_part_of_a_box_is_at_its_place_in_the_page() {
        let line = OrientedBox {
            centre: [50.0, 20.0],
            length: 80.0,
            height: 20.0,
            angle: 0.0,
        };
        assert_eq!(
            line.bounds_of([0.0, 40.0], [5.0, 15.0]),
            [10.0, 15.0, 50.0, 25.0]
        );
        let twice = line.grown(2.0).scaled([2.0, 2.0]);
        assert_eq!(
            (twice.centre, twice.length, twice.height),
            ([100.0, 40.0], 168.0, 48.0)
        );
    }
}
