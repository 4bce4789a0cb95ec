//! Where the lines of a page are: a network tells of each pixel how likely it is part of a line, shrunk to its middle
//! (differentiable binarisation, Liao et al., 2020), and what is connected becomes a box.

use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use super::geometry::{Component, OrientedBox, box_at, components, least_box};
use super::network::Network;
use crate::OcrError;
use crate::image::Canvas;

/// Sides of what the network sees are multiples of this.
const STRIDE: usize = 32;

/// Longer side of what the network sees, at most and at least, in pixels: lines of eight points on A4 are still apart, and
/// memory is bounded. A smaller picture is enlarged, up to so many times.
const LONGEST: usize = 1_280;
const SHORTEST: usize = 320;
const MOST_ENLARGED: f32 = 2.0;

/// A pixel is part of a line from this probability on, and a part is a line from this mean on.
const LIKELY: f32 = 0.3;
const SURE: f32 = 0.6;

/// A line's box is the shrunk one and so many times its area, divided by its circumference, on each side.
const UNCLIP: f32 = 1.6;

/// Smaller parts are specks, in pixels of what the network sees.
const SMALLEST: f32 = 3.0;

/// More lines of a page are a pattern.
const MOST_LINES: usize = 1_000;

/// A part that is so many times as long as it is high says at which angle it stands; others stand as these do.
const LONG: f32 = 5.0;

/// The lines of an image, from the top, in its pixels.
///
/// # Errors
/// [`OcrError::BadNetwork`].
pub(super) fn lines(network: &Network, image: &Canvas) -> Result<Vec<OrientedBox>, OcrError> {
    let size = [image.width, image.height];
    let [width, height] = seen_size(size);
    let small = image.resized(width, height);
    let plane = small.pixels.iter().map(|grey| normalised(*grey));
    let plane: Vec<f32> = plane.collect();
    let input = NdTensor::from_data([1, 3, height, width], plane.repeat(3));
    let map = network.run(input)?;
    let [_, _, rows, columns] = map.shape();
    let map = map.to_vec();
    let scale = [
        image.width as f32 / columns as f32,
        image.height as f32 / rows as f32,
    ];
    let found = components(&map, columns, LIKELY, MOST_LINES);
    Ok(boxes(found).map(|found| found.scaled(scale)).collect())
}

/// How many pixels of an image the network sees, on which depends how long it takes.
pub(super) fn seen_pixels(image: &Canvas) -> usize {
    let [width, height] = seen_size([image.width, image.height]);
    width * height
}

/// What a network is given for a grey value: -1 to 1.
pub(super) fn normalised(grey: u8) -> f32 {
    f32::from(grey) / 127.5 - 1.0
}

/// The size at which an image is looked at.
fn seen_size([width, height]: [usize; 2]) -> [usize; 2] {
    let longer = width.max(height) as f32;
    let scale = (LONGEST as f32 / longer).min(1.0);
    let scale = scale.max((SHORTEST as f32 / longer).min(MOST_ENLARGED));
    [width, height].map(|side| {
        let strides = (side as f32 * scale / STRIDE as f32).round() as usize;
        strides.max(1) * STRIDE
    })
}

/// The boxes of those parts that are lines.
fn boxes(found: Vec<Component>) -> impl Iterator<Item = OrientedBox> {
    let sure = found.into_iter().filter(|part| part.score >= SURE);
    let found: Vec<(Component, OrientedBox)> = sure
        .map(|part| {
            let least = least_box(&part.hull);
            (part, least)
        })
        .filter(|(_, least)| least.length.min(least.height) >= SMALLEST)
        .collect();
    let level = page_angle(found.iter().map(|(_, least)| least));
    found.into_iter().map(move |(part, least)| {
        // The least box around a short word may stand at any angle.
        let is_long = least.length >= LONG * least.height;
        let line = if is_long {
            least
        } else {
            box_at(&part.hull, level)
        };
        let margin = line.length * line.height * UNCLIP / (2.0 * (line.length + line.height));
        line.grown(margin)
    })
}

/// At which angle most of the text stands: the median by length.
fn page_angle<'a>(boxes: impl Iterator<Item = &'a OrientedBox>) -> f32 {
    let long = boxes.filter(|found| found.length >= LONG * found.height);
    let mut angles: Vec<[f32; 2]> = long.map(|found| [found.angle, found.length]).collect();
    angles.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let whole: f32 = angles.iter().map(|[_, length]| length).sum();
    let mut passed = 0.0;
    let median = angles.iter().find(|[_, length]| {
        passed += length;
        passed >= whole / 2.0
    });
    median.map_or(0.0, |[angle, _]| *angle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_bounded_and_in_strides() {
        // A4 at 300 dpi, a banner, and a small picture, which is enlarged.
        assert_eq!(seen_size([2_480, 3_508]), [896, 1_280]);
        assert_eq!(seen_size([30_000, 200]), [1_280, 32]);
        assert_eq!(seen_size([100, 40]), [192, 96]);
        assert_eq!(seen_size([600, 400]), [608, 416]);
    }

    #[test]
    fn white_is_one_and_black_is_less_by_two() {
        assert_eq!((normalised(255), normalised(0)), (1.0, -1.0));
    }

    fn part(line: OrientedBox, score: f32) -> Component {
        let corners = [
            (0.0, 0.0),
            (line.length, 0.0),
            (line.length, line.height),
            (0.0, line.height),
        ];
        Component {
            hull: corners
                .map(|(along, across)| line.point(along, across))
                .to_vec(),
            score,
        }
    }

    #[test]
    fn a_line_keeps_its_angle_a_word_gets_that_of_the_lines_and_a_doubtful_part_is_none() {
        let line = |length: f32, degrees: f32| OrientedBox {
            centre: [300.0, 100.0],
            length,
            height: 10.0,
            angle: degrees.to_radians(),
        };
        let found = vec![
            part(line(400.0, 1.0), 0.9),
            part(line(200.0, 2.0), 0.9),
            part(line(20.0, 20.0), 0.9),
            part(line(300.0, 1.0), 0.4),
        ];
        let found: Vec<OrientedBox> = boxes(found).collect();
        let angles: Vec<i32> = found
            .iter()
            .map(|line| line.angle.to_degrees().round() as i32)
            .collect();
        assert_eq!(angles, [1, 2, 1]);
        // Grown by 1.6 times the area over the circumference.
        let margin = 400.0 * 10.0 * 1.6 / 820.0;
        assert!(
            (found[0].height - 10.0 - 2.0 * margin).abs() < 0.1,
            "{found:?}"
        );
        assert!(
            (found[0].length - 400.0 - 2.0 * margin).abs() < 0.1,
            "{found:?}"
        );
    }
}
