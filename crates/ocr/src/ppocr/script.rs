//! Which language a text is in, of what PP-OCR reads without being told.

use crate::language;

/// A text in Chinese or Japanese letters to this part at least is in that language, whatever names and numbers are in it.
const CJK_PART: f32 = 0.2;

/// Japanese has so many kana among its letters at least; in a Chinese text there may be one in a name.
const KANA_PART: f32 = 0.05;

/// Letters that Chinese texts are full of, as they are written in simplified and in traditional Chinese.
const SIMPLIFIED: &str = "们这个来时对说为过还发见开长门问间现学国会实经样关点书车马东";
const TRADITIONAL: &str = "們這個來時對說為過還發見開長門問間現學國會實經樣關點書車馬東";

/// What a language is called that is not known (ISO 639-2).
const UNKNOWN: &str = "und";

/// What Tesseract calls the language that a text seems to be in.
pub(super) fn language_of(text: &str) -> &'static str {
    cjk(text).unwrap_or_else(|| language::of(text).map_or(UNKNOWN, |language| language.code()))
}

/// What Tesseract calls the language of a text in Chinese or Japanese letters: `jpn`, `chi_sim` or `chi_tra`.
fn cjk(text: &str) -> Option<&'static str> {
    let count = |is: fn(char) -> bool| text.chars().filter(|ch| is(*ch)).count() as f32;
    let (han, kana) = (count(is_han), count(is_kana));
    let letters = count(char::is_alphanumeric);
    if han + kana < letters * CJK_PART || han + kana == 0.0 {
        return None;
    }
    if kana >= (han + kana) * KANA_PART {
        return Some("jpn");
    }
    let among = |letters: &str| text.chars().filter(|ch| letters.contains(*ch)).count();
    match among(TRADITIONAL) > among(SIMPLIFIED) {
        true => Some("chi_tra"),
        false => Some("chi_sim"),
    }
}

/// Whether a character is one of those that Chinese and Japanese are written in, with their full stops and brackets.
pub(super) fn is_cjk(ch: char) -> bool {
    is_han(ch) || is_kana(ch) || matches!(ch, '\u{3000}'..='\u{303F}' | '\u{FF01}'..='\u{FF60}')
}

fn is_han(ch: char) -> bool {
    matches!(ch, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn is_kana(ch: char) -> bool {
    matches!(ch, '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9D}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_and_japanese_are_told_by_their_letters() {
        let japanese = "水車の羽根は二十四枚のうち五枚が割れており";
        assert_eq!(language_of(japanese), "jpn");
        assert_eq!(language_of("这个水磨坊在去年已经关门"), "chi_sim");
        assert_eq!(language_of("這個水磨坊在去年已經關門"), "chi_tra");
        // Numbers and names are in Latin letters there too.
        assert_eq!(language_of("合計 2,025,000 円（税込）です"), "jpn");
    }

    #[test]
    fn other_languages_are_told_by_their_words() {
        let german = "Die Rechnung ist innerhalb von vierzehn Tagen ohne Abzug zu bezahlen, sonst werden Zinsen fällig.";
        assert_eq!(language_of(german), "deu");
        assert_eq!(language_of("The sign says 水車 and nothing else"), "und");
        assert_eq!(language_of(""), "und");
    }

    #[test]
    fn the_two_lists_of_chinese_letters_are_of_the_same_words() {
        let pairs = SIMPLIFIED.chars().zip(TRADITIONAL.chars());
        assert!(pairs.clone().all(|(one, other)| one != other));
        assert_eq!(pairs.count(), TRADITIONAL.chars().count());
    }
}
