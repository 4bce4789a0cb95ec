//! Pages: their numbers, places on them, and how they ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A page's number in its document, from 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct PageNumber(pub u32);

/// A rectangle on a page as it is seen (after rotation and crop), in points (1/72 inch) from the top left corner,
/// y downwards. `x0 <= x1`, `y0 <= y1`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Rect {
    /// Left.
    pub x0: f32,
    /// Top.
    pub y0: f32,
    /// Right.
    pub x1: f32,
    /// Bottom.
    pub y1: f32,
}

impl Rect {
    /// This rectangle in a unit of which `times` fit into the old one.
    #[must_use]
    pub fn scaled(self, times: f32) -> Self {
        Self {
            x0: self.x0 * times,
            y0: self.y0 * times,
            x1: self.x1 * times,
            y1: self.y1 * times,
        }
    }

    /// The smallest rectangle that has both in it.
    #[must_use]
    pub fn around(self, other: Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// Its area in square points; nothing of one whose sides are the wrong way round.
    pub fn area(self) -> f32 {
        (self.x1 - self.x0).max(0.0) * (self.y1 - self.y0).max(0.0)
    }

    /// The area in square points that lies in both.
    pub fn shared_area(self, other: Self) -> f32 {
        let shared = Self {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        };
        shared.area()
    }
}

/// How a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PageState {
    /// It has a text layer.
    Text,
    /// Its text was read from its picture: it has no text layer, or one that does not say what it shows.
    Ocr,
    /// It has something to see but no text, and nobody read the picture.
    NeedsOcr,
    /// There is nothing on it.
    Blank,
}
