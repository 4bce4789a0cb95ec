//! Stands in for PP-OCR in a build without the feature `ppocr`.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use crate::OcrError;
use crate::image::GreyImage;
use crate::reader::{Looks, Reading};

/// There are none.
#[derive(Debug)]
pub struct PpOcrModels(Infallible);

impl PpOcrModels {
    /// What the models are called.
    pub const NAME: &str = "PP-OCRv6_small";

    /// Their files: none are looked at.
    pub const FILES: [&str; 0] = [];

    /// Opens nothing.
    ///
    /// # Errors
    /// [`OcrError::NotBuilt`].
    pub fn open(_: &Path) -> Result<Self, OcrError> {
        Err(OcrError::NotBuilt)
    }
}

/// There is nothing to be computed.
///
/// # Errors
/// None.
pub fn compute_on_this_thread() -> Result<(), OcrError> {
    Ok(())
}

/// There is none.
#[derive(Debug)]
pub struct PpOcrReader(Infallible);

impl PpOcrReader {
    /// Can't be called.
    pub fn new(models: PpOcrModels) -> Self {
        Self(models.0)
    }

    /// Can't be called.
    pub fn name(&self) -> &str {
        match self.0 {}
    }

    /// Can't be called.
    pub fn folder(&self) -> &Path {
        match self.0 {}
    }

    /// Can't be called.
    ///
    /// # Errors
    /// None.
    pub fn read(&mut self, _: &GreyImage<'_>, _: Looks, _: Duration) -> Result<Reading, OcrError> {
        match self.0 {}
    }
}
