//! What a child may answer for a page. A child that has read a hostile page may say anything.

use bytes::Bytes;

use crate::protocol::{ImageHeader, PageAnswer, PageLinks};
use pagemill_document::{AnnotationSpan, Block, PageNumber, PageText};
use pagemill_reader::{
    ExtractRequest, ImageFormat, ImageSettings, Limits, PageFailure, PageImage, PageOutput,
    PictureReading,
};

/// Bytes over the limit of text that joining blocks may add.
const TEXT_SLACK_BYTES: u64 = 64 << 10;

/// A child tells at most so many figures of a page.
const MOST_FIGURES: usize = 1_200;

/// Makes a page's output of a child's answer.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn page_output(
    expected: PageNumber,
    request: &ExtractRequest,
    limits: &Limits,
    answer: PageAnswer,
    body: Vec<u8>,
) -> Result<PageOutput, String> {
    if answer.page != expected {
        return Err("another page than asked for".to_owned());
    }
    let image = match (&request.images, answer.image) {
        (Some(settings), Some(header)) => Some(page_image(settings, &header, body)?),
        (None, None) if body.is_empty() => None,
        _ => return Err("an image that was not asked for, or none that was".to_owned()),
    };
    let text = match (request.text, answer.text) {
        (true, Some(text)) => Some(page_text(expected, limits, text)?),
        (false, None) => None,
        _ => return Err("text that was not asked for, or none that was".to_owned()),
    };
    let found = match (request.links, answer.links) {
        (true, Some(found)) => Some(page_links(expected, limits, found)?),
        (false, None) => None,
        _ => return Err("links that were not asked for, or none that were".to_owned()),
    };
    check_readings(request, &answer.readings)?;
    let links_dropped = found.as_ref().map_or(0, |found| found.dropped);
    Ok(PageOutput {
        page: expected,
        image,
        text,
        links: found.map(|found| found.links),
        links_dropped,
        annotations: answer.annotations,
        readings: answer.readings,
    })
}

/// What they say is for a child that reads the same page of the same file: it can lie to nobody but to its own.
fn check_readings(request: &ExtractRequest, readings: &[PictureReading]) -> Result<(), String> {
    if request.readings.is_none() && !readings.is_empty() {
        return Err("readings that were not asked for".to_owned());
    }
    let bytes: usize = readings.iter().map(PictureReading::bytes).sum();
    if bytes > PictureReading::MOST_BYTES_PER_PAGE {
        return Err(format!("{bytes} bytes of readings"));
    }
    let is_hash =
        |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match readings.iter().all(|kept| is_hash(&kept.picture)) {
        true => Ok(()),
        false => Err("a reading of something that is no picture".to_owned()),
    }
}

/// Whether a child that lives may give up this page for this reason.
pub(super) fn is_answerable(expected: PageNumber, failure: &PageFailure) -> bool {
    matches!(
        failure,
        PageFailure::Unreadable { page } | PageFailure::OutOfMemory { page } if *page == expected
    )
}

fn page_image(
    settings: &ImageSettings,
    header: &ImageHeader,
    body: Vec<u8>,
) -> Result<PageImage, String> {
    let pixels = u64::from(header.width) * u64::from(header.height);
    if pixels == 0 || pixels > settings.max_pixels.max(1) {
        return Err(format!("an image of {pixels} pixels"));
    }
    if header.format != settings.format {
        return Err("an image of another format".to_owned());
    }
    if header.thumbnail_bytes.is_some() != settings.thumbnail_edge.is_some() {
        return Err("a thumbnail that was not asked for, or none that was".to_owned());
    }
    let announced = header
        .bytes
        .checked_add(header.thumbnail_bytes.unwrap_or(0));
    if announced != Some(body.len() as u64) {
        return Err("a body of another length than announced".to_owned());
    }
    let image_bytes = usize::try_from(header.bytes).map_err(|error| error.to_string())?;
    let mut data = Bytes::from(body);
    let rest = data.split_off(image_bytes);
    let thumbnail = header.thumbnail_bytes.map(|_| rest);
    if !has_signature(&data, header.format)
        || thumbnail
            .as_ref()
            .is_some_and(|file| !has_signature(file, header.format))
    {
        return Err("an image that does not begin like one".to_owned());
    }
    Ok(PageImage {
        width: header.width,
        height: header.height,
        format: header.format,
        grey: header.grey,
        scaled_down: header.scaled_down,
        data,
        thumbnail,
    })
}

fn has_signature(file: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Png => file.starts_with(b"\x89PNG\r\n\x1a\n"),
        ImageFormat::Jpeg => file.starts_with(b"\xff\xd8\xff"),
        ImageFormat::Webp => file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP"),
    }
}

fn page_text(expected: PageNumber, limits: &Limits, text: PageText) -> Result<PageText, String> {
    if text.page != expected {
        return Err("the text of another page".to_owned());
    }
    let most = limits
        .max_text_bytes_per_page
        .saturating_add(TEXT_SLACK_BYTES);
    if text.text.len() as u64 > most {
        return Err(format!("{} bytes of text", text.text.len()));
    }
    let mut end = 0;
    for block in &text.blocks {
        let span = block.start as usize..block.end as usize;
        if span.start < end || text.text.get(span.clone()).is_none() {
            return Err("a block of text that is not there".to_owned());
        }
        end = span.end;
        check_table(&text, block, most)?;
    }
    let is_there = |span: &AnnotationSpan| {
        let range = span.start as usize..span.end as usize;
        text.text.get(range).is_some()
    };
    if !text.annotations.iter().all(is_there) {
        return Err("a text of an annotation that is not there".to_owned());
    }
    let has_figures = text.figures.iter().all(|figure| {
        let names_block = figure
            .caption
            .is_none_or(|caption| (caption as usize) < text.blocks.len());
        let at = figure.bbox;
        names_block
            && [at.x0, at.y0, at.x1, at.y1]
                .iter()
                .all(|edge| edge.is_finite())
    });
    if !has_figures || text.figures.len() > MOST_FIGURES {
        return Err("figures that can't be".to_owned());
    }
    let mut end = 0;
    for raised in &text.raised {
        let span = raised.start as usize..raised.end as usize;
        if span.start < end || text.text.get(span.clone()).is_none() {
            return Err("a raised text that is not there".to_owned());
        }
        end = span.end;
    }
    Ok(text)
}

fn check_table(text: &PageText, block: &Block, most: u64) -> Result<(), String> {
    let Some(table) = &block.table else {
        return Ok(());
    };
    let bytes: u64 = table.cells.iter().map(|cell| cell.text.len() as u64).sum();
    let names_block = table
        .caption
        .is_none_or(|caption| (caption as usize) < text.blocks.len());
    if !table.is_sound() || !names_block || bytes > most {
        return Err("a table that can't be".to_owned());
    }
    Ok(())
}

fn page_links(
    expected: PageNumber,
    limits: &Limits,
    found: PageLinks,
) -> Result<PageLinks, String> {
    if found.links.len() > limits.max_links_per_page as usize {
        return Err(format!("{} links", found.links.len()));
    }
    if found.links.iter().any(|link| link.page != expected) {
        return Err("a link of another page".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagemill_document::{PageState, RaisedSpan};

    const PAGE: PageNumber = PageNumber(2);
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

    fn request() -> ExtractRequest {
        ExtractRequest {
            images: Some(ImageSettings {
                max_pixels: 100,
                ..ImageSettings::default()
            }),
            text: true,
            links: true,
            ..ExtractRequest::default()
        }
    }

    fn answer() -> PageAnswer {
        PageAnswer {
            page: PAGE,
            image: Some(ImageHeader {
                width: 10,
                height: 10,
                format: ImageFormat::Png,
                grey: true,
                scaled_down: false,
                bytes: PNG.len() as u64,
                thumbnail_bytes: None,
            }),
            text: Some(PageText {
                page: PAGE,
                width: 10.0,
                height: 10.0,
                rotation: 0,
                state: PageState::Text,
                text: "é".to_owned(),
                blocks: Vec::new(),
                annotations: Vec::new(),
                raised: Vec::new(),
                figures: Vec::new(),
                characters: Default::default(),
                ocr: None,
                truncated: false,
            }),
            links: Some(PageLinks::default()),
            annotations: 0,
            readings: Vec::new(),
        }
    }

    fn check(answer: PageAnswer, body: &[u8]) -> Result<PageOutput, String> {
        page_output(PAGE, &request(), &Limits::default(), answer, body.to_vec())
    }

    fn block(start: u32, end: u32) -> pagemill_document::Block {
        pagemill_document::Block {
            kind: pagemill_document::BlockKind::Paragraph,
            level: None,
            start,
            end,
            bbox: pagemill_document::Rect::default(),
            font_size: 1.0,
            bold: false,
            lines: Vec::new(),
            table: None,
        }
    }

    #[test]
    fn an_honest_answer_becomes_a_page() {
        let output = check(answer(), PNG).expect("honest");
        assert_eq!(output.image.expect("an image").data, PNG);
    }

    #[test]
    fn lies_about_the_image_are_refused() {
        let lies: [fn(&mut ImageHeader); 5] = [
            |image| image.width = 0,
            |image| image.height = u32::MAX,
            |image| image.bytes = u64::MAX,
            |image| image.thumbnail_bytes = Some(0),
            |image| image.format = ImageFormat::Jpeg,
        ];
        for lie in lies {
            let mut lying = answer();
            lying.image.as_mut().map(lie).expect("an image");
            assert!(check(lying, PNG).is_err());
        }
        assert!(check(answer(), b"<html>rest!!").is_err());
        assert!(check(answer(), &PNG[1..]).is_err());
    }

    #[test]
    fn what_was_not_asked_for_is_refused() {
        let bare = ExtractRequest::default();
        let refused = page_output(PAGE, &bare, &Limits::default(), answer(), PNG.to_vec());
        assert!(refused.is_err());
        let mut missing = answer();
        missing.links = None;
        assert!(check(missing, PNG).is_err());
    }

    #[test]
    fn another_page_is_refused() {
        let mut other = answer();
        other.page = PageNumber(3);
        assert!(check(other, PNG).is_err());
        let mut other_text = answer();
        if let Some(text) = &mut other_text.text {
            text.page = PageNumber(3);
        }
        assert!(check(other_text, PNG).is_err());
    }

    #[test]
    fn blocks_must_lie_in_the_text() {
        for blocks in [
            vec![block(0, 3)],
            vec![block(1, 2)],
            vec![block(2, 0)],
            vec![block(0, 2), block(0, 2)],
        ] {
            let mut lying = answer();
            if let Some(text) = &mut lying.text {
                text.blocks = blocks;
            }
            assert!(check(lying, PNG).is_err());
        }
    }

    #[test]
    fn what_is_raised_must_lie_in_the_text_and_in_its_order() {
        for spans in [
            vec![(0, 3)],
            vec![(1, 2)],
            vec![(2, 0)],
            vec![(0, 2), (0, 2)],
        ] {
            let mut lying = answer();
            if let Some(text) = &mut lying.text {
                let spans = spans.into_iter();
                text.raised = spans
                    .map(|(start, end)| RaisedSpan { start, end })
                    .collect();
            }
            assert!(check(lying, PNG).is_err());
        }
    }

    #[test]
    fn a_table_must_fit_its_grid() {
        let mut lying = answer();
        if let Some(text) = &mut lying.text {
            let mut block = block(0, 2);
            block.table = Some(Box::new(pagemill_document::Table {
                rows: u32::MAX,
                columns: u32::MAX,
                ..Default::default()
            }));
            text.blocks = vec![block];
        }
        assert!(check(lying, PNG).is_err());
    }

    #[test]
    fn a_living_child_cannot_call_a_page_crashed() {
        assert!(is_answerable(PAGE, &PageFailure::Unreadable { page: PAGE }));
        assert!(!is_answerable(PAGE, &PageFailure::Crashed { page: PAGE }));
        let other = PageNumber(9);
        assert!(!is_answerable(
            PAGE,
            &PageFailure::Unreadable { page: other }
        ));
    }
}
