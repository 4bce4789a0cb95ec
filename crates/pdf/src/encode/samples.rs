//! Samples as encoders take them, from PDFium's four bytes a pixel. Into buffers that are used again: to give six
//! megabytes back to the system and fault them in again costs as much as to fill them.

use super::{BYTES_PER_PIXEL, Pixels};

/// Pixels looked at before deciding whether to look further.
const PIXELS_PER_RUN: usize = 1024;

impl Pixels<'_> {
    /// Whether nothing but white is to be seen.
    pub(crate) fn all_white(&self) -> bool {
        runs(self.bgrx).all(is_white)
    }

    /// What a JPEG encoder can spare itself, found out in one pass.
    pub(super) fn look(&self) -> Look {
        let bytes = ROWS_PER_LOOK * self.width as usize * BYTES_PER_PIXEL;
        let mut grey = true;
        let white = self.bgrx.chunks(bytes.max(1)).map(|rows| {
            let mut white = true;
            for run in runs(rows) {
                white = white && is_white(run);
                grey = grey && is_grey(run);
                if !white && !grey {
                    break;
                }
            }
            white
        });
        let white = white.collect();
        Look { white, grey }
    }

    /// Fills `samples` with one sample a pixel, if no pixel has a colour; otherwise says no, and what is in `samples`
    /// has no meaning.
    pub(super) fn grey_into(&self, samples: &mut Vec<u8>) -> bool {
        samples.clear();
        samples.reserve(self.bgrx.len() / BYTES_PER_PIXEL);
        for run in runs(self.bgrx) {
            if !is_grey(run) {
                return false;
            }
            samples.extend(run.chunks_exact(BYTES_PER_PIXEL).map(|pixel| pixel[0]));
        }
        true
    }

    /// Fills `samples` with red, green and blue of each pixel.
    pub(super) fn rgb_into(&self, samples: &mut Vec<u8>) {
        samples.resize(self.bgrx.len() / BYTES_PER_PIXEL * 3, 0);
        // Four pixels make three whole words.
        let (fours, rest) = self.bgrx.as_chunks::<{ 4 * BYTES_PER_PIXEL }>();
        let (whole, end) = samples.split_at_mut(fours.len() * 12);
        for (four, to) in fours.iter().zip(whole.as_chunks_mut::<12>().0) {
            let mut rgb = pixels_of(four).map(|pixel| pixel.swap_bytes() >> 8);
            let mut next = || rgb.next().unwrap_or_default();
            let (first, second, third, fourth) = (next(), next(), next(), next());
            let words = [
                first | second << 24,
                second >> 8 | third << 16,
                third >> 16 | fourth << 8,
            ];
            for (to, word) in to.as_chunks_mut::<4>().0.iter_mut().zip(words) {
                *to = word.to_le_bytes();
            }
        }
        for (pixel, to) in pixels_of(rest).zip(end.as_chunks_mut::<3>().0) {
            *to = [(pixel >> 16) as u8, (pixel >> 8) as u8, pixel as u8];
        }
    }
}

/// Rows of pixels that [`Look`] tells about at once: as many as the smallest block of a JPEG has.
pub(super) const ROWS_PER_LOOK: usize = 8;

/// What was seen of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether there is nothing but white, for each [`ROWS_PER_LOOK`] rows of pixels.
    pub(super) white: Vec<bool>,
    /// Whether no pixel has a colour.
    pub(super) grey: bool,
}

/// Pixels in runs: a run is long enough for the compiler to take many pixels at a time, and short enough to stop soon.
fn runs(bgrx: &[u8]) -> impl Iterator<Item = &[u8]> {
    bgrx.chunks(PIXELS_PER_RUN * BYTES_PER_PIXEL)
}

/// Pixels as numbers: blue in the lowest byte, then green, red, and what has no meaning.
fn pixels_of(bgrx: &[u8]) -> impl Iterator<Item = u32> {
    bgrx.chunks_exact(BYTES_PER_PIXEL)
        .map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Whether nothing but white is in a run.
fn is_white(run: &[u8]) -> bool {
    let in_all = pixels_of(run).fold(u32::MAX, |so_far, pixel| so_far & pixel);
    in_all & 0x00ff_ffff == 0x00ff_ffff
}

/// Whether red, green and blue are the same in each pixel of a run. What tells is masked once, after the loop: inside it,
/// the mask takes eight times as long as all else.
fn is_grey(run: &[u8]) -> bool {
    let differences = pixels_of(run).fold(0, |so_far, pixel| so_far | (pixel ^ (pixel >> 8)));
    differences & 0xffff == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bgrx: &[u8]) -> Pixels<'_> {
        Pixels {
            bgrx,
            width: (bgrx.len() / BYTES_PER_PIXEL) as u32,
            height: 1,
        }
    }

    #[test]
    fn white_is_white_and_almost_white_is_not() {
        let mut page = [255_u8; 4 * 5000];
        assert!(row(&page).all_white());
        page[4 * 4999] = 254;
        assert!(!row(&page).all_white());
        assert!(!row(&page).look().grey);
    }

    #[test]
    fn the_fourth_byte_means_nothing() {
        let page: Vec<u8> = (0..8000_u32)
            .flat_map(|index| [index as u8, index as u8, index as u8, (index >> 3) as u8])
            .collect();
        assert!(row(&page).look().grey);
        let mut samples = vec![9];
        assert!(row(&page).grey_into(&mut samples));
        assert_eq!(samples.len(), 8000);
        assert!((0..8000_u32).all(|index| samples[index as usize] == index as u8));
    }

    #[test]
    fn rows_are_looked_at_eight_by_eight_whatever_was_seen_before() {
        let (width, height) = (1500, 43);
        let mut bgrx = vec![255_u8; width * height * BYTES_PER_PIXEL];
        let mut expected = Look {
            white: vec![true; 6],
            grey: true,
        };
        // The last pixel of a row, and one near its beginning; a grey one, and then colours.
        for (row, column, value) in [(17, 1499, 8), (2, 3, 254), (42, 700, 0), (33, 1499, 7)] {
            let at = (row * width + column) * BYTES_PER_PIXEL;
            bgrx[at] = value;
            expected.white[row / ROWS_PER_LOOK] = false;
            if row == 17 {
                bgrx[at + 1..at + 3].fill(value);
            } else {
                expected.grey = false;
            }
            let pixels = Pixels {
                bgrx: &bgrx,
                width: width as u32,
                height: height as u32,
            };
            assert_eq!(pixels.look(), expected);
        }
    }

    #[test]
    fn every_pixel_becomes_red_green_blue_whatever_their_number_is() {
        for count in 0..11_u8 {
            let page: Vec<u8> = (0..count)
                .flat_map(|index| [index, 100 + index, 200 + index, 0xaa])
                .collect();
            let expected: Vec<u8> = (0..count)
                .flat_map(|index| [200 + index, 100 + index, index])
                .collect();
            let mut samples = vec![7; 5];
            row(&page).rgb_into(&mut samples);
            assert_eq!(samples, expected);
            assert!(count == 0 || !row(&page).grey_into(&mut samples));
        }
    }
}
