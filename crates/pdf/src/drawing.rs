//! Annotations that bring no appearance of their own, and that PDFium draws nothing of.
//!
//! PDFium makes up the look of marks, notes, frames and ink (`CPDF_GenerateAP`), but not that of lines and polygons. Those
//! are drawn here, from what the object reader finds; the others that are meant to be seen are counted.

use lopdf::{Dictionary, Object};
use pdfium_render::prelude::{
    PdfColor, PdfDocument, PdfPage, PdfPageContentRegenerationStrategy, PdfPageObjectsCommon,
    PdfPagePathObject, PdfPoints, PdfiumError,
};
use serde::{Deserialize, Serialize};

use crate::inspect::layers::Layers;
use crate::inspect::objects::Objects;

/// Points of all shapes of a page that are drawn at most.
pub(crate) const MAX_POINTS: usize = 20_000;

/// Annotations of a page that are looked at.
const MAX_ANNOTATIONS: usize = 20_000;

/// Kinds that are drawn here.
const SHAPES: &[&[u8]] = &[b"Line", b"Polygon", b"PolyLine"];

/// Kinds that other viewers show a picture of their own for.
const PICTURES: &[&[u8]] = &[b"Stamp", b"Caret", b"FileAttachment", b"Sound", b"Redact"];

/// Widest line that is believed, in the page's unit.
const WIDEST: f32 = 1_000.0;

/// Largest magnitude of a coordinate that is believed.
const LARGEST_COORDINATE: f32 = 1e6;

/// A line or an area to draw on a page, in its user space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// Its corners.
    pub(crate) points: Vec<[f32; 2]>,
    /// Whether it goes back to its first point.
    pub(crate) closed: bool,
    /// Colour of the line, red to alpha.
    pub(crate) stroke: Option<[u8; 4]>,
    /// Colour of the area, red to alpha.
    pub(crate) fill: Option<[u8; 4]>,
    /// Width of the line.
    pub(crate) width: f32,
}

/// What a page's annotations need to be drawn.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Undrawn {
    /// What can be drawn.
    pub(crate) shapes: Vec<Shape>,
    /// How many nobody draws.
    pub(crate) others: u32,
}

/// The annotations of a page that are to be seen, without an appearance, and of a kind that PDFium does not draw.
pub(crate) fn read<'a>(objects: Objects<'a>, layers: Layers<'a>, page: &'a Dictionary) -> Undrawn {
    let mut found = Undrawn::default();
    let mut points_left = MAX_POINTS;
    let annotations = objects.array(page, b"Annots").unwrap_or_default();
    for annotation in annotations
        .iter()
        .take(MAX_ANNOTATIONS)
        .filter_map(|annotation| objects.as_dictionary(annotation))
    {
        let kind = objects.name(annotation, b"Subtype").unwrap_or_default();
        let is_shape = SHAPES.contains(&kind);
        if !(is_shape || PICTURES.contains(&kind))
            || !layers.show_annotation(annotation)
            || has_appearance(objects, annotation)
        {
            continue;
        }
        let shape = is_shape.then(|| shape(objects, annotation, kind)).flatten();
        match shape {
            Some(shape) if shape.points.len() <= points_left => {
                points_left -= shape.points.len();
                // Without colours there is nothing to see.
                if shape.stroke.is_some() || shape.fill.is_some() {
                    found.shapes.push(shape);
                }
            }
            _ => found.others = found.others.saturating_add(1),
        }
    }
    found
}

/// Whether an annotation says how it looks. The look itself is not among the objects that are kept.
fn has_appearance<'a>(objects: Objects<'a>, annotation: &'a Dictionary) -> bool {
    objects
        .dictionary(annotation, b"AP")
        .is_some_and(|looks| looks.has(b"N"))
}

fn shape<'a>(objects: Objects<'a>, annotation: &'a Dictionary, kind: &[u8]) -> Option<Shape> {
    let corners: &[u8] = if kind == b"Line" { b"L" } else { b"Vertices" };
    let numbers = numbers(objects, annotation, corners)?;
    let points: Vec<[f32; 2]> = numbers.as_chunks::<2>().0.to_vec();
    if points.len() < 2 {
        return None;
    }
    let opacity = objects
        .get(annotation, b"CA")
        .and_then(|opacity| opacity.as_float().ok())
        .unwrap_or(1.0);
    let alpha = (opacity.clamp(0.0, 1.0) * 255.0).round() as u8;
    let width = width(objects, annotation);
    let is_area = kind == b"Polygon";
    // Viewers draw the line of a shape without a colour in black; an empty colour is none.
    let stroke = match annotation.has(b"C") {
        true => colour(objects, annotation, b"C", alpha),
        false => Some([0, 0, 0, alpha]),
    };
    Some(Shape {
        points,
        closed: is_area,
        stroke: stroke.filter(|_| width > 0.0),
        fill: is_area
            .then(|| colour(objects, annotation, b"IC", alpha))
            .flatten(),
        width,
    })
}

/// The width of an annotation's line: of its border style, or else its border; 1 where neither says.
fn width<'a>(objects: Objects<'a>, annotation: &'a Dictionary) -> f32 {
    let of_style = objects
        .dictionary(annotation, b"BS")
        .and_then(|style| objects.get(style, b"W")?.as_float().ok());
    let of_border = || {
        let border = numbers_of(objects, objects.array(annotation, b"Border")?.get(..3)?)?;
        border.get(2).copied()
    };
    let width = of_style.or_else(of_border).unwrap_or(1.0);
    width.clamp(0.0, WIDEST)
}

/// A colour of one, three or four parts (ISO 32000-2 table 166), as red to alpha.
fn colour<'a>(
    objects: Objects<'a>,
    annotation: &'a Dictionary,
    key: &[u8],
    alpha: u8,
) -> Option<[u8; 4]> {
    let parts = numbers(objects, annotation, key)?;
    let byte = |part: f32| (part.clamp(0.0, 1.0) * 255.0).round() as u8;
    let [red, green, blue] = match *parts.as_slice() {
        [grey] => [grey; 3],
        [red, green, blue] => [red, green, blue],
        [cyan, magenta, yellow, black] => {
            [cyan, magenta, yellow].map(|part| (1.0 - part) * (1.0 - black))
        }
        _ => return None,
    };
    Some([byte(red), byte(green), byte(blue), alpha])
}

fn numbers<'a>(objects: Objects<'a>, dictionary: &'a Dictionary, key: &[u8]) -> Option<Vec<f32>> {
    numbers_of(objects, objects.array(dictionary, key)?)
}

/// An array's numbers, when there is nothing else in it.
fn numbers_of(objects: Objects<'_>, array: &[Object]) -> Option<Vec<f32>> {
    if array.len() > 2 * MAX_POINTS {
        return None;
    }
    let number = |object| {
        let number = objects.resolve(object)?.1.as_float().ok()?;
        (!number.is_nan()).then(|| number.clamp(-LARGEST_COORDINATE, LARGEST_COORDINATE))
    };
    array.iter().map(number).collect()
}

/// Adds shapes to a page that is open, above its content. The file does not change.
///
/// # Errors
/// When PDFium refuses one.
pub(crate) fn add<'a>(
    page: &mut PdfPage<'a>,
    document: &PdfDocument<'a>,
    shapes: &[Shape],
) -> Result<(), PdfiumError> {
    if shapes.is_empty() {
        return Ok(());
    }
    // Nobody saves the page.
    page.set_content_regeneration_strategy(PdfPageContentRegenerationStrategy::Manual);
    for shape in shapes {
        let Some(([x, y], others)) = shape.points.split_first() else {
            continue;
        };
        let colour = |[red, green, blue, alpha]: [u8; 4]| PdfColor::new(red, green, blue, alpha);
        let mut path = PdfPagePathObject::new(
            document,
            PdfPoints::new(*x),
            PdfPoints::new(*y),
            shape.stroke.map(colour),
            Some(PdfPoints::new(shape.width)),
            shape.fill.map(colour),
        )?;
        for [x, y] in others {
            path.line_to(PdfPoints::new(*x), PdfPoints::new(*y))?;
        }
        if shape.closed {
            path.close_path()?;
        }
        page.objects_mut().add_path_object(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::hand_made::{one_page, open};
    use pagemill_document::PageNumber;

    fn undrawn(annotations: &[&str], more: &[&str]) -> Undrawn {
        let file = one_page("", "", annotations, more);
        open(&file).expect("a PDF").undrawn(PageNumber(1))
    }

    #[test]
    fn w16_lines_and_polygons_are_drawn_from_what_they_say() {
        let found = undrawn(
            &[
                "<</Subtype/Line/L[66 615 528 537]/C[0 0 0 1]/BS<</W 4>>/F 4>>",
                "<</Subtype/Polygon/Vertices 4 0 R/C[0.5]/IC[0 1 0]/CA 0.2/Border[0 0 3]>>",
                "<</Subtype/PolyLine/Vertices[1 1 2 2 3 1]>>",
                "<</Subtype/PolyLine/Vertices[1 1 2 2 3 1]/C[]>>",
            ],
            &["[1 1 2 2 3 1 9]"],
        );
        let triangle = vec![[1.0, 1.0], [2.0, 2.0], [3.0, 1.0]];
        let expected = [
            Shape {
                points: vec![[66.0, 615.0], [528.0, 537.0]],
                closed: false,
                stroke: Some([0, 0, 0, 255]),
                fill: None,
                width: 4.0,
            },
            Shape {
                points: triangle.clone(),
                closed: true,
                stroke: Some([128, 128, 128, 51]),
                fill: Some([0, 255, 0, 51]),
                width: 3.0,
            },
            Shape {
                points: triangle,
                closed: false,
                stroke: Some([0, 0, 0, 255]),
                fill: None,
                width: 1.0,
            },
        ];
        assert_eq!(found.shapes, expected);
        assert_eq!(found.others, 0);
    }

    #[test]
    fn w16_what_nobody_draws_is_counted_unless_it_is_hidden_or_has_its_own_look() {
        let found = undrawn(
            &[
                "<</Subtype/Stamp/Name/Approved>>",
                "<</Subtype/Stamp/F 2>>",
                "<</Subtype/Stamp/F 32>>",
                "<</Subtype/Stamp/AP<</N 4 0 R>>>>",
                "<</Subtype/Line/L[1 2 3 4]/AP 5 0 R>>",
                "<</Subtype/Line/L[1 2 (x) 4]>>",
                "<</Subtype/Line>>",
                "<</Subtype/Highlight/QuadPoints[0 9 9 9 0 0 9 0]>>",
                "<</Subtype/Popup>>",
            ],
            &[
                "<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 0>>stream\n\nendstream",
                "<</N 4 0 R>>",
            ],
        );
        assert_eq!(found.shapes, []);
        assert_eq!(found.others, 3);
    }

    #[test]
    fn w8_what_is_on_a_layer_that_is_off_is_neither_drawn_nor_counted() {
        let catalog = "/OCProperties<</OCGs[4 0 R]/D<</OFF[4 0 R]>>>>";
        let annotations = [
            "<</Subtype/Line/L[1 2 3 4]/OC 4 0 R>>",
            "<</Subtype/Stamp/OC 4 0 R>>",
        ];
        let file = one_page(catalog, "", &annotations, &["<</Type/OCG/Name(off)>>"]);
        let document = open(&file).expect("it opens");
        assert_eq!(document.undrawn(PageNumber(1)), Undrawn::default());
    }
}
