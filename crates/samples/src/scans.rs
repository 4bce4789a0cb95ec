//! Pages of text as a printer and a scanner leave them, to measure by how well letters are read from pictures.
//!
//! What a page says is in a file of `scans/`: a line each as it is set, headings behind `# `, rows of a ruled table between
//! bars. The same words are the truth that what was read is compared with.

use ab_glyph_rasterizer::{Rasterizer, point};
use skrifa::{FontRef, MetadataProvider};

use crate::picture::{Picture, chance, draw_line, file_of};
use crate::typeset::Face;

/// The pages by name.
const PAGES: [(&str, &str); 5] = [
    ("report", include_str!("scans/report.txt")),
    ("invoice", include_str!("scans/invoice.txt")),
    ("minutes", include_str!("scans/minutes.txt")),
    ("german", include_str!("scans/german.txt")),
    ("french", include_str!("scans/french.txt")),
];

/// Those whose letters are in none of the project's own fonts, by name.
const PAGES_IN_OTHER_FONTS: [(&str, &str); 2] = [
    ("japanese", include_str!("scans/japanese.txt")),
    ("chinese", include_str!("scans/chinese.txt")),
];

/// Of a page of A4, in points.
const WIDTH: f32 = 595.2;
const HEIGHT: f32 = 841.92;
const MARGIN: f32 = 70.0;

/// Distance of baselines, in points.
const LEADING: f32 = 16.0;

/// Where the columns of a table begin, and where the last one ends, in points.
const COLUMNS: [f32; 6] = [70.0, 104.0, 290.0, 356.0, 428.0, 520.0];

/// Width of the rules of a table, in points.
const RULE: f32 = 0.8;

/// A page, scanned.
#[derive(Debug)]
pub struct Scan {
    /// What it is, and how it was scanned, such as `report-noisy`.
    pub name: String,
    /// The page as it was scanned.
    pub picture: Picture,
    /// What it says, line by line.
    pub text: String,
}

impl Scan {
    /// A PDF of this page, without text.
    #[must_use]
    pub fn pdf(&self) -> Vec<u8> {
        file_of(std::slice::from_ref(&self.picture))
    }
}

/// What a page is set in: each letter in the first font that has it.
struct Faces<'a> {
    text: Vec<FontRef<'a>>,
    headings: Vec<FontRef<'a>>,
}

impl<'a> Faces<'a> {
    fn own() -> Self {
        Self {
            text: vec![Face::Serif.outlines()],
            headings: vec![Face::Bold.outlines()],
        }
    }

    /// This font, and where it lacks a letter, the project's own.
    fn with(font: &FontRef<'a>) -> Self {
        let own = Self::own();
        let first = |others| [vec![font.clone()], others].concat();
        Self {
            text: first(own.text),
            headings: first(own.headings),
        }
    }

    fn have(&self, ch: char) -> bool {
        let has = |fonts: &[FontRef<'_>]| fonts.iter().any(|font| font.charmap().map(ch).is_some());
        has(&self.text) && has(&self.headings)
    }
}

/// All pages that the project's own fonts have the letters of, each as it comes from a clean scan at 150 dpi, and from a bad
/// one at 200 dpi: crooked, unevenly lit, with noise and specks.
#[must_use]
pub fn scans() -> Vec<Scan> {
    let faces = Faces::own();
    let pages = PAGES.into_iter();
    pages
        .flat_map(|(name, page)| scans_of(name, page, &faces))
        .collect()
}

/// The Japanese and the Chinese page, as [`scans`] gives the others, each in the first of these font files that has its
/// letters; and the names of those whose letters none of them has.
#[must_use]
pub fn scans_in(fonts: &[Vec<u8>]) -> (Vec<Scan>, Vec<&'static str>) {
    let fonts: Vec<FontRef<'_>> = fonts.iter().flat_map(|file| faces_of(file)).collect();
    let (mut scans, mut left_out) = (Vec::new(), Vec::new());
    for (name, page) in PAGES_IN_OTHER_FONTS {
        let mut faces = fonts.iter().map(Faces::with);
        let letters = || page.chars().filter(|ch| !ch.is_control());
        match faces.find(|faces| letters().all(|ch| faces.have(ch))) {
            Some(faces) => scans.extend(scans_of(name, page, &faces)),
            None => left_out.push(name),
        }
    }
    (scans, left_out)
}

/// The fonts in a file: several in a collection, none in what is no font.
fn faces_of(file: &[u8]) -> impl Iterator<Item = FontRef<'_>> {
    FontRef::fonts(file).flatten()
}

/// A page from a clean scan and from a bad one.
fn scans_of(name: &str, page: &str, faces: &Faces<'_>) -> [Scan; 2] {
    let clean = drawn(page, faces, 150, 0.0);
    let noisy = with_noise(drawn(page, faces, 200, 0.7));
    [("clean", clean), ("noisy", noisy)].map(|(how, picture)| Scan {
        name: format!("{name}-{how}"),
        picture,
        text: text_of(page),
    })
}

/// So many small pages of a few words, as a scanner gives them: reading one takes a moment.
#[must_use]
pub fn scanned_slips(count: usize) -> Vec<u8> {
    let slip = |number: usize| {
        let (width, height) = (700, 200);
        let mut rasterizer = Rasterizer::new(width, height);
        let line = format!("Slip {number} of {count} for rye");
        draw_line(
            &mut rasterizer,
            &[Face::Serif.outlines()],
            &line,
            (40.0, 110.0),
            36.0,
            0.0,
        );
        developed(&rasterizer, width, height, 150)
    };
    let slips: Vec<Picture> = (1..=count).map(slip).collect();
    file_of(&slips)
}

/// What a page says.
fn text_of(page: &str) -> String {
    let lines = page.lines().filter(|line| !line.is_empty());
    let lines = lines.map(|line| match cells(line) {
        Some(cells) => cells.collect::<Vec<_>>().join(" "),
        None => line.trim_start_matches("# ").to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The cells of a row; `None` for other lines.
fn cells(line: &str) -> Option<impl Iterator<Item = &str>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim))
}

/// A page of black letters on white, turned by so many degrees.
fn drawn(page: &str, faces: &Faces<'_>, dpi: u32, turn: f32) -> Picture {
    let scale = dpi as f32 / 72.0;
    let (width, height) = ((WIDTH * scale) as usize, (HEIGHT * scale) as usize);
    let mut rasterizer = Rasterizer::new(width, height);
    let (sine, cosine) = turn.to_radians().sin_cos();
    let placed = |x: f32, y: f32| {
        let (x, y) = (x * scale, y * scale);
        (x * cosine - y * sine, x * sine + y * cosine)
    };
    let rule = |rasterizer: &mut Rasterizer, x0: f32, y0: f32, x1: f32, y1: f32| {
        let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
        let corners = corners.map(|(x, y)| placed(x, y)).map(|(x, y)| point(x, y));
        for pair in corners.windows(2) {
            rasterizer.draw_line(pair[0], pair[1]);
        }
    };
    let mut y = 90.0;
    let mut is_in_table = false;
    for line in page.lines() {
        let mut text = |fonts: &[FontRef<'_>], text: &str, x, y, size: f32| {
            draw_line(
                &mut rasterizer,
                fonts,
                text,
                placed(x, y),
                size * scale,
                turn,
            );
        };
        let row = cells(line);
        let is_row = row.is_some();
        if let Some(row) = row {
            for (cell, x) in row.zip(COLUMNS) {
                text(&faces.text, cell, x + 4.0, y, 10.5);
            }
        } else if let Some(heading) = line.strip_prefix("# ") {
            text(&faces.headings, heading, MARGIN, y, 14.0);
        } else {
            text(&faces.text, line, MARGIN, y, 11.5);
        }
        if is_row {
            let (top, bottom) = (y - 12.0, y + 5.0);
            let [left, right] = [COLUMNS[0], COLUMNS[COLUMNS.len() - 1]];
            if !is_in_table {
                rule(&mut rasterizer, left, top, right, top + RULE);
            }
            rule(&mut rasterizer, left, bottom, right, bottom + RULE);
            for x in COLUMNS {
                rule(&mut rasterizer, x, top + RULE, x + RULE, bottom);
            }
        }
        is_in_table = is_row;
        y += match (line.is_empty(), is_row) {
            (true, _) => LEADING * 0.6,
            (false, true) => 17.0,
            (false, false) => LEADING,
        };
    }
    developed(&rasterizer, width, height, dpi)
}

fn developed(rasterizer: &Rasterizer, width: usize, height: usize, dpi: u32) -> Picture {
    let mut pixels = vec![255; width * height];
    rasterizer.for_each_pixel(|index, coverage| {
        pixels[index] = (255.0 - 235.0 * coverage.clamp(0.0, 1.0)) as u8;
    });
    Picture {
        width,
        height,
        dpi,
        pixels,
    }
}

/// Light that falls off to one corner, noise of the sensor, and specks of dust.
fn with_noise(mut picture: Picture) -> Picture {
    let mut chance = chance();
    let (width, height) = (picture.width as f32, picture.height as f32);
    for (index, pixel) in picture.pixels.iter_mut().enumerate() {
        let (x, y) = (index % picture.width, index / picture.width);
        let light = 1.0 - 0.28 * (x as f32 / width) * (y as f32 / height);
        // Four even numbers together are nearly normal, here with a deviation of 18.
        let sum: usize = (0..4).map(|_| chance(63)).sum();
        let noise = sum as f32 - 124.0;
        *pixel = (f32::from(*pixel) * light * 0.93 + noise * 0.5).clamp(0.0, 255.0) as u8;
    }
    for _ in 0..picture.pixels.len() / 250 {
        let at = chance(picture.pixels.len());
        picture.pixels[at] = if chance(2) == 0 { 0 } else { 255 };
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_its_file_says_without_marks() {
        let text = text_of("# Title\nA line.\n\n| a | b c |\n");
        assert_eq!(text, "Title\nA line.\na b c");
    }

    #[test]
    fn every_page_fits_on_its_paper() {
        // The sums of the rasterizer leave a trace.
        let is_paper = |pixel: u8| pixel > 250;
        for (name, page) in PAGES {
            let picture = drawn(page, &Faces::own(), 72, 0.0);
            let is_white = |from: usize, to: usize| {
                let rows = &picture.pixels[from * picture.width..to * picture.width];
                rows.iter().all(|pixel| is_paper(*pixel))
            };
            assert!(is_white(picture.height - 40, picture.height), "{name}");
            let right = picture.pixels.chunks_exact(picture.width);
            assert!(
                right.map(|row| row[picture.width - 20]).all(is_paper),
                "{name}"
            );
        }
    }
}
