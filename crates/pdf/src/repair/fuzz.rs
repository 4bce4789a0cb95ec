//! Fuzz target: damaged files and fonts, rewritten for every purpose.

use bolero::{TypeGenerator, check};
use pagemill_samples::unusual::lettering;

use super::{Purpose, box_font, content, glyph_text, repaired, to_unicode};
use crate::fuzz::{Edit, damaged};
use pagemill_reader::Limits;

#[derive(Debug, Clone, TypeGenerator)]
struct File {
    which: u8,
    edits: Vec<Edit>,
}

#[test]
fn ho_1_damaged_files_are_rewritten_or_left_alone() {
    let real = [
        lettering::layers_off(),
        lettering::composed_names(),
        lettering::map_to_zero(),
        lettering::vertical_letters(),
        box_font::program(),
    ];
    check!().with_type::<File>().for_each(|file| {
        let which = usize::from(file.which) % real.len();
        let bytes = damaged(&real[which], &file.edits);
        for purpose in [Purpose::Opening, Purpose::Layers, Purpose::Fonts] {
            if let Ok((_, rewritten)) = repaired(&bytes, &[], purpose, &Limits::default()) {
                assert!(!rewritten.is_empty());
            }
        }
        glyph_text::texts_of_glyphs(&bytes);
        glyph_text::names_of_codes(&bytes);
        to_unicode::ToUnicode::read(&bytes);
        let mut end = 0;
        for operation in content::Operations::of(&bytes) {
            assert!(operation.range.start >= end && operation.range.end <= bytes.len());
            end = operation.range.end;
        }
    });
}
