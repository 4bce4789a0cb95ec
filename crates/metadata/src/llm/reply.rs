//! The JSON object in a model's reply, however it is wrapped, and what is left of it where it was cut.

use serde_json::Value;

/// How many opening braces are tried: words before an answer may hold some.
const MOST_STARTS: usize = 8;

/// An object, and whether it is all of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) object: Value,
    pub(crate) is_whole: bool,
}

/// The object in a reply: behind a model's thoughts, inside a code fence, between words. Of one that was cut, everything up
/// to the last value that is complete.
pub(crate) fn object_in(reply: &str) -> Option<Found> {
    // Models that think aloud end it with this tag; a draft of the answer may stand before it.
    let answer = match reply.rfind("</think>") {
        Some(end) => &reply[end..],
        None => reply,
    };
    let starts = answer.match_indices('{').map(|(at, _)| &answer[at..]);
    starts.take(MOST_STARTS).find_map(|text| {
        let scan = scan(text);
        if let Some(end) = scan.end {
            let object = parsed(&text[..end])?;
            return Some(Found {
                object,
                is_whole: true,
            });
        }
        let (cut, open) = scan.last_complete?;
        let closing: String = open.chars().rev().collect();
        let object = parsed(&format!("{}{closing}", &text[..cut]))?;
        Some(Found {
            object,
            is_whole: false,
        })
    })
}

fn parsed(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    value
        .as_object()
        .is_some_and(|fields| !fields.is_empty())
        .then_some(value)
}

#[derive(Default)]
struct Scan {
    /// Where the object ends, when it does.
    end: Option<usize>,
    /// Where the last complete value ends, and the brackets that are still to be closed there.
    last_complete: Option<(usize, String)>,
}

/// Follows the brackets of a text that begins with one.
fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    let mut open = String::new();
    let (mut in_string, mut is_escaped) = (false, false);
    for (at, character) in text.char_indices() {
        if in_string {
            match character {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match character {
            '"' => in_string = true,
            '{' => open.push('}'),
            '[' => open.push(']'),
            ',' => scan.last_complete = Some((at, open.clone())),
            '}' | ']' => {
                if open.pop() != Some(character) {
                    return scan;
                }
                let end = at + character.len_utf8();
                if open.is_empty() {
                    scan.end = Some(end);
                    return scan;
                }
                scan.last_complete = Some((end, open.clone()));
            }
            _ => {}
        }
    }
    scan
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_found_behind_thoughts_and_between_words() {
        let expected = Found {
            object: json!({"a": "}{"}),
            is_whole: true,
        };
        for reply in [
            r#"{"a": "}{"}"#,
            r#"<think>First {"a": 1}, no.</think>{"a": "}{"}"#,
            "```json\n{\"a\": \"}{\"}\n```\nI hope that {this} helps.",
            r#"The set {x} is: {"a": "}{"}"#,
        ] {
            assert_eq!(object_in(reply), Some(expected.clone()), "{reply}");
        }
        for reply in ["I am sorry", "", "{}", "<think>{"] {
            assert_eq!(object_in(reply), None, "{reply}");
        }
    }

    #[test]
    fn of_a_cut_answer_what_is_complete_is_left() {
        let cut = |reply| object_in(reply).map(|found| (found.object, found.is_whole));
        assert_eq!(
            cut(r#"{"a": ["x", "y"], "b": [{"q": "1"}, {"q": "2", "p"#),
            Some((
                json!({"a": ["x", "y"], "b": [{"q": "1"}, {"q": "2"}]}),
                false
            ))
        );
        assert_eq!(
            cut(r#"{"a": "x", "b": "unfini"#),
            Some((json!({"a": "x"}), false))
        );
        assert_eq!(cut(r#"{"a": "unfini"#), None);
    }
}
