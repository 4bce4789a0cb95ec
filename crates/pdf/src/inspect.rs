//! Reading what a PDF says of itself before any page is looked at.

pub(crate) mod active;
pub(crate) mod attachments;
mod date;
pub(crate) mod fonts;
#[cfg(test)]
mod fuzz;
pub(crate) mod glyph_names;
#[cfg(test)]
pub(crate) mod hand_made;
mod info;
mod kept;
pub(crate) mod layers;
mod loading;
pub(crate) mod objects;
pub(crate) mod page_tree;
mod parsed;
pub(crate) mod passwords;
pub(crate) mod text_string;
pub(crate) mod tree;
#[cfg(test)]
mod truth_tests;
mod xmp;

pub(crate) use loading::{changed, decrypted};
pub(crate) use parsed::Parsed;
