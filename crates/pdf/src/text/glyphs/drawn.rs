//! What a page draws beside its text: rules and filled areas, which say where tables are; pictures, which may hold text;
//! and shapes of the size of letters, of which a page that was made of outlines is full.

use pagemill_document::Rect;
use pagemill_layout::{Axis, Drawing, MAX_DRAWN, Rule};
use pdfium_render::prelude::{
    PdfMatrix, PdfPage, PdfPageImageObject, PdfPageObject, PdfPageObjectCommon,
    PdfPageObjectsCommon, PdfPagePathObject, PdfPathFillMode, PdfPathSegmentType, PdfPathSegments,
};

use super::frame::PageFrame;
use super::sketch::Sketch;

/// More objects of a page are not looked at.
const MAX_OBJECTS: usize = 200_000;

/// Paths of a page with more segments than this in all are a picture.
const MAX_SEGMENTS: u32 = 100_000;

/// A path of more segments than this is a figure of a picture.
const MAX_SEGMENTS_OF_PATH: u32 = 4_000;

/// Objects in forms in forms are looked at this deep.
const DEEPEST_FORM: usize = 4;

/// A filled area that is thinner than this, in points, is a rule.
const THICKEST_RULE: f32 = 3.0;

/// A line may lean by this much, in points.
const LEANING: f32 = 0.7;

/// Parts of a colour above this are white.
const WHITE: u8 = 250;

/// Pictures of a page that are looked at.
const MAX_PICTURES: usize = 1_000;

/// Heights of outlines of letters, in points: the most is a part of the page's height.
const LOWEST_LETTER: f32 = 2.0;
const HIGHEST_LETTER: f32 = 1.0 / 12.0;

/// Letters are at most so many times as wide as they are high.
const WIDEST_LETTER: f32 = 2.0;

/// What is drawn on a page beside its text, as seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Drawn {
    /// Rules and filled areas. None of a page that is drawn rather than written.
    pub(super) drawing: Drawing,
    /// Where pictures are.
    pub(super) pictures: Vec<Rect>,
    /// How many filled shapes with curves there are that are as large as letters.
    pub(super) outlines: usize,
    /// Areas that lines and curves cover.
    pub(super) areas: Vec<Rect>,
}

impl Drawn {
    pub(super) fn of(page: &PdfPage<'_>, frame: &PageFrame) -> Self {
        let mut collector = Collector {
            frame,
            drawn: Self::default(),
            sketch: Sketch::new(frame.seen_size()),
            objects: 0,
            segments: 0,
        };
        let is_whole = collector.take(page.objects().iter(), &[Matrix::IDENTITY], 0);
        if !is_whole {
            collector.drawn.drawing = Drawing::default();
        }
        collector.drawn.areas = collector.sketch.areas();
        collector.drawn
    }
}

/// An affine map of points.
#[derive(Debug, Clone, Copy)]
struct Matrix([f32; 6]);

impl Matrix {
    const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    fn of(matrix: &PdfMatrix) -> Self {
        Self([
            matrix.a(),
            matrix.b(),
            matrix.c(),
            matrix.d(),
            matrix.e(),
            matrix.f(),
        ])
    }

    fn apply(self, (x, y): (f32, f32)) -> (f32, f32) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + c * y + e, b * x + d * y + f)
    }
}

struct Collector<'a> {
    frame: &'a PageFrame,
    drawn: Drawn,
    sketch: Sketch,
    objects: usize,
    segments: u32,
}

/// Points of one stroke of a path, as seen.
#[derive(Default)]
struct Stroke {
    points: Vec<(f32, f32)>,
    is_curved: bool,
    /// Where it runs: `points` has the control points of curves, which lie beside them.
    line: Vec<(f32, f32)>,
    /// Points of the curve that is being read.
    curve: Vec<(f32, f32)>,
}

impl Stroke {
    fn add(&mut self, point: (f32, f32), is_of_curve: bool) {
        self.points.push(point);
        if !is_of_curve {
            self.line.push(point);
            return;
        }
        self.is_curved = true;
        self.curve.push(point);
        if let (Some(&start), &[a, b, end]) = (self.line.last(), self.curve.as_slice()) {
            let on_curve = |part: f32| {
                let rest = 1.0 - part;
                let at = |start: f32, a: f32, b: f32, end: f32| {
                    let of_ends = rest.powi(3) * start + part.powi(3) * end;
                    of_ends + 3.0 * rest * part * (rest * a + part * b)
                };
                (at(start.0, a.0, b.0, end.0), at(start.1, a.1, b.1, end.1))
            };
            self.line.extend([0.25, 0.5, 0.75, 1.0].map(on_curve));
            self.curve.clear();
        }
    }

    fn close(&mut self) {
        self.points.extend(self.points.first().copied());
        self.line.extend(self.line.first().copied());
    }
}

impl Collector<'_> {
    /// Takes objects whose coordinates become those of the page by `matrices`, the innermost first. False once there is
    /// too much.
    fn take<'p>(
        &mut self,
        objects: impl Iterator<Item = PdfPageObject<'p>>,
        matrices: &[Matrix],
        depth: usize,
    ) -> bool {
        for object in objects {
            self.objects += 1;
            let is_too_much = self.objects > MAX_OBJECTS
                || self.segments > MAX_SEGMENTS
                || self.drawn.drawing.rules.len() + self.drawn.drawing.fills.len() > MAX_DRAWN;
            if is_too_much {
                return false;
            }
            match &object {
                PdfPageObject::Path(path) => self.take_path(path, matrices),
                PdfPageObject::Image(picture) => self.take_picture(picture, matrices),
                PdfPageObject::XObjectForm(form) if depth < DEEPEST_FORM => {
                    let Ok(matrix) = form.matrix() else {
                        continue;
                    };
                    let mut inner = vec![Matrix::of(&matrix)];
                    inner.extend(matrices);
                    if !self.take(form.iter(), &inner, depth + 1) {
                        return false;
                    }
                }
                _ => {}
            }
        }
        true
    }

    /// Takes the unit square that a picture fills.
    fn take_picture(&mut self, picture: &PdfPageImageObject<'_>, matrices: &[Matrix]) {
        let Ok(matrix) = picture.matrix() else {
            return;
        };
        if self.drawn.pictures.len() >= MAX_PICTURES {
            return;
        }
        let own = Matrix::of(&matrix);
        let corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)].map(|corner| {
            let mut point = own.apply(corner);
            for matrix in matrices {
                point = matrix.apply(point);
            }
            self.frame.seen(point.0, point.1)
        });
        self.drawn.pictures.push(box_of(&corners));
    }

    /// Counts an outline that may be a letter.
    fn take_outline(&mut self, stroke: &Stroke) {
        let Rect { x0, y0, x1, y1 } = box_of(&stroke.points);
        let (width, height) = (x1 - x0, y1 - y0);
        let highest = self.frame.seen_size().1 * HIGHEST_LETTER;
        let is_letter =
            (LOWEST_LETTER..=highest).contains(&height) && width <= WIDEST_LETTER * height;
        self.drawn.outlines += usize::from(is_letter);
    }

    fn take_path(&mut self, path: &PdfPagePathObject<'_>, matrices: &[Matrix]) {
        let is_stroked = path.is_stroked().unwrap_or(false);
        let is_filled = !matches!(path.fill_mode(), Ok(PdfPathFillMode::None) | Err(_));
        let is_white = || {
            let colour = path.fill_color();
            colour.is_ok_and(|colour| {
                colour.alpha() < 8
                    || [colour.red(), colour.green(), colour.blue()]
                        .iter()
                        .all(|&part| part >= WHITE)
            })
        };
        let segments = path.segments();
        let count = segments.len();
        self.segments = self
            .segments
            .saturating_add(count.min(MAX_SEGMENTS_OF_PATH));
        if count > MAX_SEGMENTS_OF_PATH || !(is_stroked || is_filled) {
            return;
        }
        if is_filled && !is_stroked && is_white() {
            return;
        }
        let Ok(matrix) = path.matrix() else {
            return;
        };
        let own = Matrix::of(&matrix);
        let mut stroke = Stroke::default();
        let mut strokes = Vec::new();
        for index in 0..count {
            let Ok(segment) = segments.get(index) else {
                return;
            };
            let kind = segment.segment_type();
            if kind == PdfPathSegmentType::MoveTo && !stroke.points.is_empty() {
                strokes.push(std::mem::take(&mut stroke));
            }
            let (x, y) = segment.point();
            let mut point = own.apply((x.value, y.value));
            for matrix in matrices {
                point = matrix.apply(point);
            }
            let seen = self.frame.seen(point.0, point.1);
            stroke.add(seen, kind == PdfPathSegmentType::BezierTo);
            if segment.is_close() {
                stroke.close();
            }
        }
        strokes.push(stroke);
        for stroke in &strokes {
            self.sketch.line(&stroke.line);
            if is_filled && !is_stroked && stroke.is_curved {
                self.take_outline(stroke);
            }
            if is_filled && !stroke.is_curved && self.take_area(stroke, is_white()) {
                continue;
            }
            if is_stroked {
                self.take_stroke(stroke);
            }
        }
    }

    /// Takes a filled rectangle, or an area that is as thin as a rule: borders are often drawn with mitred corners. False for
    /// any other shape.
    fn take_area(&mut self, stroke: &Stroke, is_white: bool) -> bool {
        let Some((bbox, is_rectangle)) = corners(&stroke.points) else {
            return false;
        };
        let (width, height) = (bbox.x1 - bbox.x0, bbox.y1 - bbox.y0);
        let rules = &mut self.drawn.drawing.rules;
        if height <= THICKEST_RULE && width > 2.0 * height {
            rules.push(Rule {
                axis: Axis::Horizontal,
                at: (bbox.y0 + bbox.y1) / 2.0,
                from: bbox.x0,
                to: bbox.x1,
            });
        } else if width <= THICKEST_RULE && height > 2.0 * width {
            rules.push(Rule {
                axis: Axis::Vertical,
                at: (bbox.x0 + bbox.x1) / 2.0,
                from: bbox.y0,
                to: bbox.y1,
            });
        } else if is_white || !is_rectangle {
            return false;
        } else {
            self.drawn.drawing.fills.push(bbox);
        }
        true
    }

    fn take_stroke(&mut self, stroke: &Stroke) {
        for pair in stroke.points.windows(2) {
            let ((xa, ya), (xb, yb)) = (pair[0], pair[1]);
            let (width, height) = ((xa - xb).abs(), (ya - yb).abs());
            if height <= LEANING && width > 1.0 {
                self.drawn.drawing.rules.push(Rule {
                    axis: Axis::Horizontal,
                    at: (ya + yb) / 2.0,
                    from: xa.min(xb),
                    to: xa.max(xb),
                });
            } else if width <= LEANING && height > 1.0 {
                self.drawn.drawing.rules.push(Rule {
                    axis: Axis::Vertical,
                    at: (xa + xb) / 2.0,
                    from: ya.min(yb),
                    to: ya.max(yb),
                });
            }
        }
    }
}

/// The box around points.
fn box_of(points: &[(f32, f32)]) -> Rect {
    let mut bbox = Rect {
        x0: f32::INFINITY,
        y0: f32::INFINITY,
        x1: f32::NEG_INFINITY,
        y1: f32::NEG_INFINITY,
    };
    for &(x, y) in points {
        bbox.x0 = bbox.x0.min(x);
        bbox.x1 = bbox.x1.max(x);
        bbox.y0 = bbox.y0.min(y);
        bbox.y1 = bbox.y1.max(y);
    }
    bbox
}

/// The box around the corners of a simple shape, and whether that is the shape itself.
fn corners(points: &[(f32, f32)]) -> Option<(Rect, bool)> {
    if !(4..=6).contains(&points.len()) {
        return None;
    }
    let bbox = box_of(points);
    let is_at = |place: f32, side: f32| (place - side).abs() <= LEANING;
    let is_corner = |&(x, y): &(f32, f32)| {
        (is_at(x, bbox.x0) || is_at(x, bbox.x1)) && (is_at(y, bbox.y0) || is_at(y, bbox.y1))
    };
    Some((bbox, points.iter().all(is_corner)))
}
