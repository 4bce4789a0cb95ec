//! What holds a document together: outline, headings, page labels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{OutlineTarget, PageNumber};

/// One entry of the document's outline (bookmarks), depth first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutlineItem {
    /// Depth from 1.
    pub level: u8,
    /// Its title.
    pub title: String,
    /// The page it goes to, when the destination resolves.
    pub page: Option<PageNumber>,
    /// Where it goes when that is no page of this document: a web address, another file, a program ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<OutlineTarget>,
}

/// A heading found by size and weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heading {
    /// Depth from 1.
    pub level: u8,
    /// Its text on one line.
    pub text: String,
    /// The page it stands on.
    pub page: PageNumber,
    /// Index of its block in that page's blocks.
    pub block: u32,
}

/// The printed label of a page, such as `iv` or `A-3`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PageLabel {
    /// Its number, from 1.
    pub page: PageNumber,
    /// Its label.
    pub label: String,
}

/// What holds the document together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Structure {
    /// The outline in the file.
    pub outline: Vec<OutlineItem>,
    /// Headings found in the text.
    pub headings: Vec<Heading>,
    /// Page labels, only where the file has them.
    pub page_labels: Vec<PageLabel>,
}
