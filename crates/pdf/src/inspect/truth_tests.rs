//! The corpus against what pikepdf and PyMuPDF say of it.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Parsed;
use pagemill_document::{Encryption, Link, LinkTarget, PageNumber};
use pagemill_reader::{Limits, PdfError};

/// Pages of a file whose links the truth lists at most.
const TRUTH_PAGES: usize = 700;

/// What the corpus knows of a file.
#[derive(Debug, Deserialize)]
struct Truth {
    file: String,
    pikepdf: Option<Pikepdf>,
    pymupdf: Option<PyMuPdf>,
}

#[derive(Debug, Deserialize)]
struct Pikepdf {
    n: Option<u32>,
    uris: Option<Vec<Vec<String>>>,
    link_actions: Option<BTreeMap<String, u32>>,
    attachments: Option<Vec<String>>,
    acroform: Option<bool>,
    tagged: Option<bool>,
    version: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PyMuPdf {
    toc: Option<Vec<(u8, String, i64)>>,
}

/// The corpus, or `None` with a line that says so.
fn corpus() -> Option<PathBuf> {
    pagemill_testkit::corpus("truth")
}

fn truths(corpus: &Path) -> Vec<Truth> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(corpus.join("truth"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let mut json = String::new();
        let file = std::fs::File::open(path).unwrap();
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut json)
            .unwrap();
        serde_json::from_str(&json).unwrap()
    };
    paths.iter().map(read).collect()
}

/// The passwords of the corpus by file.
fn passwords(corpus: &Path) -> HashMap<String, String> {
    let manifest = std::fs::read_to_string(corpus.join("documents/manifest.tsv")).unwrap();
    let mut lines = manifest.lines();
    let column = lines
        .next()
        .unwrap()
        .split('\t')
        .position(|name| name == "password")
        .unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        (
            cells[0].to_owned(),
            cells[column].trim_matches('"').to_owned(),
        )
    };
    lines
        .map(row)
        .filter(|(_, password)| !password.is_empty())
        .collect()
}

/// The file stays until the test's process ends.
fn open(corpus: &Path, file: &str, passwords: &[String]) -> Result<Parsed<'static>, PdfError> {
    let bytes = std::fs::read(corpus.join("documents").join(file)).unwrap();
    Parsed::open(bytes.leak(), passwords, &Limits::default())
}

fn all_links(parsed: &Parsed<'_>) -> Vec<Vec<Link>> {
    let pages = 1..=parsed.inspection().pages;
    pages
        .map(|page| parsed.links(PageNumber(page), u32::MAX).0)
        .collect()
}

fn uris(links: &[Link]) -> Vec<String> {
    let uri = |link: &Link| match &link.target {
        LinkTarget::Uri { uri } | LinkTarget::Mailto { uri } => Some(uri.clone()),
        _ => None,
    };
    links.iter().filter_map(uri).collect()
}

fn action_counts(links: &[Vec<Link>]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for link in links.iter().flatten() {
        let name = match &link.target {
            LinkTarget::Uri { .. } | LinkTarget::Mailto { .. } => "URI",
            LinkTarget::GoTo { .. } => "GoTo",
            LinkTarget::GoToR { .. } => "GoToR",
            LinkTarget::Launch { .. } => "Launch",
            LinkTarget::Other { action, .. } => action,
        };
        *counts.entry(format!("/{name}")).or_default() += 1;
    }
    counts
}

/// Title and page as both libraries can have them: white space folded, at most our cut, no page as `None`.
fn comparable(level: u8, title: &str, page: i64) -> (u8, String, Option<i64>) {
    let folded: Vec<&str> = title.split_whitespace().collect();
    let cut: String = folded.join(" ").chars().take(500).collect();
    (level, cut, (page > 0).then_some(page))
}

#[test]
fn pages_and_uris_equal_pikepdf_on_every_file_that_it_reads() {
    let Some(corpus) = corpus() else { return };
    let passwords = passwords(&corpus);
    let (mut files, mut links) = (0, 0);
    for truth in truths(&corpus) {
        let Some(pikepdf) = truth.pikepdf.filter(|pikepdf| pikepdf.n.is_some()) else {
            continue;
        };
        let known: Vec<String> = passwords.get(&truth.file).cloned().into_iter().collect();
        let parsed = open(&corpus, &truth.file, &known)
            .unwrap_or_else(|error| panic!("{}: {error}", truth.file));
        assert_eq!(Some(parsed.inspection().pages), pikepdf.n, "{}", truth.file);
        let ours: Vec<Vec<String>> = all_links(&parsed).iter().map(|page| uris(page)).collect();
        let theirs = pikepdf.uris.unwrap();
        for (page, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours, theirs, "{} page {}", truth.file, page + 1);
        }
        assert_eq!(ours.len().min(TRUTH_PAGES), theirs.len(), "{}", truth.file);
        files += 1;
        links += ours.iter().flatten().count();
    }
    println!("{files} files and {links} URIs equal pikepdf's");
    assert!(files > 100, "only {files} files were compared");
}

#[test]
fn actions_attachments_and_tags_equal_pikepdf() {
    let Some(corpus) = corpus() else { return };
    let passwords = passwords(&corpus);
    for truth in truths(&corpus) {
        let Some(pikepdf) = truth.pikepdf.filter(|pikepdf| pikepdf.n.is_some()) else {
            continue;
        };
        let known: Vec<String> = passwords.get(&truth.file).cloned().into_iter().collect();
        let parsed = open(&corpus, &truth.file, &known).unwrap();
        let mut ours = action_counts(&all_links(&parsed));
        let mut theirs = pikepdf.link_actions.unwrap();
        // The truth counts actions only; a link with a plain destination is a GoTo to us.
        let (our_gotos, their_gotos) = (ours.remove("/GoTo"), theirs.remove("/GoTo"));
        assert_eq!(ours, theirs, "{}", truth.file);
        assert!(
            our_gotos >= their_gotos,
            "{}: {our_gotos:?} of {their_gotos:?}",
            truth.file
        );
        let inspection = parsed.inspection();
        assert_eq!(
            Some(&inspection.attachments),
            pikepdf.attachments.as_ref(),
            "{}",
            truth.file
        );
        assert_eq!(Some(inspection.tagged), pikepdf.tagged, "{}", truth.file);
        // The truth counts a form without fields.
        assert!(
            !inspection.has_form || pikepdf.acroform == Some(true),
            "{}",
            truth.file
        );
        // The truth has the header's version; the catalog may name a later one.
        let header_version = pikepdf.version.unwrap();
        assert!(inspection.pdf_version >= header_version, "{}", truth.file);
    }
}

#[test]
fn outlines_equal_pymupdf() {
    // Where the two differ, and why.
    let exceptions = [
        // A circle: PyMuPDF gives up on the whole outline, we keep what comes before it.
        "hostile__synthetic__loop-outline.pdf",
        // A destination that is a dictionary in an object of its own: we resolve it.
        "outline__pypdf__outlines-with-invalid-destinations.pdf",
        // Its destination names an object that is not in the file; PyMuPDF guesses page 1.
        "report__camelot__us-025.pdf",
    ];
    let Some(corpus) = corpus() else { return };
    let passwords = passwords(&corpus);
    let (mut files, mut items) = (0, 0);
    for truth in truths(&corpus) {
        let is_read = truth.pikepdf.is_some_and(|pikepdf| pikepdf.n.is_some());
        let theirs = truth
            .pymupdf
            .and_then(|pymupdf| pymupdf.toc)
            .unwrap_or_default();
        if !is_read || exceptions.contains(&truth.file.as_str()) {
            continue;
        }
        let known: Vec<String> = passwords.get(&truth.file).cloned().into_iter().collect();
        let outline = open(&corpus, &truth.file, &known).unwrap().outline();
        let ours: Vec<_> = outline
            .iter()
            .map(|item| {
                comparable(
                    item.level,
                    &item.title,
                    item.page.map_or(-1, |page| i64::from(page.0)),
                )
            })
            .collect();
        let theirs: Vec<_> = theirs
            .iter()
            .map(|(level, title, page)| comparable(*level, title, *page))
            .collect();
        assert_eq!(ours, theirs, "{}", truth.file);
        files += usize::from(!ours.is_empty());
        items += ours.len();
    }
    println!("{files} outlines with {items} items equal PyMuPDF's");
    assert!(files > 20, "only {files} outlines were compared");
}

#[test]
fn encrypted_files_open_with_their_password_only() {
    let Some(corpus) = corpus() else { return };
    for (file, password) in passwords(&corpus) {
        let opened = open(&corpus, &file, &["wrong".to_owned(), password.clone()]).unwrap();
        // The owner password of this one is empty, which opens it too.
        if file == "enc-user__pypdf__r6-user-password.pdf" {
            assert_eq!(opened.inspection().encryption, Encryption::EmptyPassword);
            continue;
        }
        assert_eq!(
            opened.inspection().encryption,
            Encryption::Password,
            "{file}"
        );
        let closed = open(&corpus, &file, &["wrong".to_owned()]).err();
        assert_eq!(closed, Some(PdfError::Encrypted), "{file}");
    }
}

#[test]
fn bad_files_are_refused_with_a_reason() {
    let Some(corpus) = corpus() else { return };
    for truth in truths(&corpus) {
        let Err(error) = open(&corpus, &truth.file, &[]) else {
            continue;
        };
        let category = truth.file.split("__").next().unwrap();
        let expected = match category {
            "enc-user" => error == PdfError::Encrypted,
            "corrupt" | "notpdf" | "meta" => matches!(error, PdfError::Corrupt { .. }),
            _ => false,
        };
        assert!(expected, "{}: {error}", truth.file);
    }
}
