//! What a document may cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of one document, each with its own clear error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest file in bytes.
    pub max_file_bytes: u64,
    /// Most pages of a document.
    pub max_pages: u32,
    /// Most links of one page; more are counted, not kept.
    pub max_links_per_page: u32,
    /// Most bytes of text of one page; more is cut and the page says so.
    pub max_text_bytes_per_page: u64,
    /// Longest time for one page in seconds.
    pub page_timeout_seconds: u32,
    /// Longest time to open and inspect a document in seconds.
    pub open_timeout_seconds: u32,
    /// Longest time for all pages of a document in seconds. Pages that were not begun by then fail as `out_of_time`.
    pub document_timeout_seconds: u32,
    /// So many pages of a document may end their renderers for good (crashed, timed out, out of memory); the pages that
    /// were not begun by then fail as `not_tried`.
    pub max_page_deaths: u32,
    /// Finished pages of a document that wait to be written, in MiB. Renderers wait when there is no room for more; one
    /// page always passes.
    pub page_buffer_mib: u64,
    /// Most bytes of an attached file that is kept, and a fourth of the most of all of a document. Those that are larger are
    /// named and not kept. 0: none are kept.
    pub max_attachment_bytes: u64,
    /// Address space of one child in MiB.
    pub child_memory_mib: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 512 << 20,
            max_pages: 10_000,
            max_links_per_page: 10_000,
            max_text_bytes_per_page: 4 << 20,
            page_timeout_seconds: 20,
            open_timeout_seconds: 30,
            document_timeout_seconds: 3_600,
            max_page_deaths: 50,
            page_buffer_mib: 32,
            max_attachment_bytes: 8 << 20,
            child_memory_mib: 1024,
        }
    }
}
