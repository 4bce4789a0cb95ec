//! What the beginning or the end of a block says: numbers of sections, names of chapters and captions.

/// Whether a block is a number and nothing else, as the one above the title of a chapter.
pub(super) fn is_lone_number(text: &str) -> bool {
    let text = text.trim();
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_roman = text.bytes().all(|byte| b"IVX".contains(&byte));
    (1..=4).contains(&text.len()) && (is_decimal || is_roman)
}

/// Whether a block is the name and number of a part of a document and nothing else, as above its title: `CHAPTER 7.`
pub(super) fn is_chapter_label(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default().to_lowercase();
    let number = words.next().unwrap_or_default();
    let names = [
        "chapter",
        "part",
        "section",
        "appendix",
        "unit",
        "lesson",
        "kapitel",
        "teil",
        "abschnitt",
        "anhang",
        "chapitre",
        "partie",
        "annexe",
        "capítulo",
        "parte",
        "capitolo",
    ];
    let is_letter = number.len() <= 2 && number.starts_with(|ch: char| ch.is_ascii_uppercase());
    names.contains(&name.as_str())
        && words.next().is_none()
        && (is_lone_number(number.trim_end_matches(['.', ':'])) || is_letter)
}

/// Whether a block that begins with the name and number of a figure or table is its caption, and no sentence about it: a
/// sign follows the number, or nothing does, or the figure or table itself stands beside.
pub(super) fn is_whole_caption(text: &str, is_beside: bool) -> bool {
    let mut words = text.split_whitespace();
    let number = words.nth(1).unwrap_or_default();
    let next = words.next();
    is_caption(text)
        && (number.ends_with(['.', ':', ')'])
            || next.is_none_or(|word| matches!(word, "–" | "—" | "-" | "|"))
            || is_beside)
}

/// What figures and tables are called in their captions.
const FIGURES: [&str; 6] = ["figure", "fig", "abbildung", "abb", "figura", "figur"];
const TABLES: [&str; 5] = ["table", "tab", "tabelle", "tableau", "tabla"];

/// Whether text begins as the caption of a figure or table does: `Figure 1`, `Tab. 2:`.
pub(super) fn is_caption(text: &str) -> bool {
    is_named(text, &FIGURES) || is_named(text, &TABLES)
}

/// Whether text begins as the caption of a figure does.
pub(super) fn names_figure(text: &str) -> bool {
    is_named(text, &FIGURES)
}

/// Whether text begins as the caption of a figure does, and not as a sentence about it: `Figure 3 Flow of water`, but not
/// `Figure 3 shows`.
pub(super) fn begins_as_caption(text: &str) -> bool {
    let next = text.split_whitespace().nth(2);
    names_figure(text)
        && next.is_none_or(|word| !word.starts_with(|ch: char| ch.is_lowercase() || ch == '('))
}

fn is_named(text: &str, names: &[&str]) -> bool {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let first = first.trim_end_matches('.').to_lowercase();
    names.contains(&first.as_str())
        && words
            .next()
            .is_some_and(|word| word.starts_with(|ch: char| ch.is_ascii_digit()))
}

/// Whether the last word is a number such as the `1.2.` of a section.
pub(super) fn ends_in_number(text: &str) -> bool {
    let last = text.split_whitespace().next_back().unwrap_or_default();
    last.bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// A heading without its number, which white as wide as a tab may follow: `3.1\tMills`.
pub(super) fn after_number(text: &str) -> &str {
    let Some((number, title)) = text.split_once('\t') else {
        return text;
    };
    let is_number = number.len() <= 10
        && !number.contains(' ')
        && number
            .trim_end_matches(['.', ')', ':'])
            .split('.')
            .all(|part| {
                let is_decimal = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
                let is_roman = part.bytes().all(|byte| b"IVXLC".contains(&byte));
                is_decimal || (1..=5).contains(&part.len()) && is_roman || part.len() == 1
            });
    match is_number {
        true => title,
        false => text,
    }
}
