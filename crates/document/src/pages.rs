//! The text of all pages, for whoever reads them in order.

use std::borrow::Cow;
use std::io;

use crate::text::PageText;

/// The text of a document's pages, which need not be in memory all at once.
pub trait PageTexts: Send + Sync {
    /// Each page that could be read, in order, from the first one anew at each call. An item is an error where pages are
    /// kept in a file and that can't be read.
    fn read(&self) -> Box<dyn Iterator<Item = io::Result<Cow<'_, PageText>>> + Send + '_>;
}

impl PageTexts for Vec<PageText> {
    fn read(&self) -> Box<dyn Iterator<Item = io::Result<Cow<'_, PageText>>> + Send + '_> {
        Box::new(self.iter().map(|page| Ok(Cow::Borrowed(page))))
    }
}
