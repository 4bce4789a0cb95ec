//! The text of a page in reading order, with blocks, lines, boxes and font sizes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CharacterAccount, PageNumber, PageState, Rect, Table};

/// What shows a text that is not in the page's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationSource {
    /// The value of a form field.
    #[default]
    FormField,
    /// A free text annotation.
    FreeText,
}

/// What a block of text looks like it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// Running text.
    Paragraph,
    /// A heading, by size and weight against the document's body text.
    Heading,
    /// A list item.
    ListItem,
    /// A table; [`Block::table`] has its cells.
    Table,
    /// What is written above or below a table or figure: `Table 3: ...`.
    Caption,
    /// A note at the foot of the page.
    Footnote,
    /// Text repeated in the same place on most pages: running header, footer, page number.
    Furniture,
}

/// One line of a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Its text, logical order, ligatures expanded.
    pub text: String,
    /// Where it stands.
    pub bbox: Rect,
    /// Size of most of its characters in points.
    pub font_size: f32,
    /// Whether most of its characters are bold.
    pub bold: bool,
}

/// A block: lines that belong together, such as a paragraph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// What it looks like it is.
    pub kind: BlockKind,
    /// Of a heading its level, of a list item its depth, both from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// Where its text begins in [`PageText::text`], in bytes of UTF-8.
    pub start: u32,
    /// Where it ends, exclusive.
    pub end: u32,
    /// Where it stands.
    pub bbox: Rect,
    /// Size of most of its characters in points.
    pub font_size: f32,
    /// Whether most of its characters are bold.
    pub bold: bool,
    /// Its lines as printed (hyphens at line ends kept; the page's text joins them); the rows of a table, with its cells
    /// parted by tabs.
    pub lines: Vec<Line>,
    /// Its cells, where `kind` is table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Box<Table>>,
}

/// A part of a page's text that the page's own content has not: an annotation shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnnotationSpan {
    /// Where it begins in [`PageText::text`], in bytes of UTF-8.
    pub start: u32,
    /// Where it ends, exclusive.
    pub end: u32,
    /// What shows it.
    pub source: AnnotationSource,
    /// The full name of the form field, where it is one that has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A part of a page's text that is set small and raised above its line: an exponent, the mark of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RaisedSpan {
    /// Where it begins in [`PageText::text`], in bytes of UTF-8.
    pub start: u32,
    /// Where it ends, exclusive.
    pub end: u32,
}

/// What a figure is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FigureKind {
    /// A picture.
    Picture,
    /// Lines and curves, with or without pictures among them: a chart, a diagram.
    Drawing,
}

/// A figure on a page: a picture, or a drawing with a caption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// What it is made of.
    pub kind: FigureKind,
    /// Where it stands.
    pub bbox: Rect,
    /// The block that is its caption, as an index into [`PageText::blocks`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<u32>,
}

/// A word that was read from the picture of a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OcrWord {
    /// Its letters.
    pub text: String,
    /// Where it stands.
    pub bbox: Rect,
    /// How sure the reader is, 0 to 100.
    pub confidence: f32,
}

/// How a page's text, or the text of the pictures in it, was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OcrAccount {
    /// What read it, with its version.
    pub reader: String,
    /// The language that it was read in, as the reader calls it, such as `eng`.
    pub language: String,
    /// Mean of the words' confidences by their letters, 0 to 100.
    pub confidence: f32,
    /// Pixels an inch of the picture that was read.
    pub dpi: u32,
    /// By how many degrees, counter-clockwise, the picture was turned to be read.
    pub deskewed: f32,
    /// The words in the reader's order.
    pub words: Vec<OcrWord>,
}

/// The text of one page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PageText {
    /// Its number, from 1.
    pub page: PageNumber,
    /// Width as seen, in points.
    pub width: f32,
    /// Height as seen, in points.
    pub height: f32,
    /// Rotation of the page in degrees clockwise: 0, 90, 180 or 270.
    pub rotation: u16,
    /// How the page ended.
    pub state: PageState,
    /// All its text in reading order: the blocks joined by a blank line, the lines of a block joined by a newline
    /// (or by nothing, where a hyphen at the line's end was taken out, or between two Han or kana characters). The
    /// cells of a table's row are on one line, parted by tabs.
    pub text: String,
    /// Its blocks in reading order; their spans do not overlap.
    pub blocks: Vec<Block>,
    /// The parts of the text that annotations show (values of form fields, free text), in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<AnnotationSpan>,
    /// The parts of the text outside of tables that are set small and raised, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raised: Vec<RaisedSpan>,
    /// Its figures, from top to bottom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figure>,
    /// What the page shows and the text has not, and why.
    #[serde(default)]
    pub characters: CharacterAccount,
    /// How it was read from the page's picture, where it was; of a page whose state is text, how the pictures were read that
    /// stand in it, with their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocr: Option<OcrAccount>,
    /// Whether text was cut at the limit for one page.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}
