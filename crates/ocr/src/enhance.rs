//! Takes away what scanners, faxes and cameras leave on a page: uneven light, dust, a crooked page.
//!
//! Only the reader sees the result; what is kept of the page is its own image. Each step is taken where it is needed:
//! a clean page is read as it is, as every step costs some sharpness.

use serde::{Deserialize, Serialize};

use crate::image::Canvas;

/// Side of the blocks that the light is measured in, in pixels: wider than a stroke, narrower than a shadow.
const LIGHT_BLOCK: usize = 8;
/// Blocks on each side whose median is a block's light: a letter is taken for paper by none of them.
const LIGHT_REACH: usize = 3;
/// Paper that is lighter than this everywhere needs no correction.
const LIGHT_ENOUGH: u8 = 240;

/// Side of the blocks that noise is measured in.
const NOISE_BLOCK: usize = 16;
/// A block of this mean is paper.
const PAPER: f32 = 200.0;
/// Standard deviation of grey values on bare paper from which on a page counts as noisy.
const NOISY: f32 = 5.0;

/// Crooked pages are looked at in an image of about so many columns.
const SKEW_COLUMNS: usize = 1000;
/// Largest angle that is looked for, in degrees.
const SKEW_MAX: f32 = 3.0;
/// Steps of the first and the second search.
const SKEW_STEPS: [f32; 2] = [0.25, 0.05];
/// Smaller angles do not hurt.
const SKEW_MIN: f32 = 0.15;
/// By how much lines must be sharper when turned, for a page to count as crooked.
const SKEW_GAIN: f32 = 1.1;

/// By how much a page was turned to be read: its lines are level then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Counter-clockwise.
    pub degrees: f32,
    /// What it was turned around, in pixels.
    pub centre: [f32; 2],
}

impl Turn {
    pub(crate) const NONE: Self = Self {
        degrees: 0.0,
        centre: [0.0; 2],
    };

    /// Where a box of the turned image (left, top, right, bottom) is in the image as it came, both in pixels.
    pub fn back(self, bounds: [f32; 4]) -> [f32; 4] {
        if self.degrees == 0.0 {
            return bounds;
        }
        let [x0, y0, x1, y1] = bounds;
        // The middle is moved and the size stays: a letter is no larger for standing askew.
        let [x, y] = self.source([(x0 + x1) / 2.0, (y0 + y1) / 2.0]);
        let (half_width, half_height) = ((x1 - x0) / 2.0, (y1 - y0) / 2.0);
        [
            x - half_width,
            y - half_height,
            x + half_width,
            y + half_height,
        ]
    }

    /// The place in the image as it came of a place in the turned one.
    fn source(self, [x, y]: [f32; 2]) -> [f32; 2] {
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let [cx, cy] = self.centre;
        let (dx, dy) = (x - cx, y - cy);
        [cx + dx * cos - dy * sin, cy + dx * sin + dy * cos]
    }
}

/// The image as the reader is to see it, and by how much it was turned.
pub(crate) fn enhanced(image: Canvas) -> (Canvas, Turn) {
    let image = even_light(image);
    let image = match noise(&image) > NOISY {
        true => median(&image),
        false => image,
    };
    let skew = skew(&image);
    made_level(image, skew)
}

/// The image with its lines level and nothing else changed, and by how much it was turned.
#[cfg(feature = "ppocr")]
pub(crate) fn levelled(image: Canvas) -> (Canvas, Turn) {
    let skew = skew(&even_light(image.clone()));
    made_level(image, skew)
}

fn made_level(image: Canvas, skew: Option<f32>) -> (Canvas, Turn) {
    match skew {
        Some(degrees) => {
            let turn = Turn {
                degrees,
                centre: [image.width as f32 / 2.0, image.height as f32 / 2.0],
            };
            (turned(&image, turn), turn)
        }
        None => (image, Turn::NONE),
    }
}

/// Divides by the light: shadows and grey paper become white.
fn even_light(mut image: Canvas) -> Canvas {
    let light = local_median(&image.lightest(LIGHT_BLOCK), LIGHT_REACH);
    if light.pixels.iter().all(|value| *value >= LIGHT_ENOUGH) {
        return image;
    }
    let width = image.width;
    for y in 0..image.height {
        for x in 0..width {
            let place = |pixel: usize| (pixel as f32 + 0.5) / LIGHT_BLOCK as f32 - 0.5;
            let paper = light.between(place(x), place(y)).max(1.0);
            let value = &mut image.pixels[y * width + x];
            *value = (f32::from(*value) * 255.0 / paper).min(255.0) as u8;
        }
    }
    image
}

/// The median of each pixel's neighbourhood of `reach` pixels on each side.
fn local_median(image: &Canvas, reach: usize) -> Canvas {
    let mut result = image.clone();
    let mut values = Vec::with_capacity((2 * reach + 1).pow(2));
    for y in 0..image.height {
        for x in 0..image.width {
            values.clear();
            let rows = y.saturating_sub(reach)..(y + reach + 1).min(image.height);
            let columns = x.saturating_sub(reach)..(x + reach + 1).min(image.width);
            for row in rows {
                values.extend_from_slice(&image.row(row)[columns.clone()]);
            }
            let middle = values.len() / 2;
            result.row_mut(y)[x] = *values.select_nth_unstable(middle).1;
        }
    }
    result
}

/// How much grey values differ on bare paper: the first quartile of the standard deviations of blocks that are mostly
/// paper, as even a dense page has so many without a letter.
fn noise(image: &Canvas) -> f32 {
    let mut deviations = Vec::new();
    for top in (0..image.height.saturating_sub(NOISE_BLOCK)).step_by(NOISE_BLOCK) {
        for left in (0..image.width.saturating_sub(NOISE_BLOCK)).step_by(NOISE_BLOCK) {
            let (mut sum, mut squares) = (0.0f32, 0.0f32);
            for y in top..top + NOISE_BLOCK {
                for value in &image.row(y)[left..left + NOISE_BLOCK] {
                    let value = f32::from(*value);
                    sum += value;
                    squares += value * value;
                }
            }
            let count = (NOISE_BLOCK * NOISE_BLOCK) as f32;
            let mean = sum / count;
            if mean >= PAPER {
                deviations.push((squares / count - mean * mean).max(0.0).sqrt());
            }
        }
    }
    if deviations.is_empty() {
        return 0.0;
    }
    let quarter = deviations.len() / 4;
    *deviations.select_nth_unstable_by(quarter, f32::total_cmp).1
}

/// The median of 3 × 3 pixels; edges stay.
fn median(image: &Canvas) -> Canvas {
    let mut result = image.clone();
    if image.width < 3 || image.height < 3 {
        return result;
    }
    for y in 1..image.height - 1 {
        let rows = [image.row(y - 1), image.row(y), image.row(y + 1)];
        let width = image.width;
        let row = &mut result.pixels[y * width..][1..width - 1];
        for (pixel, x) in row.iter_mut().zip(1..) {
            *pixel = median_of_nine(rows, x);
        }
    }
    result
}

/// By sorting each column of three, the median is that of the greatest lowest, the middle middle and the lowest
/// greatest.
fn median_of_nine(rows: [&[u8]; 3], x: usize) -> u8 {
    let column = |at: usize| {
        let (a, b, c) = (rows[0][at], rows[1][at], rows[2][at]);
        let (low, high) = (a.min(b), a.max(b));
        (low.min(c), low.max(high.min(c)), high.max(c))
    };
    let (one, two, three) = (column(x - 1), column(x), column(x + 1));
    let middle = |a: u8, b: u8, c: u8| a.max(b).min(a.min(b).max(c));
    middle(
        one.0.max(two.0).max(three.0),
        middle(one.1, two.1, three.1),
        one.2.min(two.2).min(three.2),
    )
}

/// By how many degrees the page's lines are off the level, where they plainly are.
fn skew(image: &Canvas) -> Option<f32> {
    let factor = (image.width / SKEW_COLUMNS).max(1);
    let small = image.shrunk(factor);
    let ink: Vec<[f32; 2]> = (0..small.height)
        .flat_map(|y| {
            let row = small.row(y);
            let dark = (0..row.len()).filter(|x| row[*x] < 128);
            dark.map(move |x| [x as f32, y as f32])
        })
        .collect();
    if ink.len() < SKEW_COLUMNS {
        return None;
    }
    let sharpness = |degrees: f32| sharpness(&ink, small.height, small.width, degrees);
    let level = sharpness(0.0);
    let mut best = (0.0, level);
    let mut around = (0.0, SKEW_MAX);
    for step in SKEW_STEPS {
        let steps = (around.1 / step).round() as i32;
        for at in -steps..=steps {
            let degrees = around.0 + at as f32 * step;
            let found = sharpness(degrees);
            if found > best.1 {
                best = (degrees, found);
            }
        }
        around = (best.0, step);
    }
    let (degrees, found) = best;
    (degrees.abs() >= SKEW_MIN && degrees.abs() <= SKEW_MAX && found > level * SKEW_GAIN)
        .then_some(degrees)
}

/// How sharply lines of text stand out when the page is turned by an angle: the sum over rows of the squared change of
/// their ink.
fn sharpness(ink: &[[f32; 2]], height: usize, width: usize, degrees: f32) -> f32 {
    let slope = degrees.to_radians().tan();
    let margin = (width as f32 * slope.abs()).ceil() as usize + 1;
    let mut rows = vec![0.0f32; height + 2 * margin];
    for [x, y] in ink {
        let row = y - x * slope + margin as f32;
        if let Some(count) = rows.get_mut(row.round().max(0.0) as usize) {
            *count += 1.0;
        }
    }
    rows.windows(2)
        .map(|pair| (pair[1] - pair[0]).powi(2))
        .sum()
}

/// The image turned, white where there was nothing.
fn turned(image: &Canvas, turn: Turn) -> Canvas {
    let mut result = Canvas::white(image.width, image.height);
    let (width, height) = (image.width as isize, image.height as isize);
    let pixel = |x: isize, y: isize| match (0..width).contains(&x) && (0..height).contains(&y) {
        true => f32::from(image.pixels[(y * width + x) as usize]),
        false => 255.0,
    };
    for y in 0..image.height {
        for x in 0..image.width {
            let [from_x, from_y] = turn.source([x as f32, y as f32]);
            let (left, top) = (from_x.floor(), from_y.floor());
            let (across, down) = (from_x - left, from_y - top);
            let (left, top) = (left as isize, top as isize);
            let upper = pixel(left, top) * (1.0 - across) + pixel(left + 1, top) * across;
            let lower = pixel(left, top + 1) * (1.0 - across) + pixel(left + 1, top + 1) * across;
            result.row_mut(y)[x] = (upper * (1.0 - down) + lower * down) as u8;
        }
    }
    result
}

#[cfg(test)]
mod tests;
