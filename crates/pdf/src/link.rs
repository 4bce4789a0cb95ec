//! Links from annotations. Nothing is ever fetched.

pub(crate) mod annotations;
pub(crate) mod destinations;
mod safety;

pub use safety::classify;
