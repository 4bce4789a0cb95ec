//! Both renderers side by side: PDFium, and hayro (feature `hayro`). For measurements; the example `renderers` prints
//! them. The file is opened in this process, without a sandbox.

use std::path::Path;
use std::time::Duration;

use hayro::hayro_syntax::Pdf;
use nix::sys::resource::{UsageWho, getrusage};
use pdfium_render::prelude::PdfPage;

use crate::encode::{BYTES_PER_PIXEL, Pixels};
use crate::engine::Limits;
use crate::error::PdfError;
use crate::page::ImageSettings;
use crate::pdfium;
use crate::render::hayro::{HayroCanvas, HayroError};
use crate::render::{Canvas, DrawError, ImageSize, image_size};

/// What hayro did with a page.
#[derive(Debug)]
pub enum Second<'a> {
    /// Drew it.
    Drawn {
        /// Blue, green, red and one that means nothing, as of PDFium.
        bgrx: &'a [u8],
        /// CPU time of reading and drawing it.
        cpu: Duration,
    },
    /// Could not open the file, has no such page, or no bitmap of that size.
    Refused,
    /// Panicked.
    Panicked,
}

/// A page, drawn by both.
#[derive(Debug)]
pub struct BothDrawn<'a> {
    /// Index of the page, from 0.
    pub index: u32,
    /// Width of both images in pixels.
    pub width: u32,
    /// Height of both images in pixels.
    pub height: u32,
    /// CPU time of reading the page with PDFium; text and links need it too.
    pub load: Duration,
    /// CPU time of drawing it with PDFium.
    pub draw: Duration,
    /// PDFium's pixels: blue, green, red and one that means nothing; `None` when it refused.
    pub bgrx: Option<&'a [u8]>,
    /// Hayro's.
    pub second: Second<'a>,
}

/// Opens a file with both renderers and draws its pages from the index `first` on, in turns, in the size that
/// `settings` ask for. `visit` takes each page and says whether to go on. `library` is libpdfium.so or its folder;
/// `hayro_first` says who begins.
///
/// # Errors
/// When PDFium can't be loaded or can't open the file.
pub fn draw_both(
    library: &Path,
    file: &[u8],
    settings: &ImageSettings,
    first: u32,
    hayro_first: bool,
    visit: &mut dyn FnMut(BothDrawn<'_>) -> bool,
) -> Result<(), PdfError> {
    let pdfium = pdfium::load(&pdfium::library_path(library))?;
    let (document, _) = pdfium::open(&pdfium, file, &[], &Limits::default())?;
    let second_document = std::panic::catch_unwind(|| Pdf::new(file.to_vec()).ok());
    let opening_panicked = second_document.is_err();
    let second_document = second_document.ok().flatten();
    let mut second_canvas = second_document.as_ref().map(HayroCanvas::new);
    let mut canvas = Canvas::default();
    let pages = document.pages();
    for index in first..u32::try_from(pages.len()).unwrap_or(0) {
        let Ok(page_index) = i32::try_from(index) else {
            break;
        };
        let (page, load) = timed(|| pages.get(page_index));
        let Ok(page) = page else {
            continue;
        };
        let size = image_size(page.width().value, page.height().value, settings);
        let (canvas, second_canvas) = (&mut canvas, second_canvas.as_mut());
        let ((bgrx, draw), (second, second_draw)) = if hayro_first {
            let second = timed(|| draw_second(second_canvas, index, size));
            (timed(|| draw_first(canvas, &page, size)), second)
        } else {
            let drawn = timed(|| draw_first(canvas, &page, size));
            (drawn, timed(|| draw_second(second_canvas, index, size)))
        };
        let go_on = visit(BothDrawn {
            index,
            width: size.width,
            height: size.height,
            load,
            draw,
            bgrx,
            second: match second {
                Ok(pixels) => Second::Drawn {
                    bgrx: pixels.bgrx,
                    cpu: second_draw,
                },
                Err(HayroError::Panicked) => Second::Panicked,
                Err(_) if opening_panicked => Second::Panicked,
                Err(HayroError::Draw(_)) => Second::Refused,
            },
        });
        if !go_on {
            break;
        }
    }
    Ok(())
}

fn draw_first<'c>(canvas: &'c mut Canvas, page: &PdfPage<'_>, size: ImageSize) -> Option<&'c [u8]> {
    canvas.draw(page, size).ok().map(|pixels| pixels.bgrx)
}

/// `None` stands for a file that hayro could not open.
fn draw_second<'c>(
    canvas: Option<&'c mut HayroCanvas<'_>>,
    index: u32,
    size: ImageSize,
) -> Result<Pixels<'c>, HayroError> {
    canvas
        .ok_or(HayroError::Draw(DrawError::Refused))?
        .draw(index as usize, size)
}

/// What came of some work, and the CPU time of this process that it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = cpu();
    let outcome = work();
    (outcome, cpu().saturating_sub(begun))
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("this process has a usage");
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_micros((value.tv_sec() * 1_000_000 + value.tv_usec()).unsigned_abs())
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// How two images of one size differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Largest difference of a channel, 0 to 255.
    pub max: u8,
    /// Mean difference of a channel, 0 to 255.
    pub mean: f64,
    /// Share of the squares of 8 by 8 pixels whose mean brightness differs by more than [`SQUARE_BOUND`]: differences
    /// that are more than another smoothing of the same edges.
    pub squares: f64,
}

/// How much brighter or darker a square of 8 by 8 pixels must be to count, of 255.
pub const SQUARE_BOUND: u32 = 24;

/// Edge of a square in pixels.
const SQUARE: usize = 8;

impl Difference {
    /// Of two images of `width` pixels a row, four bytes a pixel, the fourth without a meaning.
    #[must_use]
    pub fn of(one: &[u8], other: &[u8], width: u32) -> Self {
        let width = (width as usize).max(1);
        let row_bytes = width * BYTES_PER_PIXEL;
        let across = width.div_ceil(SQUARE);
        let (mut max, mut sum, mut channels) = (0_u8, 0_u64, 0_u64);
        let (mut squares, mut differing) = (0_u64, 0_u64);
        let bands = one
            .chunks(row_bytes * SQUARE)
            .zip(other.chunks(row_bytes * SQUARE));
        for (band, other_band) in bands {
            // Sums of the channels of each square, and its pixels.
            let mut sums = vec![(0_u32, 0_u32, 0_u32); across];
            let rows = band.chunks(row_bytes).zip(other_band.chunks(row_bytes));
            for (row, other_row) in rows {
                let pixels = row
                    .chunks_exact(BYTES_PER_PIXEL)
                    .zip(other_row.chunks_exact(BYTES_PER_PIXEL));
                for (column, (pixel, other_pixel)) in pixels.enumerate() {
                    let square = &mut sums[column / SQUARE];
                    square.2 += 1;
                    for (value, other_value) in pixel[..3].iter().zip(&other_pixel[..3]) {
                        let difference = value.abs_diff(*other_value);
                        max = max.max(difference);
                        sum += u64::from(difference);
                        channels += 1;
                        square.0 += u32::from(*value);
                        square.1 += u32::from(*other_value);
                    }
                }
            }
            squares += sums.len() as u64;
            differing += sums
                .iter()
                .filter(|(sum, other_sum, pixels)| {
                    sum.abs_diff(*other_sum) > SQUARE_BOUND * 3 * pixels
                })
                .count() as u64;
        }
        Self {
            max,
            mean: sum as f64 / channels.max(1) as f64,
            squares: differing as f64 / squares.max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_byte_is_no_difference() {
        let difference = Difference::of(&[9, 9, 9, 0], &[9, 9, 9, 255], 1);
        assert_eq!((difference.max, difference.mean), (0, 0.0));
    }

    #[test]
    fn a_moved_edge_is_a_difference_but_not_one_of_squares() {
        let white = vec![255; 16 * 16 * BYTES_PER_PIXEL];
        let mut dot = white.clone();
        dot[..3].copy_from_slice(&[0, 0, 0]);
        let difference = Difference::of(&white, &dot, 16);
        assert_eq!((difference.max, difference.squares), (255, 0.0));
        assert!((difference.mean - 255.0 / 256.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_missing_is_counted_in_squares() {
        let white = vec![255; 16 * 16 * BYTES_PER_PIXEL];
        let mut half = white.clone();
        half[..8 * 16 * BYTES_PER_PIXEL].fill(0);
        assert!((Difference::of(&white, &half, 16).squares - 0.5).abs() < 1e-9);
    }
}
