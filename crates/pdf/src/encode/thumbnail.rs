//! The small copy of a page.

use super::{BYTES_PER_PIXEL, Pixels};

/// A smaller copy whose longest edge is `edge`: each of its pixels is the mean of those that it covers. An image that
/// is small already is copied.
pub(super) fn shrink(pixels: Pixels<'_>, edge: u32) -> (Vec<u8>, u32, u32) {
    let longest = pixels.width.max(pixels.height);
    if longest <= edge {
        return (pixels.bgrx.to_vec(), pixels.width, pixels.height);
    }
    let scaled = |length: u32| {
        let rounded = (u64::from(length) * u64::from(edge.max(1)) + u64::from(longest) / 2)
            / u64::from(longest);
        u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
    };
    let (width, height) = (scaled(pixels.width), scaled(pixels.height));
    let row_bytes = pixels.width as usize * BYTES_PER_PIXEL;
    let from = |index: u32, small: u32, large: u32| {
        (u64::from(index) * u64::from(large) / u64::from(small)) as usize
    };
    let mut small = Vec::with_capacity(width as usize * height as usize * BYTES_PER_PIXEL);
    for y in 0..height {
        let top = from(y, height, pixels.height);
        let bottom = from(y + 1, height, pixels.height).max(top + 1);
        for x in 0..width {
            let left = from(x, width, pixels.width);
            let right = from(x + 1, width, pixels.width).max(left + 1);
            let mut sums = [0_u64; 3];
            for row in top..bottom {
                let start = row * row_bytes;
                let covered =
                    &pixels.bgrx[start + left * BYTES_PER_PIXEL..start + right * BYTES_PER_PIXEL];
                for pixel in covered.chunks_exact(BYTES_PER_PIXEL) {
                    for (sum, sample) in sums.iter_mut().zip(pixel) {
                        *sum += u64::from(*sample);
                    }
                }
            }
            let count = ((bottom - top) * (right - left)) as u64;
            small.extend(sums.map(|sum| ((sum + count / 2) / count) as u8));
            small.push(0xff);
        }
    }
    (small, width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_keeps_the_shape() {
        let page = vec![255; 300 * 100 * BYTES_PER_PIXEL];
        let pixels = Pixels {
            bgrx: &page,
            width: 300,
            height: 100,
        };
        let (small, width, height) = shrink(pixels, 30);
        assert_eq!((width, height), (30, 10));
        assert!(small.iter().all(|sample| *sample == 255));
    }
}
