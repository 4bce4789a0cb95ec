//! Pages that are mostly not text: one that looks scanned, a grey one, a coloured one, an empty one.

use std::io::Write;

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, MetadataProvider};

use crate::raw::RawPdf;
use crate::typeset::{A4, Book, Face, Ink, Sheet, Style};

/// One A4 page with one full-page grey image of five lines of text at 150 dpi, a little askew, and no text: what a
/// scanner makes. A recogniser should read [`SCAN_LINES`] from it.
#[must_use]
pub fn scan() -> Vec<u8> {
    let Picture {
        width,
        height,
        pixels,
        ..
    } = scanned(&SCAN_LINES, 0);
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    pdf.object(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595.2 841.92] /Contents 4 0 R \
         /Resources << /XObject << /Im0 5 0 R >> >> >>",
    );
    pdf.stream("", b"q 595.2 0 0 841.92 0 0 cm /Im0 Do Q\n");
    pdf.stream(
        &format!(
            "/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray \
             /BitsPerComponent 8 /Filter /FlateDecode"
        ),
        &deflate(&pixels),
    );
    pdf.finish("")
}

/// The lines that [`scan`] shows as pixels.
pub const SCAN_LINES: [&str; 5] = [
    "Delivery note 88",
    "Received at the mill on 12 January 2026:",
    "forty sacks of wheat and ten sacks of rye.",
    "The scale was checked before weighing.",
    "Keep this note for seven years.",
];

/// A picture of a page: grey, one byte a pixel, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Pixels an inch.
    pub dpi: u32,
    /// `width` × `height` bytes; 0 is black.
    pub pixels: Vec<u8>,
}

/// An A4 page of these lines at 150 dpi as a scanner gives it: grey paper, a slight turn, specks; and `dust` pixels more in
/// a thousand that are black or white.
#[must_use]
pub fn scanned(lines: &[&str], dust: u64) -> Picture {
    const PAPER: f32 = 244.0;
    const TEXT: f32 = 40.0;
    let (width, height) = (1240, 1754);
    let font = FontRef::new(Face::Serif.data()).expect("the font crate ships intact fonts");
    let mut rasterizer = Rasterizer::new(width, height);
    for (index, line) in lines.iter().enumerate() {
        draw_line(
            &mut rasterizer,
            &font,
            line,
            (150.0, 300.0 + index as f32 * 80.0),
            34.0,
        );
    }
    let mut pixels = vec![PAPER as u8; width * height];
    rasterizer.for_each_pixel(|index, coverage| {
        pixels[index] = (PAPER - (PAPER - TEXT) * coverage.clamp(0.0, 1.0)) as u8;
    });
    let mut state: u64 = 0x5EED;
    let mut chance = |below: usize| {
        // Knuth's MMIX generator: the specks are the same each time.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..1500 {
        let at = chance(pixels.len());
        pixels[at] = pixels[at].saturating_sub(60);
    }
    for _ in 0..pixels.len() as u64 * dust / 1000 {
        let at = chance(pixels.len());
        pixels[at] = if chance(2) == 0 { 0 } else { 255 };
    }
    Picture {
        width,
        height,
        dpi: 150,
        pixels,
    }
}

/// Draws glyph outlines with their baseline starting at `start`, turned by half a degree.
fn draw_line(
    rasterizer: &mut Rasterizer,
    font: &FontRef<'_>,
    text: &str,
    start: (f32, f32),
    size: f32,
) {
    let metrics = font.glyph_metrics(Size::new(size), LocationRef::default());
    let outlines = font.outline_glyphs();
    let mut advance = 0.0;
    for character in text.chars() {
        let glyph = font
            .charmap()
            .map(character)
            .expect("the scan's letters are in the font");
        let mut pen = TurnedPen {
            rasterizer,
            start,
            advance,
            first: point(0.0, 0.0),
            last: point(0.0, 0.0),
        };
        if let Some(outline) = outlines.get(glyph) {
            let settings = DrawSettings::unhinted(Size::new(size), LocationRef::default());
            outline
                .draw(settings, &mut pen)
                .expect("the font crate ships intact fonts");
        }
        advance += metrics.advance_width(glyph).unwrap_or(0.0);
    }
}

struct TurnedPen<'a> {
    rasterizer: &'a mut Rasterizer,
    start: (f32, f32),
    advance: f32,
    first: Point,
    last: Point,
}

impl TurnedPen<'_> {
    fn place(&self, x: f32, y: f32) -> Point {
        let (sine, cosine) = 0.5_f32.to_radians().sin_cos();
        let along = x + self.advance;
        point(
            self.start.0 + along * cosine + y * sine,
            self.start.1 + along * sine - y * cosine,
        )
    }
}

impl OutlinePen for TurnedPen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.first = self.place(x, y);
        self.last = self.first;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let end = self.place(x, y);
        self.rasterizer.draw_line(self.last, end);
        self.last = end;
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let (control, end) = (self.place(cx, cy), self.place(x, y));
        self.rasterizer.draw_quad(self.last, control, end);
        self.last = end;
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let (control0, control1, end) =
            (self.place(cx0, cy0), self.place(cx1, cy1), self.place(x, y));
        self.rasterizer
            .draw_cubic(self.last, control0, control1, end);
        self.last = end;
    }

    fn close(&mut self) {
        self.rasterizer.draw_line(self.last, self.first);
        self.last = self.first;
    }
}

/// zlib data, as `/FlateDecode` wants it.
pub(crate) fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(data)
        .expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail")
}

/// One page whose text and areas are all grey: a renderer may store it in one channel.
#[must_use]
pub fn grey() -> Vec<u8> {
    let mut sheet = Sheet::new(A4);
    sheet.text(64.0, 90.0, Style::new(Face::Bold, 20.0), "Shades of grey");
    for step in 0..8_u8 {
        let top = 130.0 + f32::from(step) * 70.0;
        sheet.area(64.0, top, 300.0, 60.0, Ink::Grey(step * 32));
        sheet.text(
            380.0,
            top + 36.0,
            Style::new(Face::Serif, 12.0),
            &format!("step {step}"),
        );
    }
    single("Shades of grey", sheet)
}

/// One page with red, green and blue areas: a renderer must keep the colours.
#[must_use]
pub fn colour() -> Vec<u8> {
    let mut sheet = Sheet::new(A4);
    sheet.text(
        64.0,
        90.0,
        Style::new(Face::Bold, 20.0).ink(Ink::Rgb(160, 0, 90)),
        "Colours",
    );
    let areas = [
        ("red", Ink::Rgb(200, 30, 30)),
        ("green", Ink::Rgb(30, 150, 60)),
        ("blue", Ink::Rgb(30, 60, 190)),
    ];
    for (row, (name, ink)) in areas.iter().enumerate() {
        let top = 130.0 + row as f32 * 190.0;
        sheet.area(64.0, top, 300.0, 160.0, *ink);
        sheet.text(
            380.0,
            top + 85.0,
            Style::new(Face::Serif, 14.0).ink(*ink),
            name,
        );
    }
    single("Colours", sheet)
}

/// One A4 page with nothing on it.
#[must_use]
pub fn blank() -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    pdf.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>");
    pdf.finish("")
}

fn single(title: &'static str, sheet: Sheet) -> Vec<u8> {
    Book {
        title,
        author: "Pagemill samples",
        subject: "One page",
        keywords: &["sample"],
        language: "en",
        sheets: vec![sheet],
        ..Book::default()
    }
    .to_pdf()
}
