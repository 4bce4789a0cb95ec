//! What is on layers that are off, moved to where no page is.
//!
//! PDFium does not draw what is on such a layer, but its text page gives it like any other text. In the copy of the file
//! that is made here such text stands far from every page, so that it is told from text that is seen and can be counted.
//! The rest of the content stays byte for byte.

use std::collections::{BTreeMap, HashSet};

use lopdf::{Dictionary, Document, Object, ObjectId, Stream};

use super::content::{Operand, Operation, Operations};
use crate::inspect::layers::{Layers, off_by_default};
use crate::inspect::objects::Objects;

/// How far things are moved, in units of the space that they are drawn in: five million, which no page's own text is
/// away, even at a hundredth of the size.
const FAR: &str = "5000000";

/// Content of one page or form that is read at most.
const MAX_CONTENT_BYTES: usize = 64 << 20;

/// The objects that have to change, and their new state. Pages have their whole content in a stream that is named by the
/// second value.
pub(super) fn without_hidden(document: &Document, mut next: u32) -> BTreeMap<ObjectId, Object> {
    let objects = Objects {
        document,
        file: &[],
    };
    let off = off_by_default(objects);
    let layers = Layers::new(objects, &off);
    let mut changed = BTreeMap::new();
    if !layers.any_is_off() {
        return changed;
    }
    for (id, object) in &document.objects {
        match object {
            Object::Stream(form) if objects.name(&form.dict, b"Subtype") == Some(b"Form") => {
                if let Some(form) = form_without_hidden(objects, layers, form) {
                    changed.insert(*id, form.into());
                }
            }
            Object::Dictionary(page) if objects.name(page, b"Type") == Some(b"Page") => {
                if let Some(content) = page_without_hidden(objects, layers, page) {
                    next += 1;
                    let mut page = page.clone();
                    page.set("Contents", (next, 0));
                    changed.insert(*id, page.into());
                    changed.insert((next, 0), content.into());
                }
            }
            _ => {}
        }
    }
    changed
}

fn form_without_hidden<'a>(
    objects: Objects<'a>,
    layers: Layers<'a>,
    form: &'a Stream,
) -> Option<Stream> {
    let is_hidden = layers.hide(&form.dict);
    let resources = objects.dictionary(&form.dict, b"Resources");
    let names = resources.map(|resources| hidden_names(objects, layers, resources));
    let names = names.unwrap_or_default();
    if !is_hidden && names.is_empty() {
        return None;
    }
    let content = form.get_plain_content_with_limit(MAX_CONTENT_BYTES).ok()?;
    let rewritten = match is_hidden {
        true => [format!("1 0 0 1 0 {FAR} cm\n").as_bytes(), &content].concat(),
        false => moved_away(&content, &names)?,
    };
    let mut form = form.clone();
    form.set_plain_content(rewritten);
    Some(form)
}

fn page_without_hidden<'a>(
    objects: Objects<'a>,
    layers: Layers<'a>,
    page: &'a Dictionary,
) -> Option<Stream> {
    let names = hidden_names(objects, layers, objects.inherited(page, b"Resources")?);
    if names.is_empty() {
        return None;
    }
    let content = objects.page_content(page, MAX_CONTENT_BYTES)?;
    let moved = moved_away(&content, &names)?;
    Some(Stream::new(Dictionary::new(), moved))
}

/// The names by which a content marks what is on layers that are off.
fn hidden_names<'a>(
    objects: Objects<'a>,
    layers: Layers<'a>,
    resources: &'a Dictionary,
) -> HashSet<&'a [u8]> {
    let properties = objects.dictionary(resources, b"Properties");
    properties
        .into_iter()
        .flat_map(Dictionary::iter)
        .filter(|(_, layer)| layers.hides(layer))
        .map(|(name, _)| name.as_slice())
        .collect()
}

/// The content with what is marked by these names moved away; `None` when nothing is.
fn moved_away(content: &[u8], names: &HashSet<&[u8]>) -> Option<Vec<u8>> {
    let mut mover = Mover {
        names,
        written: Vec::with_capacity(content.len() + 256),
        marks: Vec::new(),
        hidden_marks: 0,
        rise: 0.0,
        saved: Vec::new(),
        has_moved: false,
    };
    let mut copied = 0;
    for operation in Operations::of(content) {
        mover
            .written
            .extend(&content[copied..operation.range.start]);
        copied = operation.range.end;
        mover.take(&content[operation.range.clone()], &operation);
    }
    mover.written.extend(&content[copied..]);
    mover.has_moved.then_some(mover.written)
}

/// Writes a content anew. Text goes by its rise, which moves nothing else; pictures and forms by the matrix.
struct Mover<'a> {
    names: &'a HashSet<&'a [u8]>,
    written: Vec<u8>,
    /// The marks that are open, and which of them hide.
    marks: Vec<bool>,
    hidden_marks: usize,
    /// The rise of text (`Ts`) that the content asks for.
    rise: f32,
    /// What `q` has kept: the rise, and whether the one that was written was another.
    saved: Vec<(f32, bool)>,
    has_moved: bool,
}

impl Mover<'_> {
    fn take(&mut self, bytes: &[u8], operation: &Operation<'_>) {
        let was_hidden = self.hidden_marks > 0;
        match operation.operator {
            b"BDC" | b"BMC" => {
                let hides = operation.first == Some(b"OC")
                    && matches!(operation.last, Operand::Name(name) if self.names.contains(name));
                self.written.extend(bytes);
                self.marks.push(hides);
                if hides {
                    self.hidden_marks += 1;
                    self.has_moved = true;
                    self.hide_text();
                }
            }
            b"EMC" => {
                self.written.extend(bytes);
                if self.marks.pop() == Some(true) {
                    self.hidden_marks -= 1;
                    if self.hidden_marks == 0 {
                        self.show_text();
                    }
                }
            }
            b"Ts" => {
                if let Operand::Number(rise) = operation.last {
                    self.rise = rise;
                }
                if !was_hidden {
                    self.written.extend(bytes);
                }
            }
            b"q" => {
                self.saved.push((self.rise, was_hidden));
                self.written.extend(bytes);
            }
            b"Q" => {
                self.written.extend(bytes);
                let (rise, wrote_far) = self.saved.pop().unwrap_or((self.rise, was_hidden));
                self.rise = rise;
                match was_hidden {
                    true if !wrote_far => self.hide_text(),
                    false if wrote_far => self.show_text(),
                    _ => {}
                }
            }
            b"Do" if was_hidden => {
                self.written
                    .extend(format!("q 1 0 0 1 0 {FAR} cm ").as_bytes());
                self.written.extend(bytes);
                self.written.extend(b" Q");
            }
            _ => self.written.extend(bytes),
        }
    }

    fn hide_text(&mut self) {
        self.written.extend(format!(" {FAR} Ts").as_bytes());
    }

    fn show_text(&mut self) {
        self.written.extend(format!(" {} Ts", self.rise).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(content: &str) -> Option<String> {
        let names = HashSet::from([b"Off".as_slice()]);
        let moved = moved_away(content.as_bytes(), &names)?;
        Some(String::from_utf8(moved).expect("it was text"))
    }

    #[test]
    fn text_within_the_marks_rises_and_comes_down_again() {
        assert_eq!(
            moved("BT 2 Ts (a) Tj /OC /Off BDC (b) Tj 3 Ts (c) Tj EMC (d) Tj ET").as_deref(),
            Some("BT 2 Ts (a) Tj /OC /Off BDC 5000000 Ts (b) Tj  (c) Tj EMC 3 Ts (d) Tj ET")
        );
    }

    #[test]
    fn marks_within_marks_end_with_the_outermost() {
        assert_eq!(
            moved("/OC /Off BDC /Span << /MCID 0 >> BDC /OC /On BDC (a) Tj EMC EMC EMC (b) Tj")
                .as_deref(),
            Some(
                "/OC /Off BDC 5000000 Ts /Span << /MCID 0 >> BDC /OC /On BDC (a) Tj EMC EMC EMC 0 Ts (b) Tj"
            )
        );
    }

    #[test]
    fn what_was_saved_and_restored_does_not_bring_it_back() {
        assert_eq!(
            moved("q /OC /Off BDC Q (a) Tj q EMC (b) Tj Q (c) Tj").as_deref(),
            Some("q /OC /Off BDC 5000000 Ts Q 5000000 Ts (a) Tj q EMC 0 Ts (b) Tj Q 0 Ts (c) Tj")
        );
    }

    #[test]
    fn forms_and_pictures_are_moved_one_by_one() {
        assert_eq!(
            moved("/OC /Off BDC /Fm0 Do EMC /Fm1 Do").as_deref(),
            Some("/OC /Off BDC 5000000 Ts q 1 0 0 1 0 5000000 cm /Fm0 Do Q EMC 0 Ts /Fm1 Do")
        );
    }

    #[test]
    fn a_content_without_such_marks_stays() {
        assert_eq!(moved("/OC /On BDC (a) Tj EMC /Off BMC (b) Tj EMC"), None);
    }
}
