//! The scan that every reader is tried on first.

use std::ops::Range;

use pagemill_ocr::{GreyImage, Reading};
use pagemill_samples::{Picture, SCAN_LINES};

/// A picture as readers take it.
pub(crate) fn image(picture: &Picture) -> GreyImage<'_> {
    GreyImage {
        width: picture.width as u32,
        height: picture.height as u32,
        dpi: picture.dpi,
        pixels: &picture.pixels,
    }
}

/// That this is what `scanned(&SCAN_LINES, _)` says, word by word at their places; the size of the first one is in `sizes`.
pub(crate) fn assert_lines_at_their_places(reading: &Reading, sizes: Range<f32>) {
    assert_eq!(reading.text(), SCAN_LINES.join("\n"));
    // The first line is drawn 150 pixels from the left with its baseline at 300, letters of 34 pixels.
    let first = &reading.words[0];
    assert_eq!(first.text, "Delivery");
    let [x0, y0, _, y1] = reading.turn.back(first.bounds);
    // Its y hangs below the baseline.
    assert!(
        (x0 - 150.0).abs() < 4.0 && (y1 - 308.0).abs() < 6.0,
        "{first:?}"
    );
    assert!((24.0..40.0).contains(&(y1 - y0)), "{first:?}");
    assert!(sizes.contains(&first.size), "{first:?}");
    for pair in reading.words.windows(2) {
        let is_after = pair[0].bounds[2] < pair[1].bounds[0] || pair[1].begins_line;
        assert!(is_after, "{pair:?}");
    }
}
