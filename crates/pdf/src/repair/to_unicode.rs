//! Maps of codes to Unicode (ISO 32000-2 section 9.10.3), read as leniently as renderers do, and written.

use std::collections::{BTreeMap, BTreeSet};

/// Entries of a block (Adobe Technical Note 5014).
const BLOCK: usize = 100;

/// Units of UTF-16 of one entry that are read.
const MAX_UNITS: usize = 32;

/// Codes of one or two bytes and their text in UTF-16.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ToUnicode(BTreeMap<u16, Vec<u16>>);

/// What is read of a map.
enum Token<'a> {
    Hex(&'a [u8]),
    Opens,
    Closes,
    Word(&'a [u8]),
}

/// The block that is being read.
enum Block {
    None,
    Chars,
    Ranges,
}

impl ToUnicode {
    /// Reads a map; what can't be understood is passed over.
    pub(super) fn read(map: &[u8]) -> Self {
        let mut read = Self::default();
        let mut block = Block::None;
        let mut operands: Vec<&[u8]> = Vec::new();
        let mut in_array = false;
        let mut at = 0;
        while let Some(token) = next(map, &mut at) {
            match token {
                Token::Word(b"beginbfchar") => block = Block::Chars,
                Token::Word(b"beginbfrange") => block = Block::Ranges,
                Token::Word(b"endbfchar" | b"endbfrange") => {
                    block = Block::None;
                    operands.clear();
                }
                Token::Word(_) => {}
                Token::Opens => in_array = true,
                Token::Closes => {
                    in_array = false;
                    if let (Block::Ranges, [first, _, texts @ ..]) = (&block, operands.as_slice()) {
                        for (code, text) in (number(first)..=u16::MAX).zip(texts) {
                            read.put(code, units(text));
                        }
                    }
                    operands.clear();
                }
                Token::Hex(digits) => {
                    operands.push(digits);
                    match (&block, operands.as_slice()) {
                        (Block::Chars, [code, text]) => read.put(number(code), units(text)),
                        (Block::Ranges, [first, last, text]) if !in_array => {
                            read.put_range(number(first), number(last), units(text));
                        }
                        (Block::None, _) => {}
                        _ => continue,
                    }
                    operands.clear();
                }
            }
        }
        read
    }

    /// Sets what a code means.
    pub(crate) fn put(&mut self, code: u16, units: Vec<u16>) {
        self.0.insert(code, units);
    }

    /// In a range, the last unit counts up.
    fn put_range(&mut self, first: u16, last: u16, units: Vec<u16>) {
        for code in first..=last {
            let mut units = units.clone();
            if let Some(unit) = units.last_mut() {
                *unit = unit.wrapping_add(code - first);
            }
            self.put(code, units);
        }
    }

    /// Takes the entries out that say nothing, without text or of zeros, and gives their codes.
    pub(super) fn take_nothing(&mut self) -> BTreeSet<u16> {
        let says_nothing = |units: &Vec<u16>| units.is_empty() || units.contains(&0);
        self.0
            .extract_if(.., |_, units| says_nothing(units))
            .map(|(code, _)| code)
            .collect()
    }

    /// Whether it says what a code means.
    pub(super) fn has(&self, code: u16) -> bool {
        self.0.contains_key(&code)
    }

    /// The map in codes of so many bytes.
    pub(crate) fn written(&self, code_bytes: usize) -> String {
        let digits = 2 * code_bytes;
        let last = "F".repeat(digits);
        let mut text = format!(
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Adobe-Identity-UCS def \
             /CMapType 2 def 1 begincodespacerange <{:0digits$}> <{last}> endcodespacerange\n",
            0
        );
        let entries: Vec<_> = self.0.iter().collect();
        for block in entries.chunks(BLOCK) {
            text.push_str(&format!("{} beginbfchar\n", block.len()));
            for (code, units) in block {
                let units: String = units.iter().map(|unit| format!("{unit:04X}")).collect();
                text.push_str(&format!("<{code:0digits$X}> <{units}>\n"));
            }
            text.push_str("endbfchar\n");
        }
        text.push_str("endcmap CMapName currentdict /CMap defineresource pop end end\n");
        text
    }
}

fn next<'a>(map: &'a [u8], at: &mut usize) -> Option<Token<'a>> {
    loop {
        let from = *at;
        let byte = *map.get(from)?;
        *at += 1;
        match byte {
            b'<' if map.get(*at) == Some(&b'<') => *at += 1,
            b'<' => {
                let end = memchr::memchr(b'>', &map[*at..]).map_or(map.len(), |end| *at + end);
                let digits = &map[*at..end];
                *at = (end + 1).min(map.len());
                return Some(Token::Hex(digits));
            }
            b'[' => return Some(Token::Opens),
            b']' => return Some(Token::Closes),
            b'%' => {
                let end = map[*at..]
                    .iter()
                    .position(|byte| matches!(byte, b'\r' | b'\n'));
                *at = end.map_or(map.len(), |end| *at + end);
            }
            byte if byte.is_ascii_alphanumeric() => {
                while map.get(*at).is_some_and(u8::is_ascii_alphanumeric) {
                    *at += 1;
                }
                return Some(Token::Word(&map[from..*at]));
            }
            _ => {}
        }
    }
}

/// The digits of a string, four to a unit; white space among them does not count.
fn units(digits: &[u8]) -> Vec<u16> {
    let digits: Vec<u16> = digits
        .iter()
        .filter_map(|digit| char::from(*digit).to_digit(16))
        .filter_map(|digit| u16::try_from(digit).ok())
        .take(4 * MAX_UNITS)
        .collect();
    digits
        .chunks(4)
        .map(|unit| unit.iter().fold(0, |value, digit| value << 4 | digit))
        .collect()
}

/// A code of one or two bytes; of longer ones the end.
fn number(digits: &[u8]) -> u16 {
    digits
        .iter()
        .filter_map(|digit| char::from(*digit).to_digit(16))
        .filter_map(|digit| u16::try_from(digit).ok())
        .fold(0, |value, digit| value << 4 | digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_entry_is_read() {
        let map = b"1 begincodespacerange <00> <FF> endcodespacerange % <99> <0041>\n\
            2 beginbfchar <01> <0066 0066><02><D83D DE00> endbfchar\n\
            2 beginbfrange <20> <22> <0041> <30> <31> [<0061> <00620063>] endbfrange";
        let expected = [
            (0x01, "ff"),
            (0x02, "\u{1F600}"),
            (0x20, "A"),
            (0x21, "B"),
            (0x22, "C"),
            (0x30, "a"),
            (0x31, "bc"),
        ];
        let expected = expected
            .into_iter()
            .map(|(code, text)| (code, text.encode_utf16().collect()))
            .collect();
        assert_eq!(ToUnicode::read(map), ToUnicode(expected));
    }

    #[test]
    fn what_says_nothing_goes() {
        let mut map = ToUnicode::read(b"3 beginbfchar <01> <0000> <02> <> <03> <0041> endbfchar");
        assert_eq!(map.take_nothing(), BTreeSet::from([1, 2]));
        assert_eq!(map, ToUnicode(BTreeMap::from([(3, vec![0x41])])));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let map = ToUnicode(
            (0..1000)
                .map(|code| (code, vec![code + 1, 0xFB01]))
                .collect(),
        );
        assert_eq!(ToUnicode::read(map.written(2).as_bytes()), map);
        assert!(map.written(1).contains("<00> <FF>"));
    }
}
