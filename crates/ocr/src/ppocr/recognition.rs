//! What a line says: a network gives for each step along the line how likely each character stands there, or none, and
//! the likeliest of each step, told once as long as it lasts, are the line (connectionist temporal classification, greedy).

use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use super::detection::normalised;
use super::geometry::OrientedBox;
use super::network::Network;
use crate::OcrError;
use crate::image::Canvas;

/// Height of the image of a line, in pixels.
const HEIGHT: usize = 48;

/// Narrower ones are padded to this, which the network was trained with; wider ones than the other are squeezed, so that
/// memory is bounded: lines of a page of A4 have some two thousand.
const NARROWEST: usize = 320;
const WIDEST: usize = 3_200;

/// A line that is so many times as high as it is long runs from top to bottom.
const UPRIGHT: f32 = 1.5;

/// Under which name the file of the network lists its characters, one a line.
const CHARACTERS: &str = "character";

/// Pixels of a line's image that differ from its paper by this part of the largest difference are ink.
const INK: f32 = 0.4;

/// A line whose pixels differ by less has no ink that could be told.
const FAINT: f32 = 24.0;

/// Fewer ink pixels in a column or a row are specks, and so is a smaller part of a row.
const SPECKS: usize = 2;
const SPECKLED: f32 = 0.02;

/// The characters that a network knows, by the number of their class.
#[derive(Debug)]
pub(super) struct Characters(Vec<String>);

impl Characters {
    /// Those that the network's file lists. The first class is none of them, and the one behind them is a blank.
    ///
    /// # Errors
    /// [`OcrError::BadNetwork`].
    pub(super) fn of(network: &Network) -> Result<Self, OcrError> {
        let listed = network.metadata(CHARACTERS).unwrap_or_default();
        let characters: Vec<String> = listed.lines().map(str::to_owned).collect();
        match characters.is_empty() {
            false => Ok(Self(characters)),
            true => Err(network.bad("it lists no characters".to_owned())),
        }
    }

    /// How many classes a network of these has.
    fn classes(&self) -> usize {
        self.0.len() + 2
    }

    /// What a class stands for; `None` for that of no character.
    fn class(&self, class: usize) -> Option<&str> {
        match class.checked_sub(1)? {
            place if place < self.0.len() => Some(&self.0[place]),
            _ => Some(" "),
        }
    }
}

/// A character of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sign {
    pub(super) text: String,
    /// Where its middle is, in steps from the beginning.
    pub(super) at: f32,
    /// 0 to 1.
    pub(super) confidence: f32,
}

/// A word of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LineWord {
    pub(super) text: String,
    /// Left, top, right, bottom, in pixels of the image.
    pub(super) bounds: [f32; 4],
    /// 0 to 1.
    pub(super) confidence: f32,
}

/// A line that was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) words: Vec<LineWord>,
}

/// Reads a line of an image.
///
/// # Errors
/// [`OcrError::BadNetwork`].
pub(super) fn read(
    network: &Network,
    characters: &Characters,
    image: &Canvas,
    place: &OrientedBox,
) -> Result<Line, OcrError> {
    let strip = Strip::of(image, place);
    let width = strip.canvas.width;
    let padded = width.max(NARROWEST);
    let mut plane = vec![0.0; padded * HEIGHT];
    for (row, values) in plane.chunks_exact_mut(padded).enumerate() {
        for (value, grey) in values.iter_mut().zip(strip.canvas.row(row)) {
            *value = normalised(*grey);
        }
    }
    let input = NdTensor::from_data([1, 3, HEIGHT, padded], plane.repeat(3));
    let likely: NdTensor<f32, 3> = network.run(input)?;
    let [_, steps, classes] = likely.shape();
    if classes != characters.classes() {
        let wanted = characters.classes();
        return Err(network.bad(format!(
            "it has {classes} classes and lists characters for {wanted}"
        )));
    }
    let likely = likely.to_vec();
    let best = likely.chunks_exact(classes.max(1)).map(|step| {
        let best = step.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        best.map_or((0, 0.0), |(class, likely)| (class, *likely))
    });
    let signs = collapsed(best, |class| characters.class(class));
    let pixels_a_step = padded as f32 / steps.max(1) as f32;
    Ok(strip.line(&signs, pixels_a_step))
}

/// The characters of a row of steps, of each of which the likeliest class is known and how likely that is: a class that
/// goes on is one character, and the class 0 is none.
pub(super) fn collapsed<'a>(
    best: impl Iterator<Item = (usize, f32)>,
    class: impl Fn(usize) -> Option<&'a str>,
) -> Vec<Sign> {
    let mut signs: Vec<Sign> = Vec::new();
    let mut before = 0;
    // The steps of the last sign so far, and the sum of their places.
    let (mut steps, mut places) = (0.0, 0.0);
    for (step, (at, likely)) in best.enumerate() {
        let middle = step as f32 + 0.5;
        let goes_on = at == before;
        before = at;
        let Some(text) = class(at) else {
            continue;
        };
        match signs.last_mut() {
            Some(last) if goes_on => {
                (steps, places) = (steps + 1.0, places + middle);
                last.at = places / steps;
                last.confidence = last.confidence.max(likely);
            }
            _ => {
                (steps, places) = (1.0, middle);
                signs.push(Sign {
                    text: text.to_owned(),
                    at: middle,
                    confidence: likely,
                });
            }
        }
    }
    signs
}

/// The image of a line, level and of the network's height.
struct Strip<'a> {
    canvas: Canvas,
    place: &'a OrientedBox,
    /// Whether the line runs from top to bottom, and was turned to the left.
    is_upright: bool,
}

impl<'a> Strip<'a> {
    fn of(image: &Canvas, place: &'a OrientedBox) -> Self {
        let is_upright = place.height >= UPRIGHT * place.length;
        let [length, height] = match is_upright {
            true => [place.height, place.length],
            false => [place.length, place.height],
        };
        let ratio = length / height.max(1.0);
        let width = ((HEIGHT as f32 * ratio).ceil() as usize).clamp(1, WIDEST);
        let mut canvas = Canvas::white(width, HEIGHT);
        let (across, along) = (height / HEIGHT as f32, length / width as f32);
        // Of a line that is larger than its image, each pixel is the mean of several.
        let samples = [along, across].map(|step| (step.round() as usize).clamp(1, 8));
        for y in 0..HEIGHT {
            for x in 0..width {
                let mut sum = 0.0;
                for sample in 0..samples[0] * samples[1] {
                    let part = |at: usize, of: usize| (at as f32 + 0.5) / of as f32;
                    let s = (x as f32 + part(sample % samples[0], samples[0])) * along;
                    let t = (y as f32 + part(sample / samples[0], samples[1])) * across;
                    let [px, py] = match is_upright {
                        true => place.point(place.length - t, s),
                        false => place.point(s, t),
                    };
                    sum += image.between(px - 0.5, py - 0.5);
                }
                canvas.row_mut(y)[x] = (sum / (samples[0] * samples[1]) as f32) as u8;
            }
        }
        Self {
            canvas,
            place,
            is_upright,
        }
    }

    /// The words of it.
    fn line(&self, signs: &[Sign], pixels_a_step: f32) -> Line {
        let ink = self.ink();
        let mut words = Vec::new();
        let mut rest = signs;
        let mut left = 0.0;
        while !rest.is_empty() {
            let end = rest.iter().position(is_blank);
            let (word, others) = rest.split_at(end.unwrap_or(rest.len()));
            let blanks = others.iter().take_while(|sign| is_blank(sign)).count();
            rest = &others[blanks..];
            // The word's place ends in the gap.
            let right = match (word.last().or(others.first()), others.first(), rest.first()) {
                (Some(last), Some(blank), Some(next)) => {
                    let gap = ink.gap(last.at * pixels_a_step, next.at * pixels_a_step);
                    gap.unwrap_or(blank.at * pixels_a_step)
                }
                _ => self.canvas.width as f32,
            };
            if !word.is_empty() {
                let bounds = self.bounds_of(&ink, [left, right]);
                let sum: f32 = word.iter().map(|sign| sign.confidence).sum();
                words.push(LineWord {
                    text: word.iter().map(|sign| sign.text.as_str()).collect(),
                    bounds,
                    confidence: sum / word.len() as f32,
                });
            }
            left = right;
        }
        Line { words }
    }

    /// Where the ink between two columns of the strip is in the image.
    fn bounds_of(&self, ink: &Ink, [left, right]: [f32; 2]) -> [f32; 4] {
        let width = self.canvas.width;
        let left = (left.max(0.0) as usize).min(width - 1);
        let right = (right.max(0.0) as usize).clamp(left + 1, width);
        let columns = ink.columns(left, right);
        let rows = ink.rows(columns[0] as usize, columns[1] as usize);
        let (length, height) = match self.is_upright {
            true => (self.place.height, self.place.length),
            false => (self.place.length, self.place.height),
        };
        let along = columns.map(|x| x / width as f32 * length);
        let across = rows.map(|y| y / HEIGHT as f32 * height);
        match self.is_upright {
            true => {
                let [near, far] = across;
                self.place.bounds_of([height - far, height - near], along)
            }
            false => self.place.bounds_of(along, across),
        }
    }

    fn ink(&self) -> Ink {
        let mut sorted = self.canvas.pixels.clone();
        let middle = sorted.len() / 2;
        let paper = f32::from(*sorted.select_nth_unstable(middle).1);
        let differs = |grey: &u8| (f32::from(*grey) - paper).abs();
        let most = self.canvas.pixels.iter().map(differs).fold(0.0, f32::max);
        let least = match most < FAINT {
            true => f32::MAX,
            false => most * INK,
        };
        Ink {
            width: self.canvas.width,
            is_ink: self
                .canvas
                .pixels
                .iter()
                .map(|grey| differs(grey) >= least)
                .collect(),
        }
    }
}

fn is_blank(sign: &Sign) -> bool {
    sign.text.chars().all(char::is_whitespace)
}

/// Which pixels of a strip are ink.
struct Ink {
    width: usize,
    is_ink: Vec<bool>,
}

impl Ink {
    /// From the first to behind the last row with ink between two columns; all rows where there is none.
    fn rows(&self, left: usize, right: usize) -> [f32; 2] {
        let least = SPECKS.max(((right - left) as f32 * SPECKLED) as usize);
        let inked = |row: &usize| {
            let row = &self.is_ink[row * self.width..][left..right];
            row.iter().filter(|is_ink| **is_ink).count() >= least
        };
        extent(0..HEIGHT, inked)
    }

    /// From the first to behind the last column with ink between two columns; these where there is none.
    fn columns(&self, left: usize, right: usize) -> [f32; 2] {
        extent(left..right, |column| self.has_ink(*column))
    }

    fn has_ink(&self, column: usize) -> bool {
        let rows = (0..HEIGHT).filter(|row| self.is_ink[row * self.width + column]);
        rows.count() >= SPECKS
    }

    /// The middle of the widest gap between two places, where there is one.
    fn gap(&self, from: f32, to: f32) -> Option<f32> {
        let columns: Vec<usize> = (from as usize..(to as usize).min(self.width)).collect();
        let runs = columns.chunk_by(|one, other| self.has_ink(*one) == self.has_ink(*other));
        let gaps = runs.filter(|run| !self.has_ink(run[0]));
        let widest = gaps.max_by_key(|run| run.len())?;
        Some((widest[0] + widest[widest.len() - 1] + 1) as f32 / 2.0)
    }
}

fn extent(range: std::ops::Range<usize>, is_in: impl Fn(&usize) -> bool) -> [f32; 2] {
    let first = range.clone().find(&is_in);
    let last = range.clone().rev().find(&is_in);
    match (first, last) {
        (Some(first), Some(last)) => [first as f32, (last + 1) as f32],
        _ => [range.start as f32, range.end as f32],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_goes_on_is_one_character_and_none_between_two_parts_them() {
        let characters = ["a", "b"];
        let class = |class: usize| match class {
            0 => None,
            3 => Some(" "),
            class => Some(characters[class - 1]),
        };
        // a a - a b b _ b
        let best = [1, 1, 0, 1, 2, 2, 3, 2].into_iter();
        let likely = [0.5, 0.9, 1.0, 0.8, 0.7, 0.6, 0.9, 1.0];
        let signs = collapsed(best.zip(likely), class);
        let text: String = signs.iter().map(|sign| sign.text.as_str()).collect();
        assert_eq!(text, "aab b");
        let places: Vec<f32> = signs.iter().map(|sign| sign.at).collect();
        assert_eq!(places, [1.0, 3.5, 5.0, 6.5, 7.5]);
        assert_eq!((signs[0].confidence, signs[2].confidence), (0.9, 0.7));
        assert_eq!(collapsed([(0, 1.0); 3].into_iter(), class), []);
    }

    #[test]
    fn the_first_class_is_no_character_and_the_last_a_blank() {
        let characters = Characters(vec!["水".to_owned(), "車".to_owned()]);
        assert_eq!(characters.classes(), 4);
        let classes: Vec<_> = (0..4).map(|class| characters.class(class)).collect();
        assert_eq!(classes, [None, Some("水"), Some("車"), Some(" ")]);
    }

    /// An image of black rectangles on white.
    fn image(width: usize, height: usize, black: &[[usize; 4]]) -> Canvas {
        let mut canvas = Canvas::white(width, height);
        for [x0, y0, x1, y1] in black {
            for y in *y0..*y1 {
                canvas.row_mut(y)[*x0..*x1].fill(0);
            }
        }
        canvas
    }

    fn sign(text: &str, at: f32) -> Sign {
        Sign {
            text: text.to_owned(),
            at,
            confidence: 0.5,
        }
    }

    fn is_near(found: [f32; 4], wanted: [f32; 4]) -> bool {
        (0..4).all(|edge| (found[edge] - wanted[edge]).abs() <= 1.5)
    }

    #[test]
    fn words_have_the_boxes_of_their_ink() {
        // A line from (100, 50) to (388, 98), so that a pixel of it is one of its image: two words.
        let black = [[110, 60, 180, 90], [200, 66, 300, 94]];
        let canvas = image(500, 200, &black);
        let place = OrientedBox {
            centre: [244.0, 74.0],
            length: 288.0,
            height: 48.0,
            angle: 0.0,
        };
        let strip = Strip::of(&canvas, &place);
        assert_eq!((strip.canvas.width, strip.canvas.height), (288, HEIGHT));
        // A step is eight pixels: the words end at 80 and begin at 100, wherever the middles of their letters are.
        let signs = [
            sign("to", 5.0),
            sign(" ", 11.0),
            sign("be", 14.0),
            sign(" ", 30.0),
        ];
        let words = strip.line(&signs, 8.0).words;
        let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["to", "be"]);
        for (word, [x0, y0, x1, y1]) in words.iter().zip(black) {
            let wanted = [x0, y0, x1, y1].map(|edge| edge as f32);
            assert!(is_near(word.bounds, wanted), "{word:?}: {wanted:?}");
        }
    }

    #[test]
    fn a_line_from_top_to_bottom_is_turned_and_its_words_stand_upright() {
        // Two characters of a column, the upper one further to the right.
        let black = [[108, 60, 138, 90], [102, 140, 130, 170]];
        let canvas = image(300, 400, &black);
        let place = OrientedBox {
            centre: [124.0, 124.0],
            length: 48.0,
            height: 148.0,
            angle: 0.0,
        };
        let strip = Strip::of(&canvas, &place);
        assert_eq!((strip.canvas.width, strip.canvas.height), (148, HEIGHT));
        let signs = [sign("上", 3.0), sign(" ", 8.0), sign("下", 13.0)];
        let words = strip.line(&signs, 8.0).words;
        for (word, [x0, y0, x1, y1]) in words.iter().zip(black) {
            let wanted = [x0, y0, x1, y1].map(|edge| edge as f32);
            assert!(is_near(word.bounds, wanted), "{word:?}: {wanted:?}");
        }
        assert_eq!(words.len(), 2);
    }

    #[test]
    fn a_line_without_ink_keeps_the_box_of_its_steps() {
        let canvas = image(300, 100, &[]);
        let place = OrientedBox {
            centre: [124.0, 50.0],
            length: 200.0,
            height: 48.0,
            angle: 0.0,
        };
        let words = Strip::of(&canvas, &place)
            .line(&[sign("x", 3.0)], 8.0)
            .words;
        assert!(
            is_near(words[0].bounds, [24.0, 26.0, 224.0, 74.0]),
            "{words:?}"
        );
    }
}
