//! Reading a content stream no further than to know its operators (ISO 32000-2 section 7.8.2).
//!
//! Everything that is not to be changed stays as the file has it, byte for byte: numbers keep their digits, pictures
//! within the content their data.

use std::ops::Range;

/// An operator with its operands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation<'a> {
    /// From the first operand to the operator's end.
    pub(super) range: Range<usize>,
    /// Such as `Tj`.
    pub(super) operator: &'a [u8],
    /// The first operand, should it be a name, without its slash.
    pub(super) first: Option<&'a [u8]>,
    /// The last operand.
    pub(super) last: Operand<'a>,
}

/// An operand, as far as anybody asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operand<'a> {
    /// A name, without its slash.
    Name(&'a [u8]),
    /// A number.
    Number(f32),
    /// Something else, or nothing.
    Other,
}

/// The operations of a content stream, in order. What is no operation is passed over.
pub(super) struct Operations<'a> {
    content: &'a [u8],
    at: usize,
}

impl<'a> Operations<'a> {
    pub(super) fn of(content: &'a [u8]) -> Self {
        Self { content, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.content.get(self.at).copied()
    }

    /// Passes over white space and comments.
    fn skip_white(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'%' => self.skip_while(|byte| byte != b'\n' && byte != b'\r'),
                byte if is_white(byte) => self.at += 1,
                _ => return,
            }
        }
    }

    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&belongs) {
            self.at += 1;
        }
    }

    /// Passes over a string in parentheses, which may hold others.
    fn skip_string(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'(' => depth += 1,
                b')' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    /// Passes over an array or a dictionary, whose first delimiter was read.
    fn skip_nested(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            self.skip_white();
            match self.peek() {
                None => return,
                Some(b'(') => self.skip_string(),
                Some(b'[') => {
                    self.at += 1;
                    depth += 1;
                }
                Some(b']') => {
                    self.at += 1;
                    depth -= 1;
                }
                Some(b'<') if self.content[self.at..].starts_with(b"<<") => {
                    self.at += 2;
                    depth += 1;
                }
                Some(b'>') if self.content[self.at..].starts_with(b">>") => {
                    self.at += 2;
                    depth -= 1;
                }
                Some(b'<') => {
                    self.skip_while(|byte| byte != b'>');
                    self.at += 1;
                }
                Some(_) => {
                    self.at += 1;
                    self.skip_while(is_regular);
                }
            }
        }
    }

    /// Passes over the data of a picture within the content, to behind its `EI`.
    fn skip_picture(&mut self) {
        let Some(data) = find_word(self.content, self.at, b"ID") else {
            self.at = self.content.len();
            return;
        };
        // The data begin behind one white byte, and end before one.
        self.at = find_word(self.content, data + 1, b"EI").unwrap_or(self.content.len());
    }
}

impl<'a> Iterator for Operations<'a> {
    type Item = Operation<'a>;

    fn next(&mut self) -> Option<Operation<'a>> {
        let mut start = None;
        let mut first = None;
        let mut last = Operand::Other;
        loop {
            self.skip_white();
            let from = self.at;
            let operand = match self.peek()? {
                b'/' => {
                    self.at += 1;
                    self.skip_while(is_regular);
                    Operand::Name(&self.content[from + 1..self.at])
                }
                b'(' => {
                    self.skip_string();
                    Operand::Other
                }
                b'<' if !self.content[from..].starts_with(b"<<") => {
                    self.skip_while(|byte| byte != b'>');
                    self.at += 1;
                    Operand::Other
                }
                b'[' | b'<' => {
                    self.at += if self.content[from] == b'[' { 1 } else { 2 };
                    self.skip_nested();
                    Operand::Other
                }
                byte if !is_regular(byte) => {
                    // A delimiter that closes nothing.
                    self.at += 1;
                    continue;
                }
                _ => {
                    self.skip_while(is_regular);
                    let word = &self.content[from..self.at];
                    match number(word) {
                        Some(number) => Operand::Number(number),
                        None if matches!(word, b"true" | b"false" | b"null") => Operand::Other,
                        None => {
                            if word == b"BI" {
                                self.skip_picture();
                            }
                            return Some(Operation {
                                range: start.unwrap_or(from)..self.at.min(self.content.len()),
                                operator: word,
                                first,
                                last,
                            });
                        }
                    }
                }
            };
            if start.is_none() {
                start = Some(from);
                first = match operand {
                    Operand::Name(name) => Some(name),
                    _ => None,
                };
            }
            last = operand;
        }
    }
}

/// Behind the next word that stands alone.
fn find_word(content: &[u8], from: usize, word: &[u8]) -> Option<usize> {
    let mut at = from;
    loop {
        let begin = at + memchr::memmem::find(content.get(at..)?, word)?;
        let end = begin + word.len();
        let stands_alone = begin
            .checked_sub(1)
            .is_none_or(|before| is_white(content[before]))
            && content.get(end).is_none_or(|after| is_white(*after));
        if stands_alone {
            return Some(end);
        }
        at = begin + 1;
    }
}

fn number(word: &[u8]) -> Option<f32> {
    let begins = matches!(word.first(), Some(b'0'..=b'9' | b'+' | b'-' | b'.'));
    begins.then(|| std::str::from_utf8(word).ok()?.parse().ok())?
}

fn is_white(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}

fn is_regular(byte: u8) -> bool {
    !is_white(byte)
        && !matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(content: &str) -> Vec<&str> {
        Operations::of(content.as_bytes())
            .map(|operation| &content[operation.range])
            .collect()
    }

    #[test]
    fn operators_come_with_their_operands() {
        let content = "q 1 0 0 1 -.5 +7 cm % a comment (\n/Fm1 Do[(a\\)(b)) -20 <414>]TJ (x)'Q";
        assert_eq!(
            words(content),
            [
                "q",
                "1 0 0 1 -.5 +7 cm",
                "/Fm1 Do",
                "[(a\\)(b)) -20 <414>]TJ",
                "(x)'Q",
            ]
        );
        let found = Operations::of(b"/OC /MC0 BDC /Span << /ActualText (a>>) /K [1 2] >> BDC 3 Ts");
        let found: Vec<_> = found.map(|one| (one.first, one.last)).collect();
        assert_eq!(
            found,
            [
                (Some(b"OC".as_slice()), Operand::Name(b"MC0")),
                (Some(b"Span".as_slice()), Operand::Other),
                (None, Operand::Number(3.0)),
            ]
        );
    }

    #[test]
    fn what_a_picture_holds_is_no_operation() {
        let content = "BI /W 4 /H 1 ID (((EMC EIx EI\nEMC";
        assert_eq!(words(content), ["BI /W 4 /H 1 ID (((EMC EIx EI", "EMC"]);
    }

    #[test]
    fn an_end_in_the_middle_ends_it() {
        for content in ["(abc", "<< /A [", "BI /W", "1 2", "<4", "(a\\", ">> ) ]"] {
            assert_eq!(
                words(content),
                if content == "BI /W" {
                    vec!["BI /W"]
                } else {
                    vec![]
                }
            );
        }
    }
}
