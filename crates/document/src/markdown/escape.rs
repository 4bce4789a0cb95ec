//! What would mean something in Markdown and is only text: as little as possible is escaped, so that the text stays one
//! that people read and programs search.

use std::borrow::Cow;

/// Text inside of a line. What looks like a tag would vanish.
pub(super) fn inline(text: &str) -> Cow<'_, str> {
    if !text.contains('<') {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(ch) = chars.next() {
        let begins_tag =
            |next: &char| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?');
        if ch == '<' && chars.peek().is_some_and(begins_tag) {
            escaped.push_str("&lt;");
        } else {
            escaped.push(ch);
        }
    }
    Cow::Owned(escaped)
}

/// Dots that lead from a title to its page's number, without the white between them.
pub(super) fn close_leaders(line: &str) -> Cow<'_, str> {
    if !line.contains(". . .") {
        return Cow::Borrowed(line);
    }
    let mut closed = String::with_capacity(line.len());
    for (place, word) in line.split(' ').enumerate() {
        if place > 0 && !(word == "." && closed.ends_with('.')) {
            closed.push(' ');
        }
        closed.push_str(word);
    }
    Cow::Owned(closed)
}

/// A paragraph that begins as a heading, a quotation, a list or a table does.
pub(super) fn line_start(line: &str) -> Cow<'_, str> {
    let marker = line.split(' ').next().unwrap_or_default();
    let is_marker = matches!(marker, "-" | "+" | "*" | ">" | "|" | "***" | "---")
        || (1..=6).contains(&marker.len()) && marker.bytes().all(|byte| byte == b'#');
    match is_marker {
        true => Cow::Owned(format!("\\{line}")),
        false => Cow::Borrowed(line),
    }
}

/// The marker of a list item as Markdown has it, and the text after it. A mark that Markdown has not, such as `(a)`, stays
/// where it is, behind one that it has.
pub(super) fn list_marker(item: &str) -> (&str, &str) {
    let (marker, rest) = item.split_once(' ').unwrap_or((item, ""));
    let mut chars = marker.chars();
    if let (Some(first), None) = (chars.next(), chars.next())
        && !first.is_alphanumeric()
    {
        return ("-", rest);
    }
    let number = marker.strip_suffix(['.', ')']).unwrap_or_default();
    let is_number =
        (1..=9).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    match is_number {
        true => (marker, rest),
        false => ("-", item),
    }
}

/// An address inside of `(...)`.
pub(super) fn address(uri: &str) -> String {
    let mut escaped = String::with_capacity(uri.len());
    for ch in uri.chars() {
        match ch {
            '(' => escaped.push_str("%28"),
            ')' => escaped.push_str("%29"),
            '<' => escaped.push_str("%3C"),
            '>' => escaped.push_str("%3E"),
            ch if ch.is_whitespace() || ch.is_control() => escaped.push_str("%20"),
            ch => escaped.push(ch),
        }
    }
    escaped
}
