//! Links, and what following them could do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PageNumber, Rect};

/// Where a link goes (ISO 32000-2 section 12.6.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LinkTarget {
    /// A URI action, verbatim; `mailto:` has its own kind.
    Uri {
        /// The URI as the file has it.
        uri: String,
    },
    /// A URI action whose scheme is `mailto`.
    Mailto {
        /// The URI as the file has it.
        uri: String,
    },
    /// A place in this document.
    GoTo {
        /// The page, when the destination resolves.
        #[serde(rename = "target_page")] // `page` is the page that the link stands on
        page: Option<PageNumber>,
        /// The named destination, when it was named.
        name: Option<String>,
    },
    /// A place in another file.
    GoToR {
        /// The file as written.
        file: String,
        /// The page there, when given.
        #[serde(rename = "target_page")] // `page` is the page that the link stands on
        page: Option<PageNumber>,
        /// The named destination there, when given.
        name: Option<String>,
    },
    /// Starts a program or opens a file.
    Launch {
        /// The file or command as written.
        file: String,
    },
    /// Any other action, by its name (`/SubmitForm`, `/JavaScript`, `/Named` ...).
    Other {
        /// The action's type without the slash.
        action: String,
        /// Its target, where it has one that can be shown.
        detail: Option<String>,
    },
}

impl LinkTarget {
    /// Bytes of text that it holds.
    pub fn text_bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        match self {
            Self::Uri { uri } | Self::Mailto { uri } => uri.len(),
            Self::GoTo { name, .. } => length(name),
            Self::GoToR { file, name, .. } => file.len() + length(name),
            Self::Launch { file } => file.len(),
            Self::Other { action, detail } => action.len() + length(detail),
        }
    }
}

/// What following a link could do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LinkSafety {
    /// http(s) or ftp to a public name, mailto, tel, or inside the document.
    Ordinary,
    /// `javascript:`, `vbscript:` or a JavaScript action.
    Script,
    /// `file:`, a local path, or another file.
    LocalFile,
    /// A `data:` or `blob:` URI.
    Data,
    /// A UNC path or `smb:`; following it can leak credentials.
    NetworkShare,
    /// Loopback, link-local (cloud metadata service) or private address, or a name without a dot.
    PrivateAddress,
    /// User name or password inside the URI.
    Credentials,
    /// Starts a program.
    Program,
    /// A form submission.
    Submission,
    /// A scheme with no known meaning, or something that is not a URI.
    Unknown,
}

/// One link on a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// The page it stands on.
    pub page: PageNumber,
    /// Where it goes.
    #[serde(flatten)]
    pub target: LinkTarget,
    /// What following it could do.
    pub safety: LinkSafety,
    /// The text under it, where there is any: under `quads`, or else under `bbox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// Where it stands.
    pub bbox: Rect,
    /// The parts of `bbox` that can be clicked, in the order of the file, where it names them (ISO 32000-2 table 176,
    /// `QuadPoints`): a link that runs over two lines has a box on each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quads: Vec<Rect>,
}

/// Where a bookmark goes that leads to no page of its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutlineTarget {
    /// Where it goes.
    #[serde(flatten)]
    pub target: LinkTarget,
    /// What following it could do.
    pub safety: LinkSafety,
}
