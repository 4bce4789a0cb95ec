//! Just enough typesetting for the samples: shape a line, measure it, break a paragraph, place it on a sheet.
//!
//! Coordinates are points from the top left corner, y downwards, as krilla has them; PDF's own are from the bottom.

use std::sync::LazyLock;

use harfrust::{Direction, FontRef, ShaperData, UnicodeBuffer};
use krilla::Document;
use krilla::SerializeSettings;
use krilla::action::{Action, LinkAction};
use krilla::annotation::{LinkAnnotation, Target};
use krilla::color::{luma, rgb};
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Paint};
use krilla::text::{Font, GlyphId, KrillaGlyph};

/// The width and height of an upright A4 page, in points.
pub(crate) const A4: (f32, f32) = (595.28, 841.89);

/// The faces that the samples are set in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// Libertinus Serif: Latin, Greek, Cyrillic and Hebrew; with ligatures.
    Serif,
    /// Its bold.
    Bold,
    /// Its italic.
    Italic,
    /// DejaVu Sans Mono; it has Arabic too.
    Mono,
}

struct LoadedFace {
    font: Font,
    data: &'static [u8],
    tables: FontRef<'static>,
    shaping: ShaperData,
    units_per_em: f32,
}

impl Face {
    /// The place of each face in `typst_assets::fonts()`; a test holds the names against it.
    fn place(self) -> usize {
        match self {
            Face::Serif => 0,
            Face::Bold => 1,
            Face::Italic => 2,
            Face::Mono => 16,
        }
    }

    /// The font file.
    pub(crate) fn data(self) -> &'static [u8] {
        self.loaded().data
    }

    /// The font as its outlines are drawn from.
    pub(crate) fn outlines(self) -> skrifa::FontRef<'static> {
        skrifa::FontRef::new(self.data()).expect("the font crate ships intact fonts")
    }

    fn loaded(self) -> &'static LoadedFace {
        static FACES: LazyLock<[LoadedFace; 4]> =
            LazyLock::new(|| [Face::Serif, Face::Bold, Face::Italic, Face::Mono].map(load));
        match self {
            Face::Serif => &FACES[0],
            Face::Bold => &FACES[1],
            Face::Italic => &FACES[2],
            Face::Mono => &FACES[3],
        }
    }
}

fn load(face: Face) -> LoadedFace {
    let data = typst_assets::fonts()
        .nth(face.place())
        .expect("the font crate ships seventeen faces");
    let font = Font::new(data.into(), 0).expect("the font crate ships intact fonts");
    let tables = FontRef::new(data).expect("the font crate ships intact fonts");
    LoadedFace {
        units_per_em: font.units_per_em(),
        shaping: ShaperData::new(&tables),
        font,
        data,
        tables,
    }
}

/// A colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ink {
    /// 0 is black, 255 white. Written in the grey colour space.
    Grey(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

impl Ink {
    pub(crate) const BLACK: Ink = Ink::Grey(0);

    fn fill(self) -> Fill {
        let paint: Paint = match self {
            Ink::Grey(lightness) => luma::Color::new(lightness).into(),
            Ink::Rgb(red, green, blue) => rgb::Color::new(red, green, blue).into(),
        };
        Fill {
            paint,
            ..Fill::default()
        }
    }
}

/// How a line is set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) face: Face,
    pub(crate) size: f32,
    pub(crate) ink: Ink,
}

impl Style {
    pub(crate) const fn new(face: Face, size: f32) -> Style {
        Style {
            face,
            size,
            ink: Ink::BLACK,
        }
    }

    pub(crate) const fn ink(self, ink: Ink) -> Style {
        Style { ink, ..self }
    }

    /// The width of a line set in this style, in points.
    pub(crate) fn width(self, text: &str) -> f32 {
        let advance: f32 = shape(self.face, text)
            .iter()
            .map(|glyph| glyph.x_advance)
            .sum();
        advance * self.size
    }
}

/// Glyphs in visual order, advances in ems. One script a call: there is no bidirectional resolution here.
fn shape(face: Face, text: &str) -> Vec<KrillaGlyph> {
    let loaded = face.loaded();
    let shaper = loaded.shaping.shaper(&loaded.tables).build();
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(text);
    buffer.guess_segment_properties();
    let right_to_left = buffer.direction() == Direction::RightToLeft;
    let shaped = shaper.shape(buffer, harfrust::ShapeOptions::default());

    let infos = shaped.glyph_infos();
    let mut cluster_starts: Vec<usize> = infos.iter().map(|info| info.cluster as usize).collect();
    cluster_starts.sort_unstable();
    cluster_starts.dedup();
    let cluster_end = |start: usize| {
        let following = cluster_starts.partition_point(|&other| other <= start);
        cluster_starts.get(following).copied().unwrap_or(text.len())
    };
    debug_assert!(!right_to_left || infos.is_sorted_by(|a, b| a.cluster >= b.cluster));

    let ems = |units: i32| units as f32 / loaded.units_per_em;
    infos
        .iter()
        .zip(shaped.glyph_positions())
        .map(|(info, position)| {
            let start = info.cluster as usize;
            KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                ems(position.x_advance),
                ems(position.x_offset),
                ems(position.y_offset),
                ems(position.y_advance),
                start..cluster_end(start),
                None,
            )
        })
        .collect()
}

/// Breaks a paragraph into lines no wider than `width`; a soft hyphen (U+00AD) is where a word may be broken.
pub(crate) fn break_lines(style: Style, text: &str, width: f32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let whole: String = word.chars().filter(|&c| c != '\u{ad}').collect();
        let candidate = if line.is_empty() {
            whole.clone()
        } else {
            format!("{line} {whole}")
        };
        if style.width(&candidate) <= width {
            line = candidate;
            continue;
        }
        let (head, tail) = hyphenate(style, &line, word, width);
        if let Some(head) = head {
            line = if line.is_empty() {
                head
            } else {
                format!("{line} {head}")
            };
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        line = tail;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The longest part of `word` that still fits behind `line`, with its hyphen, and what is left.
fn hyphenate(style: Style, line: &str, word: &str, width: f32) -> (Option<String>, String) {
    let parts: Vec<&str> = word.split('\u{ad}').collect();
    for taken in (1..parts.len()).rev() {
        let head = format!("{}-", parts[..taken].concat());
        let candidate = if line.is_empty() {
            head.clone()
        } else {
            format!("{line} {head}")
        };
        if style.width(&candidate) <= width {
            return (Some(head), parts[taken..].concat());
        }
    }
    (None, parts.concat())
}

enum Mark {
    Text {
        x: f32,
        baseline: f32,
        style: Style,
        text: String,
    },
    Area {
        rect: Rect,
        ink: Ink,
    },
}

/// One page, as a list of what stands on it.
pub(crate) struct Sheet {
    pub(crate) width: f32,
    pub(crate) height: f32,
    marks: Vec<Mark>,
    /// Where a link stands and its URI.
    links: Vec<(Rect, String)>,
}

impl Sheet {
    pub(crate) fn new((width, height): (f32, f32)) -> Sheet {
        Sheet {
            width,
            height,
            marks: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Sets one line; `x` is its left end. Returns its width.
    pub(crate) fn text(&mut self, x: f32, baseline: f32, style: Style, text: &str) -> f32 {
        self.marks.push(Mark::Text {
            x,
            baseline,
            style,
            text: text.to_owned(),
        });
        style.width(text)
    }

    /// Sets one line that ends at `right`.
    pub(crate) fn text_to(&mut self, right: f32, baseline: f32, style: Style, text: &str) {
        self.text(right - style.width(text), baseline, style, text);
    }

    /// Sets one line in the middle of the page.
    pub(crate) fn text_centred(&mut self, baseline: f32, style: Style, text: &str) {
        self.text(
            (self.width - style.width(text)) / 2.0,
            baseline,
            style,
            text,
        );
    }

    /// Sets one line word by word so that it fills `width`.
    pub(crate) fn text_justified(
        &mut self,
        x: f32,
        baseline: f32,
        style: Style,
        text: &str,
        width: f32,
    ) {
        let words: Vec<&str> = text.split(' ').collect();
        let gaps = words.len().saturating_sub(1);
        if gaps == 0 {
            self.text(x, baseline, style, text);
            return;
        }
        let inked: f32 = words.iter().map(|word| style.width(word)).sum();
        let gap = (width - inked) / gaps as f32;
        let mut at = x;
        for word in words {
            at += self.text(at, baseline, style, word) + gap;
        }
    }

    /// Fills a rectangle.
    pub(crate) fn area(&mut self, x: f32, y: f32, width: f32, height: f32, ink: Ink) {
        self.marks.push(Mark::Area {
            rect: rect(x, y, width, height),
            ink,
        });
    }

    /// A thin horizontal line.
    pub(crate) fn rule(&mut self, x: f32, y: f32, width: f32) {
        self.area(x, y, width, 0.6, Ink::Grey(90));
    }

    /// Sets a line in link blue with a URI action over it.
    pub(crate) fn link_text(
        &mut self,
        x: f32,
        baseline: f32,
        style: Style,
        text: &str,
        uri: &str,
    ) -> f32 {
        let width = self.text(x, baseline, style.ink(Ink::Rgb(0, 70, 160)), text);
        self.links
            .push((line_box(x, baseline, width, style.size), uri.to_owned()));
        width
    }
}

fn rect(x: f32, y: f32, width: f32, height: f32) -> Rect {
    Rect::from_xywh(x, y, width, height).expect("the samples' rectangles have a size")
}

fn line_box(x: f32, baseline: f32, width: f32, size: f32) -> Rect {
    rect(x, baseline - size * 0.8, width.max(1.0), size * 1.05)
}

/// An entry of the outline; level 0 is outermost, the page counts from 0.
pub(crate) struct Entry {
    pub(crate) level: usize,
    pub(crate) title: String,
    pub(crate) page_index: usize,
    pub(crate) y: f32,
}

/// A document: its sheets and what stands around them.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) title: &'static str,
    pub(crate) author: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) keywords: &'static [&'static str],
    pub(crate) language: &'static str,
    pub(crate) sheets: Vec<Sheet>,
    pub(crate) outline: Vec<Entry>,
}

impl Book {
    /// Writes the PDF. The same book gives the same bytes: dates are fixed and ids are hashes.
    pub(crate) fn to_pdf(&self) -> Vec<u8> {
        let mut document = Document::new_with(SerializeSettings::default());
        for sheet in &self.sheets {
            self.draw(&mut document, sheet);
        }
        if !self.outline.is_empty() {
            let mut outline = Outline::new();
            for node in outline_nodes(&self.outline, 0) {
                outline.push_child(node);
            }
            document.set_outline(outline);
        }
        let created = DateTime::new(2026)
            .month(1)
            .day(15)
            .hour(9)
            .minute(30)
            .second(0)
            .utc_offset_hour(0);
        let metadata = Metadata::new()
            .title(self.title.to_owned())
            .authors(vec![self.author.to_owned()])
            .description(self.subject.to_owned())
            .keywords(
                self.keywords
                    .iter()
                    .map(|&keyword| keyword.to_owned())
                    .collect(),
            )
            .language(self.language.to_owned())
            .creator("pagemill-samples".to_owned())
            .creation_date(created);
        document.set_metadata(metadata);
        document.finish().expect("the samples are valid documents")
    }

    fn draw(&self, document: &mut Document, sheet: &Sheet) {
        let settings = PageSettings::from_wh(sheet.width, sheet.height)
            .expect("the samples' pages have a size");
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        for mark in &sheet.marks {
            match mark {
                Mark::Text {
                    x,
                    baseline,
                    style,
                    text,
                } => {
                    surface.set_fill(Some(style.ink.fill()));
                    let glyphs = shape(style.face, text);
                    let font = style.face.loaded().font.clone();
                    surface.draw_glyphs(
                        Point::from_xy(*x, *baseline),
                        &glyphs,
                        font,
                        text,
                        style.size,
                        false,
                    );
                }
                Mark::Area { rect, ink } => {
                    surface.set_fill(Some(ink.fill()));
                    let mut path = PathBuilder::new();
                    path.push_rect(*rect);
                    let path = path.finish().expect("a rectangle is a path");
                    surface.draw_path(&path);
                }
            }
        }
        surface.finish();
        for (rect, uri) in &sheet.links {
            let target = Target::Action(Action::Link(LinkAction::new(uri.clone())));
            page.add_annotation(LinkAnnotation::new(*rect, target).into());
        }
    }
}

fn place(page_index: usize, y: f32) -> XyzDestination {
    XyzDestination::new(page_index, Point::from_xy(0.0, y))
}

/// The nodes of one level, each with the deeper entries that follow it.
fn outline_nodes(entries: &[Entry], level: usize) -> Vec<OutlineNode> {
    let mut nodes = Vec::new();
    let mut rest = entries;
    while let Some((first, following)) = rest.split_first() {
        let end = following
            .iter()
            .position(|entry| entry.level <= level)
            .unwrap_or(following.len());
        let mut node = OutlineNode::new(first.title.clone(), place(first.page_index, first.y));
        for child in outline_nodes(&following[..end], level + 1) {
            node.push_child(child);
        }
        nodes.push(node);
        rest = &following[end..];
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_crate_still_has_the_faces_at_their_places() {
        for (face, name) in [
            (Face::Serif, "LibertinusSerif-Regular"),
            (Face::Bold, "LibertinusSerif-Bold"),
            (Face::Italic, "LibertinusSerif-Italic"),
            (Face::Mono, "DejaVuSansMono"),
        ] {
            let utf16: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let data = face.data();
            let has = |needle: &[u8]| data.windows(needle.len()).any(|window| window == needle);
            assert!(
                has(name.as_bytes()) || has(&utf16),
                "{name} is not at place {}",
                face.place()
            );
        }
    }

    #[test]
    fn lines_fit_their_width_and_soft_hyphens_become_hyphens() {
        let style = Style::new(Face::Serif, 10.0);
        let lines = break_lines(
            style,
            "a con\u{ad}sid\u{ad}er\u{ad}able re\u{ad}con\u{ad}sid\u{ad}er\u{ad}ation",
            90.0,
        );
        assert!(
            lines.iter().all(|line| style.width(line) <= 90.0),
            "{lines:?}"
        );
        assert!(lines.iter().any(|line| line.ends_with('-')), "{lines:?}");
        let joined = lines.join(" ").replace("- ", "");
        assert_eq!(joined, "a considerable reconsideration");
    }

    #[test]
    fn ligatures_are_one_glyph_for_two_letters() {
        assert!(shape(Face::Serif, "fi").len() < 2);
    }
}
