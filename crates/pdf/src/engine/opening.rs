//! Opening a document: PDFium decides whether it is one, a second parser adds what PDFium does not tell.
//!
//! The second parser runs in a child too, after PDFium has the file. Bombs that kill it cost the document its outline
//! and labels, not its pages; links then come from PDFium.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::retry_budget::RetryBudget;
use crate::pool::{BusyChild, ChildFault, Death, Pool, Source, Trouble};
use crate::protocol::{Answer, FrameCaps, LinkTask, Look, Misread, Request};
use crate::repair::{Purpose, Repair};
use pagemill_document::{Inspection, OutlineItem, PageLabel, PageNumber};
use pagemill_reader::{Counted, PdfError, SealedFile, has_header, not_a_pdf};

mod found;

use found::FoundLinks;
pub(in crate::engine) use found::LinkCollector;

/// What is known of an open document.
pub(super) struct OpenedDocument {
    pub(super) source: Source,
    pub(super) inspection: Inspection,
    pub(super) outline: Vec<OutlineItem>,
    pub(super) page_labels: Vec<PageLabel>,
    /// As the second parser counts them.
    pub(super) pages_in_tree: Option<u32>,
    /// What PDFium gets wrong about it.
    pub(super) misread: Misread,
    /// Whether the source is a copy in which hidden text is out of the way.
    pub(super) without_hidden: bool,
    /// What that copy was made of.
    with_hidden: Option<Source>,
    links: LinkIndex,
    looks: HashMap<PageNumber, Look>,
}

/// Where links come from.
enum LinkIndex {
    /// The second parser found them.
    Found(FoundLinks),
    /// Nobody has looked yet.
    AskPdfium,
}

impl OpenedDocument {
    /// The file that looks as the one that came, whatever is read in place of it.
    pub(super) fn as_shown(&self) -> &Source {
        self.with_hidden.as_ref().unwrap_or(&self.source)
    }

    /// What the second parser counted on a page.
    pub(super) fn counted(&self, page: PageNumber) -> Option<Counted> {
        match &self.links {
            LinkIndex::AskPdfium => None,
            LinkIndex::Found(found) => Some(found.counted(page)),
        }
    }

    /// How a child gets the links of a page.
    pub(super) fn link_task(&self, page: PageNumber, wanted: bool) -> LinkTask {
        match &self.links {
            _ if !wanted => LinkTask::Unwanted,
            LinkIndex::AskPdfium => LinkTask::AskPdfium,
            LinkIndex::Found(found) => match found.get(page) {
                Ok(links) => LinkTask::Found(links),
                Err(error) => {
                    tracing::warn!(page = page.0, %error, "links can't be read back: PDFium is asked for them");
                    LinkTask::AskPdfium
                }
            },
        }
    }

    /// What PDFium does not tell of a page's look.
    pub(super) fn look(&self, page: PageNumber) -> Look {
        self.looks.get(&page).cloned().unwrap_or_default()
    }
}

impl fmt::Debug for OpenedDocument {
    /// Passwords stay out of it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OpenedDocument")
            .field("file", &self.source.file)
            .field("inspection", &self.inspection)
            .finish_non_exhaustive()
    }
}

/// What the second parser gave.
struct SecondReading {
    inspection: Inspection,
    outline: Vec<OutlineItem>,
    page_labels: Vec<PageLabel>,
    misread: Misread,
    /// Nothing when it died between the document's own data and the last link.
    links: Option<FoundLinks>,
    looks: HashMap<PageNumber, Look>,
}

pub(super) async fn open(
    pool: &Arc<Pool>,
    file: SealedFile,
    passwords: &[String],
) -> Result<OpenedDocument, PdfError> {
    if pool.is_closed() {
        return Err(PdfError::Engine {
            reason: "the engine is shut down: start a new one".to_owned(),
        });
    }
    let limits = &pool.settings().limits;
    if file.bytes() > limits.max_file_bytes {
        return Err(PdfError::OverLimit {
            limit: "max_file_bytes".to_owned(),
            actual: file.bytes(),
            allowed: limits.max_file_bytes,
        });
    }
    let original = file.clone();
    let mut source = Source::new(file, passwords);
    let mut repairs = Vec::new();
    let (child, first) = loop {
        match read_with_pdfium(pool, &source).await {
            Ok(read) => break read,
            Err(refusal) => {
                let repair;
                (repair, source) = repaired(pool, &source, &repairs, refusal)
                    .await
                    .map_err(|error| without_header(&original, error))?;
                repairs.push(repair);
            }
        }
    };
    let second = read_again(pool, child, &source, first.pages).await;
    let mut opened = combine(source, first, second);
    if opened.misread.layers
        && let Some(source) = without_hidden_layers(pool, &opened).await
    {
        opened.with_hidden = Some(std::mem::replace(&mut opened.source, source));
        opened.without_hidden = true;
    }
    let inspection = &mut opened.inspection;
    for repair in repairs {
        tracing::info!(?repair, "the file was repaired before it was opened");
        if let Repair::Decrypted(encryption) = repair {
            inspection.encryption = encryption;
        }
        let version = std::mem::take(&mut inspection.pdf_version);
        inspection.pdf_version = repair.version(version);
        let warning = repair.in_words().map(str::to_owned);
        inspection.warnings.extend(warning);
    }
    Ok(opened)
}

/// A copy of the file whose hidden text is out of the way; nothing where that can't be made or PDFium sees another
/// document in it, and what is on layers that are off is among the text then.
async fn without_hidden_layers(pool: &Arc<Pool>, opened: &OpenedDocument) -> Option<Source> {
    let mut child = pool.child(opened.source.id).await.ok()?;
    let copy = rewritten(&mut child, &opened.source, Purpose::Layers).await?;
    drop(child);
    match read_with_pdfium(pool, &copy).await {
        Ok((_, inspection)) if inspection.pages == opened.inspection.pages => Some(copy),
        other => {
            let error = other.err().map(|error| error.to_string());
            tracing::warn!(
                error,
                "the copy of a file without hidden text can't be used"
            );
            None
        }
    }
}

/// A copy of a file, rewritten in a child for a purpose; nothing where there is nothing to be done, or it can't be.
pub(super) async fn rewritten(
    child: &mut BusyChild,
    source: &Source,
    purpose: Purpose,
) -> Option<Source> {
    let file = match child.repair(source, purpose).await {
        Ok((_, file)) => file,
        Err(Trouble::Refused(error)) => {
            tracing::debug!(%error, ?purpose, "a file was not rewritten");
            return None;
        }
        Err(Trouble::Died(death)) => {
            tracing::warn!(reason = %death.reason, ?purpose, "a renderer did not survive the rewriting of a file");
            return None;
        }
    };
    // The child held it to the limit.
    let most = u64::try_from(file.len()).unwrap_or(u64::MAX);
    match SealedFile::from_bytes(&file, most) {
        Ok(file) => Some(Source::new(file, &source.passwords)),
        Err(error) => {
            tracing::warn!(%error, ?purpose, "a file that was rewritten can't be kept");
            None
        }
    }
}

/// A file without a header that can't be read was no PDF.
fn without_header(file: &SealedFile, error: PdfError) -> PdfError {
    match error {
        PdfError::Corrupt { .. } if !has_header(file.first_bytes()) => {
            not_a_pdf(file.first_bytes())
        }
        other => other,
    }
}

/// Another file in place of one that PDFium refuses, unless it was repaired in that way before.
///
/// # Errors
/// The refusal, where nothing helps; or a better one.
async fn repaired(
    pool: &Arc<Pool>,
    source: &Source,
    before: &[Repair],
    refusal: PdfError,
) -> Result<(Repair, Source), PdfError> {
    let is_headless = !has_header(source.file.first_bytes());
    let may_help = match &refusal {
        PdfError::Encrypted | PdfError::UnsupportedEncryption { .. } => true,
        PdfError::Corrupt { .. } => is_headless,
        _ => false,
    };
    // One of each kind.
    if !may_help || before.len() > 1 {
        return Err(refusal);
    }
    let mut child = pool.child(source.id).await?;
    let (repair, file) = match child.repair(source, Purpose::Opening).await {
        Ok(repaired) => repaired,
        Err(Trouble::Died(death)) => {
            tracing::warn!(reason = %death.reason, "a renderer did not survive the repair of a file");
            return Err(refusal);
        }
        // The object reader knows more of encryption than PDFium says.
        Err(Trouble::Refused(
            better @ (PdfError::Encrypted | PdfError::UnsupportedEncryption { .. }),
        )) => return Err(better),
        Err(Trouble::Refused(_)) => return Err(refusal),
    };
    drop(child);
    if before.contains(&repair) {
        return Err(refusal);
    }
    let limits = &pool.settings().limits;
    let file = SealedFile::from_bytes(&file, limits.max_file_bytes)?;
    Ok((repair, Source::new(file, &source.passwords)))
}

async fn read_with_pdfium(
    pool: &Arc<Pool>,
    source: &Source,
) -> Result<(BusyChild, Inspection), PdfError> {
    let mut budget = RetryBudget::default();
    let mut first_reason = None;
    let mut child = pool.child(source.id).await?;
    loop {
        let death = match try_pdfium(pool, child, source).await {
            Ok(read) => return Ok(read),
            Err(Trouble::Refused(error)) => return Err(error),
            Err(Trouble::Died(death)) => death,
        };
        let survives = budget.allows_another_after(death.kind);
        let first = first_reason.get_or_insert_with(|| death.reason.clone());
        if !survives {
            let last = death.reason;
            return Err(PdfError::Poison {
                reason: format!("opening it ended a child ({first}), and a fresh one too ({last})"),
            });
        }
        child = pool.fresh_child(source.id).await?;
    }
}

async fn try_pdfium(
    pool: &Arc<Pool>,
    mut child: BusyChild,
    source: &Source,
) -> Result<(BusyChild, Inspection), Trouble> {
    let opened = child.open(source).await?;
    let most = pool.settings().limits.max_pages;
    match opened {
        Some(inspection) if (1..=most).contains(&inspection.pages) => Ok((child, inspection)),
        _ => {
            let fault = ChildFault::Violation("a document without a page count".to_owned());
            Err(Trouble::Died(child.end_after(fault).await))
        }
    }
}

/// The second reading, once more in a fresh child when its child died.
async fn read_again(
    pool: &Arc<Pool>,
    mut child: BusyChild,
    source: &Source,
    pages: u32,
) -> Result<SecondReading, String> {
    let mut budget = RetryBudget::default();
    let mut outcome = try_second(pool, &mut child, pages).await;
    drop(child);
    loop {
        let death = match outcome {
            Ok(reading) => return Ok(reading),
            Err(Trouble::Refused(error)) => return Err(error.to_string()),
            Err(Trouble::Died(death)) => death,
        };
        if !death.kind.may_be_chance() || !budget.allows_another_after(death.kind) {
            return Err(death.reason);
        }
        let mut fresh = pool
            .fresh_child(source.id)
            .await
            .map_err(|error| error.to_string())?;
        outcome = match fresh.open(source).await {
            Ok(_) => try_second(pool, &mut fresh, pages).await,
            Err(trouble) => Err(trouble),
        };
    }
}

async fn try_second(
    pool: &Arc<Pool>,
    child: &mut BusyChild,
    pages: u32,
) -> Result<SecondReading, Trouble> {
    let limits = &pool.settings().limits;
    let caps = FrameCaps::without_body(limits);
    let end = Instant::now() + Duration::from_secs(u64::from(limits.open_timeout_seconds));
    let left = || end.saturating_duration_since(Instant::now());

    let outcome = match child.send(&Request::Inspect, None).await {
        Ok(()) => child.receive(caps, left()).await,
        Err(fault) => Err(fault),
    };
    let mut reading = match outcome {
        Ok((
            Answer::Inspected {
                inspection,
                outline,
                page_labels,
                misread,
            },
            _,
        )) => SecondReading {
            inspection: *inspection,
            outline,
            page_labels,
            misread,
            links: None,
            looks: HashMap::new(),
        },
        Ok((Answer::Refused(error), _)) => {
            child.rest();
            return Err(Trouble::Refused(error));
        }
        Ok(_) => {
            let fault = ChildFault::Violation("another answer than to an inspection".to_owned());
            return Err(Trouble::Died(child.end_after(fault).await));
        }
        Err(fault) => return Err(Trouble::Died(child.end_after(fault).await)),
    };

    let mut collector = LinkCollector::new(pages, limits);
    loop {
        let outcome = child.receive(caps, left()).await;
        let fault = match outcome {
            Ok((Answer::FoundEnd, _)) => {
                child.rest();
                child.has_read_objects();
                reading.links = Some(collector.found);
                reading.looks = collector.looks;
                return Ok(reading);
            }
            Ok((Answer::Found(found), _)) => match collector.take(found) {
                Ok(()) => continue,
                Err(what) => ChildFault::Violation(what),
            },
            Ok(_) => ChildFault::Violation("another answer than links".to_owned()),
            Err(fault) => fault,
        };
        let death: Death = child.end_after(fault).await;
        // A crash may be chance; then the whole reading is tried again.
        if death.kind.may_be_chance() {
            return Err(Trouble::Died(death));
        }
        reading
            .inspection
            .warnings
            .push(format!("reading its links failed: {}", death.reason));
        return Ok(reading);
    }
}

fn combine(
    source: Source,
    first: Inspection,
    second: Result<SecondReading, String>,
) -> OpenedDocument {
    let reading = match second {
        Ok(reading) => reading,
        Err(reason) => {
            let mut inspection = first;
            inspection.warnings.push(format!(
                "only PDFium could read the file, so that outline and page labels are missing: {reason}"
            ));
            return OpenedDocument {
                source,
                inspection,
                outline: Vec::new(),
                page_labels: Vec::new(),
                pages_in_tree: None,
                misread: Misread::default(),
                without_hidden: false,
                with_hidden: None,
                links: LinkIndex::AskPdfium,
                looks: HashMap::new(),
            };
        }
    };
    let mut inspection = reading.inspection;
    if inspection.pages != first.pages {
        inspection.warnings.push(format!(
            "the page tree holds {} pages, PDFium shows {}",
            inspection.pages, first.pages
        ));
    }
    let pages_in_tree = Some(inspection.pages);
    inspection.pages = first.pages;
    inspection.encryption = first.encryption;
    let pages = first.pages;
    let exists = |page: PageNumber| (1..=pages).contains(&page.0);
    let outline = reading.outline.into_iter().map(|item| OutlineItem {
        page: item.page.filter(|page| exists(*page)),
        ..item
    });
    let labels = reading.page_labels.into_iter();
    OpenedDocument {
        source,
        inspection,
        outline: outline.collect(),
        page_labels: labels.filter(|label| exists(label.page)).collect(),
        pages_in_tree,
        misread: reading.misread,
        without_hidden: false,
        with_hidden: None,
        links: reading.links.map_or(LinkIndex::AskPdfium, LinkIndex::Found),
        looks: reading.looks,
    }
}
