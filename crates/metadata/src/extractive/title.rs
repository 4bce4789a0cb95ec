//! The title: from the file where it makes sense, else from the largest text of the first page.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use pagemill_document::{BlockKind, Inspection, PageText, Structure};
use regex::Regex;

use crate::extractive::finding::{Sourced, ValueSource};
use crate::extractive::sample::{Sample, collapse, shorten};

/// What software and templates write when nobody set a title.
const PLACEHOLDERS: &[&str] = &[
    "untitled",
    "title",
    "document",
    "unknown",
    "none",
    "no title",
    "new document",
    "default",
    "blank",
    "blank page",
    "powerpoint presentation",
    "powerpoint-präsentation",
    "présentation powerpoint",
    "presentation",
    "slide 1",
    "slide",
    "diapositiva 1",
    "folie 1",
    "word document",
    "microsoft word",
    "layout 1",
    "print",
    "scan",
    "scanned document",
    "image",
    "paper title",
    "your title",
    "template",
    "invoice template",
    "titel",
    "sans titre",
    "unbenannt",
    "test",
    "main",
    "full page photo",
    "print job",
    "pdf",
    "acrobat",
    "page 1",
    "index",
    "article",
    "manuscript",
    "draft",
];

static FILE_NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\.(docx?|dotx?|pdf|tex|dvi|indd|qxd|xlsx?|pptx?|ps|eps|rtf|txt|od[tps]|html?|cdr|fm|wpd|pub|pmd|p65|ai|jpe?g|png|tiff?|md|rst|cps|max|job)$")
        .expect("pattern is valid")
});
static CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[\p{L}\p{N}_.\-:/#~+]*[\d_][\p{L}\p{N}_.\-:/#~+]*$").expect("pattern is valid")
});
static PROGRAM_PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(microsoft (office )?(word|powerpoint|excel|visio|publisher)|powerpoint|word)\s*[-–:]\s*").expect("pattern is valid")
});

/// What Google Docs and people put before the name of a copy.
static COPY_OF: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:copy of|kopie von|copie de|copia de|copia di)\s+")
        .expect("pattern is valid")
});
static WEB_PROGRAM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\s+[-–|]\s+(?:google (?:docs|sheets|slides|präsentationen|tabellen)|microsoft word|word online|libreoffice writer|overleaf[^|]*)$")
        .expect("pattern is valid")
});

/// Why a title from the file is not believed, or the title cleaned.
pub(crate) fn sane(title: &str, source_name: &str) -> Option<String> {
    let cleaned = collapse(title);
    let without_program = PROGRAM_PREFIX.replace(&cleaned, "").into_owned();
    let had_program = without_program != cleaned;
    let title = without_program
        .trim()
        .trim_matches(['"', '\''])
        .trim()
        .to_owned();
    let letters = title
        .chars()
        .filter(|character| character.is_alphabetic())
        .count();
    let length = title.chars().count();
    let words = title.split_whitespace().count();
    let file_stem = source_name
        .rsplit('/')
        .next()
        .and_then(|name| name.strip_suffix(".pdf").or(Some(name)))
        .unwrap_or_default();
    let title = COPY_OF.replace(&title, "").trim().to_owned();
    let title = WEB_PROGRAM.replace(&title, "").trim().to_owned();
    let lower = title.to_lowercase();
    let is_junk = !(3..=300).contains(&length)
        || letters < 3
        // Numbers and dates may stand in a title, but do not make it.
        || letters * 5 < length * 2
        || PLACEHOLDERS.contains(&lower.as_str())
        || lower.starts_with("untitled")
        || lower.starts_with("doi:")
        || lower.starts_with("http:")
        || lower.starts_with("https:")
        || lower.starts_with("file:")
        || title.contains('\\')
        || title.contains('\u{fffd}')
        || FILE_NAME.is_match(&title)
        || (words == 1 && CODE.is_match(&title))
        || (had_program && words < 2)
        || (words < 3 && fold(&title) == fold(file_stem));
    (!is_junk).then_some(title)
}

fn fold(text: &str) -> String {
    text.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether a title only names a kind of document, or none.
#[cfg(feature = "llm")]
pub(crate) fn is_placeholder(title: &str) -> bool {
    sane(title, "").is_none() || is_kind(title)
}

/// Whether a span of a page stands where titles do: in a heading, in letters larger than the page's text, or, at the front of a
/// document whose letters are all of one size, in its first line.
#[cfg(feature = "llm")]
pub(crate) fn stands_out(page: &PageText, start: usize, end: usize, is_front: bool) -> bool {
    let sizes = page.blocks.iter().map(|block| block.font_size);
    let (least, most) = sizes.fold((f32::MAX, 0.0_f32), |(least, most), size| {
        (least.min(size), most.max(size))
    });
    let is_first = is_front && most <= least * 1.1 && page.text[..start].trim().is_empty();
    let is_alone = {
        let (from, to) = crate::grounding::lines_of(&page.text, start, end);
        // A title in the middle of a sentence is none.
        let around = page.text[from..start].trim().len() + page.text[end..to].trim().len();
        around * 2 <= end - start
    };
    let touches = |block: &&pagemill_document::Block| {
        (block.start as usize) < end && start < block.end as usize
    };
    let body = body_size(page);
    let mut blocks = page.blocks.iter().filter(touches);
    let is_large = blocks.any(|block| {
        block.kind == BlockKind::Heading || (body > 0.0 && block.font_size >= body * 1.1)
    });
    is_alone && (is_large || is_first)
}

/// Whether the line of a position stands below the title and above the text, where papers name their authors.
#[cfg(feature = "llm")]
pub(crate) fn is_byline(page: &PageText, start: usize) -> bool {
    let before = &page.text[..start];
    let lines = before
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count();
    let (from, to) = crate::grounding::lines_of(&page.text, start, start);
    let line: String = page.text[from..to]
        .chars()
        .filter(|letter| !letter.is_ascii_digit() && !"*†‡§¹²³⁴⁵⁶⁷⁸⁹".contains(*letter))
        .collect();
    let has_begun = TEXT_BEGINS.is_match(before);
    (1..=6).contains(&lines)
        && !has_begun
        && before.chars().count() <= 600
        && super::parties::looks_like_names(line.trim())
        && line.split_whitespace().count() >= 2
}

/// The size of most of a page's text.
#[cfg(feature = "llm")]
fn body_size(page: &PageText) -> f32 {
    let mut sizes: Vec<(f32, u32)> = page
        .blocks
        .iter()
        .map(|block| (block.font_size, block.end.saturating_sub(block.start)))
        .collect();
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half: u32 = sizes.iter().map(|(_, length)| length / 2).sum();
    let mut seen = 0;
    let median = sizes.iter().find(|(_, length)| {
        seen += length;
        seen >= half
    });
    median.map_or(0.0, |(size, _)| *size)
}

#[cfg(feature = "llm")]
static TEXT_BEGINS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?im)^\s*(?:\d\.?\s*)?(?:abstract|introduction|summary|zusammenfassung|einleitung|résumé|resumen|contents|inhalt|dear|sehr geehrte)\b")
        .expect("pattern is valid")
});

/// Names of kinds of documents, and of parts of them: a title that is nothing else tells nothing.
static KIND: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:tax |commercial |pro ?forma |final |sales )?(?:invoice|rechnung|facture|factura|fattura|factuur|faktura|receipt|quittung|beleg|credit note|gutschrift|bill|statement|order|quotation|angebot|bestellung|auftragsbestätigung|lieferschein|mahnung|letter|memo|memorandum|agenda|minutes|report|bericht|form|formular|antrag|resume|résumé|curriculum vitae|cv|lebenslauf|abstract|summary|contents|table of contents|inhalt|inhaltsverzeichnis|copy|kopie|original|page|seite|(?:grand |sub ?)?total|subtotal|amount due|summe|gesamtbetrag|zwischensumme)s?[\s:.#-]*(?:(?:no|nr|number|nummer|n°|date|datum|page|seite)\b[\s:.#]*)?(?:eur|usd|€|\$|£)?\s*(?:\S*\d\S*(?:\s\S*\d\S*){0,2})?\s*(?:eur|usd|€)?$")
        .expect("pattern is valid")
});

/// Whether a title is a kind's name, with or without a number.
fn is_kind(title: &str) -> bool {
    KIND.is_match(title.trim())
}

/// The title with its source, and a warning when the file's own title was not believed.
pub(crate) fn find(
    inspection: &Inspection,
    structure: &Structure,
    pages: &[PageText],
    sample: &Sample,
    source_name: &str,
    warnings: &mut Vec<String>,
) -> Option<Sourced<String>> {
    let printed = printed_title(pages, source_name);
    let beginning: String = sample
        .first(3)
        .map(|passage| passage.text.to_lowercase() + " ")
        .collect();
    let from_file = [
        (inspection.info.xmp.get("dc:title"), ValueSource::Xmp),
        (inspection.info.info.get("title"), ValueSource::PdfInfo),
    ];
    for (claimed, source) in from_file {
        let Some(claimed) = claimed.filter(|claimed| !claimed.trim().is_empty()) else {
            continue;
        };
        let Some(title) = sane(claimed, source_name).filter(|title| !is_kind(title)) else {
            warnings.push(
                "the title in the file looks like a file name or placeholder and was not used"
                    .to_owned(),
            );
            continue;
        };
        if printed.is_some() && !shares_a_word(&title, &beginning) {
            warnings.push(
                "the title in the file does not occur in the first pages and was not used"
                    .to_owned(),
            );
            continue;
        }
        return Some(Sourced::new(title, source));
    }
    warnings.dedup();
    if printed.is_some() {
        return printed;
    }
    let heading = structure
        .headings
        .iter()
        .filter(|heading| heading.page.0 <= 2)
        .min_by_key(|heading| (heading.level, heading.page, heading.block));
    if let Some(heading) = heading
        && let Some(title) = sane(&heading.text, source_name)
        && !is_kind(&title)
    {
        let quote = shorten(&collapse(&heading.text), 200);
        return Some(Sourced::shown(
            title,
            ValueSource::Text,
            heading.page,
            quote,
        ));
    }
    let roots: Vec<&str> = structure
        .outline
        .iter()
        .filter(|item| item.level == 1)
        .map(|item| item.title.as_str())
        .collect();
    if let [only] = roots.as_slice()
        && let Some(title) = sane(only, source_name)
    {
        return Some(Sourced::new(title, ValueSource::PdfInfo));
    }
    first_line(sample, source_name)
}

/// Whether a word of four letters or more (any word, in scripts without spaces) occurs in the text.
fn shares_a_word(title: &str, text: &str) -> bool {
    let words: BTreeSet<String> = title
        .to_lowercase()
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| {
            word.chars().count() >= 4 || word.chars().any(|character| character as u32 >= 0x2E80)
        })
        .map(str::to_owned)
        .collect();
    words.is_empty() || words.iter().any(|word| text.contains(word.as_str()))
}

/// The largest text on the first page that has text, when it stands out from the body text.
fn printed_title(pages: &[PageText], source_name: &str) -> Option<Sourced<String>> {
    let page = pages
        .iter()
        .take(3)
        .find(|page| !page.text.trim().is_empty())?;
    let blocks: Vec<_> = page
        .blocks
        .iter()
        .filter(|block| block.kind != BlockKind::Furniture)
        .filter_map(|block| {
            Some((
                block,
                page.text.get(block.start as usize..block.end as usize)?,
            ))
        })
        .filter(|(_, text)| {
            text.chars()
                .filter(|character| character.is_alphabetic())
                .count()
                >= 3
        })
        .collect();
    let mut by_size: Vec<(u32, usize)> = Vec::new();
    for (block, text) in &blocks {
        let size = (block.font_size * 2.0).round() as u32;
        match by_size.iter_mut().find(|(known, _)| *known == size) {
            Some((_, length)) => *length += text.len(),
            None => by_size.push((size, text.len())),
        }
    }
    let body = by_size.iter().max_by_key(|(_, length)| *length)?.0;
    let mut sizes: Vec<u32> = by_size
        .iter()
        .map(|(size, _)| *size)
        .filter(|size| u64::from(*size) * 10 >= u64::from(body) * 11)
        .collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    for size in sizes.into_iter().take(3) {
        let of_size =
            |block: &pagemill_document::Block| (block.font_size * 2.0).round() as u32 == size;
        let start = blocks.iter().position(|(block, _)| of_size(block))?;
        let run: Vec<&str> = blocks[start..]
            .iter()
            .take_while(|(block, _)| of_size(block))
            .take(3)
            .map(|(_, text)| *text)
            .collect();
        let text = collapse(&run.join(" "));
        if text.split_whitespace().count() > 40 {
            continue;
        }
        let is_single_short_word = text.chars().count() < 4;
        if let Some(title) = sane(&text, source_name)
            && !is_single_short_word
            && !is_kind(&title)
        {
            let quote = shorten(&collapse(run[0]), 200);
            return Some(Sourced::shown(title, ValueSource::Text, page.page, quote));
        }
    }
    None
}

/// The first line, where it reads like a title.
fn first_line(sample: &Sample, source_name: &str) -> Option<Sourced<String>> {
    let passage = sample.first(1).next()?;
    let mut lines = passage
        .text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let line = lines.next()?;
    let words = line.split_whitespace().count();
    let reads_like_title = (2..=18).contains(&words)
        && line
            .chars()
            .next()
            .is_some_and(|first| first.is_uppercase() || first as u32 >= 0x0590)
        && !line.ends_with(['.', ',', ';', ':', '-'])
        && !line.contains('@')
        // Addresses, numbers and dates are no titles.
        && line.chars().filter(char::is_ascii_digit).count() < 4;
    if !reads_like_title {
        return None;
    }
    let title = sane(line, source_name).filter(|title| !is_kind(title))?;
    Some(Sourced::shown(
        title,
        ValueSource::Rule,
        passage.page,
        collapse(line),
    ))
}

#[cfg(test)]
mod tests {
    use super::sane;

    #[test]
    fn junk_titles_are_refused() {
        for junk in [
            "untitled",
            "Untitled-1",
            "Microsoft Word - report_v3.doc",
            "thesis.dvi",
            "doi:10.1016/j.jhydrol.2005.01.006",
            "C:\\Users\\x\\a.docx",
            "IMG_20240101",
            "12345",
            "PowerPoint Presentation",
            "",
            "  ",
            "scan0001",
            "---",
        ] {
            assert_eq!(sane(junk, "in/other.pdf"), None, "{junk}");
        }
        assert_eq!(sane("annual report", "in/annual_report.pdf"), None);
    }

    #[test]
    fn real_titles_are_kept_and_cleaned() {
        assert_eq!(
            sane("  The  response\nof flow ", "a.pdf").as_deref(),
            Some("The response of flow")
        );
        assert_eq!(
            sane("Microsoft Word - Annual report on water", "a.pdf").as_deref(),
            Some("Annual report on water")
        );
        assert_eq!(
            sane("Die Verwandlung", "kafka.pdf").as_deref(),
            Some("Die Verwandlung")
        );
        assert_eq!(
            sane("東京都の条例", "a.pdf").as_deref(),
            Some("東京都の条例")
        );
    }
}
