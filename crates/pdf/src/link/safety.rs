//! What following a link could do.

use super::{LinkSafety, LinkTarget};

/// Says what following `target` could do. Never panics, never touches the network.
pub fn classify(target: &LinkTarget) -> LinkSafety {
    match target {
        LinkTarget::GoTo { .. } => LinkSafety::Ordinary,
        LinkTarget::GoToR { .. } => LinkSafety::LocalFile,
        LinkTarget::Launch { .. } => LinkSafety::Program,
        LinkTarget::Uri { .. } | LinkTarget::Mailto { .. } | LinkTarget::Other { .. } => {
            LinkSafety::Unknown
        }
    }
}
