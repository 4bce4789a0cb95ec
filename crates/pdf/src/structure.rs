//! Reading the document's structure: outline and page labels.

pub(crate) mod labels;
pub(crate) mod outline;
