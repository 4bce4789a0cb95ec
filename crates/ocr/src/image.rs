//! Grey images.

use crate::OcrError;

/// A grey image, one byte a pixel: 0 is black, 255 is white. Rows from the top, without padding.
#[derive(Debug, Clone, Copy)]
pub struct GreyImage<'a> {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Pixels an inch of the page.
    pub dpi: u32,
    /// `width` × `height` bytes.
    pub pixels: &'a [u8],
}

impl GreyImage<'_> {
    /// Whether there are as many pixels as the size says, and any.
    ///
    /// # Errors
    /// [`OcrError::BadImage`].
    pub(crate) fn validate(&self) -> Result<(), OcrError> {
        let wanted = self.width as usize * self.height as usize;
        match wanted == self.pixels.len() && wanted > 0 {
            true => Ok(()),
            false => Err(OcrError::BadImage {
                width: self.width,
                height: self.height,
                bytes: self.pixels.len(),
            }),
        }
    }
}

/// An image that is worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u8>,
}

impl Canvas {
    pub(crate) fn of(image: &GreyImage<'_>) -> Self {
        Self {
            width: image.width as usize,
            height: image.height as usize,
            pixels: image.pixels.to_vec(),
        }
    }

    pub(crate) fn white(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![255; width * height],
        }
    }

    pub(crate) fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width..][..self.width]
    }

    pub(crate) fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.pixels[y * self.width..][..self.width]
    }

    /// The grey at a place between pixels; outside, that of the nearest pixel.
    pub(crate) fn between(&self, x: f32, y: f32) -> f32 {
        let place = |at: f32, count: usize| {
            let at = at.clamp(0.0, (count - 1) as f32);
            let first = at as usize;
            (first, (first + 1).min(count - 1), at - first as f32)
        };
        let (left, right, across) = place(x, self.width);
        let (top, bottom, down) = place(y, self.height);
        let row = |y: usize| {
            let row = self.row(y);
            f32::from(row[left]) * (1.0 - across) + f32::from(row[right]) * across
        };
        row(top) * (1.0 - down) + row(bottom) * down
    }

    #[cfg(feature = "ppocr")]
    /// The image in another size: each pixel is the mean of those that it takes the place of, or lies between them.
    pub(crate) fn resized(&self, width: usize, height: usize) -> Self {
        let steps = [(self.width, width), (self.height, height)];
        let [across, down] = steps.map(|(from, to)| from as f32 / to as f32);
        let mut resized = Self::white(width, height);
        let range = |at: usize, step: f32, most: usize| {
            let from = (at as f32 * step).round() as usize;
            let to = ((at + 1) as f32 * step).round() as usize;
            from.min(most - 1)..to.clamp(from.min(most - 1) + 1, most)
        };
        for y in 0..height {
            for x in 0..width {
                let grey = match across > 1.0 && down > 1.0 {
                    true => {
                        let (mut sum, mut count) = (0u32, 0u32);
                        let columns = range(x, across, self.width);
                        for row in range(y, down, self.height) {
                            let values = &self.row(row)[columns.clone()];
                            sum += values.iter().map(|value| u32::from(*value)).sum::<u32>();
                            count += values.len() as u32;
                        }
                        sum as f32 / count as f32
                    }
                    false => {
                        let middle = |at: usize, step: f32| (at as f32 + 0.5) * step - 0.5;
                        self.between(middle(x, across), middle(y, down))
                    }
                };
                resized.row_mut(y)[x] = grey.round() as u8;
            }
        }
        resized
    }

    /// Its rows as columns.
    pub(crate) fn transposed(&self) -> Self {
        let mut turned = Self::white(self.height, self.width);
        for (y, row) in self.pixels.chunks_exact(self.width).enumerate() {
            for (x, pixel) in row.iter().enumerate() {
                turned.pixels[x * self.height + y] = *pixel;
            }
        }
        turned
    }

    /// The mean of blocks of `factor` × `factor` pixels; what does not fill a block at the right and at the bottom is
    /// left out, but for images smaller than a block.
    pub(crate) fn shrunk(&self, factor: usize) -> Self {
        self.blocks(factor, |sum, count, _| (sum / count) as u8)
    }

    /// The lightest pixel of blocks.
    pub(crate) fn lightest(&self, factor: usize) -> Self {
        self.blocks(factor, |_, _, lightest| lightest)
    }

    fn blocks(&self, factor: usize, pixel: impl Fn(u32, u32, u8) -> u8) -> Self {
        let width = (self.width / factor).max(1);
        let height = (self.height / factor).max(1);
        let mut small = Self::white(width, height);
        for y in 0..height {
            for x in 0..width {
                let (mut sum, mut count, mut lightest) = (0u32, 0u32, 0u8);
                for from in (y * factor)..((y + 1) * factor).min(self.height) {
                    let end = ((x + 1) * factor).min(self.width);
                    for value in &self.row(from)[x * factor..end] {
                        sum += u32::from(*value);
                        count += 1;
                        lightest = lightest.max(*value);
                    }
                }
                small.row_mut(y)[x] = pixel(sum, count.max(1), lightest);
            }
        }
        small
    }
}
