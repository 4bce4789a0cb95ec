//! The engine: a pool of renderer processes, and the documents it opens.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::link::Link;
use crate::page::{ImageSettings, PageImage, PageNumber};
use crate::text::PageText;

/// How children are started and what they may use. Not part of any fingerprint.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The program to start as a child, and its arguments: the worker's own binary with its hidden subcommand.
    pub child_command: Vec<String>,
    /// Path of libpdfium, or the folder that holds it.
    pub libpdfium: PathBuf,
    /// Child processes at work at the same time.
    pub children: usize,
    /// Limits that every document and page is held to.
    pub limits: Limits,
}

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
            child_memory_mib: 1024,
        }
    }
}

/// What to take from the pages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExtractRequest {
    /// Page images, when wanted.
    pub images: Option<ImageSettings>,
    /// Text with layout.
    pub text: bool,
    /// Links.
    pub links: bool,
}

/// What one page gave. Everything that was asked for comes from one page load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageOutput {
    /// Which page.
    pub page: PageNumber,
    /// Its image, when asked for.
    pub image: Option<PageImage>,
    /// Its text, when asked for.
    pub text: Option<PageText>,
    /// Its links in the order of the annotations, when asked for.
    pub links: Option<Vec<Link>>,
    /// Links beyond the limit, counted and not kept.
    pub links_dropped: u32,
}
