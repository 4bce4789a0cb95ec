//! Pages as pictures, as scanners make them, and files of such pages.

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, MetadataProvider};

use crate::plain::deflate;
use crate::raw::RawPdf;
use crate::typeset::Face;

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
    let mut rasterizer = Rasterizer::new(width, height);
    for (index, line) in lines.iter().enumerate() {
        let start = (150.0, 300.0 + index as f32 * 80.0);
        let serif = Face::Serif.outlines();
        draw_line(&mut rasterizer, &[serif], line, start, 34.0, 0.5);
    }
    let mut pixels = vec![PAPER as u8; width * height];
    rasterizer.for_each_pixel(|index, coverage| {
        pixels[index] = (PAPER - (PAPER - TEXT) * coverage.clamp(0.0, 1.0)) as u8;
    });
    let mut chance = chance();
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

/// Numbers below the one that is asked for: the same each time.
pub(crate) fn chance() -> impl FnMut(usize) -> usize {
    let mut state: u64 = 0x5EED;
    move |below| {
        // Knuth's MMIX generator.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}

/// Draws glyph outlines with their baseline starting at `start`, turned by so many degrees: each of the first of these fonts
/// that has it.
pub(crate) fn draw_line(
    rasterizer: &mut Rasterizer,
    fonts: &[FontRef<'_>],
    text: &str,
    start: (f32, f32),
    size: f32,
    turn: f32,
) {
    let turn = turn.to_radians().sin_cos();
    let mut advance = 0.0;
    for character in text.chars() {
        let found = fonts
            .iter()
            .find_map(|font| Some((font, font.charmap().map(character)?)));
        let (font, glyph) = found.expect("the scan's letters are in one of the fonts");
        let metrics = font.glyph_metrics(Size::new(size), LocationRef::default());
        let mut pen = TurnedPen {
            rasterizer,
            start,
            turn,
            advance,
            first: point(0.0, 0.0),
            last: point(0.0, 0.0),
        };
        if let Some(outline) = font.outline_glyphs().get(glyph) {
            let settings = DrawSettings::unhinted(Size::new(size), LocationRef::default());
            outline
                .draw(settings, &mut pen)
                .expect("the font is intact");
        }
        advance += metrics.advance_width(glyph).unwrap_or(0.0);
    }
}

struct TurnedPen<'a> {
    rasterizer: &'a mut Rasterizer,
    start: (f32, f32),
    /// Its sine and its cosine.
    turn: (f32, f32),
    advance: f32,
    first: Point,
    last: Point,
}

impl TurnedPen<'_> {
    fn place(&self, x: f32, y: f32) -> Point {
        let (sine, cosine) = self.turn;
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

/// A file whose pages are these pictures, without text.
pub(crate) fn file_of(pictures: &[Picture]) -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    let kids: Vec<String> = (0..pictures.len())
        .map(|index| format!("{} 0 R", 3 + 3 * index))
        .collect();
    let (kids, count) = (kids.join(" "), pictures.len());
    pdf.object(&format!("<< /Type /Pages /Kids [{kids}] /Count {count} >>"));
    for picture in pictures {
        let points = |pixels: usize| pixels as f64 * 72.0 / f64::from(picture.dpi);
        let (width, height) = (points(picture.width), points(picture.height));
        let content = pdf.next_number() + 1;
        pdf.object(&format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents {content} 0 R \
             /Resources << /XObject << /Im0 {} 0 R >> >> >>",
            content + 1
        ));
        pdf.stream(
            "",
            format!("q {width} 0 0 {height} 0 0 cm /Im0 Do Q\n").as_bytes(),
        );
        pdf.stream(
            &format!(
                "/Type /XObject /Subtype /Image /Width {} /Height {} /ColorSpace /DeviceGray \
                 /BitsPerComponent 8 /Filter /FlateDecode",
                picture.width, picture.height
            ),
            &deflate(&picture.pixels),
        );
    }
    pdf.finish("")
}
