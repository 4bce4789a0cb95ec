//! The forms of a password in which a file may have been locked with it.
//!
//! What a person types is text, and what a file was encrypted with are bytes. Revision 6 prepares the text by SASLprep
//! and takes UTF-8 (ISO 32000-2 section 7.6.4.3.3), older ones take PDFDocEncoding (section 7.6.4.3.2), and writers
//! do as they please. So each form is tried, the text as it is first.

use super::text_string;

/// The forms for PDFium, which takes UTF-8, and for older revisions tries its Latin-1 too.
pub(crate) fn for_pdfium(password: &str) -> Vec<String> {
    let mut forms = vec![password.to_owned()];
    if password.is_ascii() {
        return forms;
    }
    let prepared = stringprep::saslprep(password).ok();
    let in_bytes = pdf_doc_bytes(password);
    // PDFium makes each of these characters the byte of the same number.
    let as_latin_1 = in_bytes.map(|bytes| bytes.into_iter().map(char::from).collect());
    for form in [prepared.map(String::from), as_latin_1]
        .into_iter()
        .flatten()
    {
        if !forms.contains(&form) && !form.contains('\0') {
            forms.push(form);
        }
    }
    forms
}

/// The forms for the object reader, which prepares a password itself, by SASLprep or in PDFDocEncoding.
pub(crate) fn for_parser(password: &str) -> Vec<String> {
    let mut forms = vec![password.to_owned()];
    if !password.is_ascii() {
        // The text whose PDFDocEncoding are the UTF-8 bytes of the password.
        forms.push(
            password
                .bytes()
                .map(text_string::pdf_doc_character)
                .collect(),
        );
    }
    forms
}

/// A text in PDFDocEncoding; `None` when it has characters that this encoding lacks.
fn pdf_doc_bytes(text: &str) -> Option<Vec<u8>> {
    let byte =
        |character| (0..=u8::MAX).find(|byte| text_string::pdf_doc_character(*byte) == character);
    text.chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_passwords_have_one_form() {
        assert_eq!(for_pdfium("mill-pond"), ["mill-pond"]);
        assert_eq!(for_parser("mill-pond"), ["mill-pond"]);
    }

    #[test]
    fn w11_the_prepared_form_of_a_password_is_tried_too() {
        // A full-width letter, a ligature and a soft hyphen (RFC 4013 section 3).
        assert_eq!(for_pdfium("Ａﬁx\u{AD}")[1], "Afix");
        assert_eq!(for_pdfium("I\u{AD}X"), ["I\u{AD}X", "IX"]);
        // Prohibited in what is prepared: only as it is.
        assert_eq!(for_pdfium("\u{E000}"), ["\u{E000}"]);
    }

    #[test]
    fn w11_older_files_take_the_bytes_of_another_encoding() {
        assert_eq!(for_pdfium("5 €"), ["5 €", "5 \u{A0}"]);
        assert_eq!(for_pdfium("Mühle"), ["Mühle"]);
        assert_eq!(for_parser("ü")[1], "Ã¼");
    }
}
