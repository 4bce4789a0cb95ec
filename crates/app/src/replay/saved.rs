//! Messages as people save them: the body alone, or the JSON of `aws sqs receive-message`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedMessage {
    /// The queue's id of it.
    pub id: Option<String>,
    /// What it says.
    pub body: String,
    /// What the sender gave: of a dead letter, the reason and more.
    pub attributes: BTreeMap<String, String>,
}

impl SavedMessage {
    /// What ties the logs of its run together, where the sender gave it.
    pub fn trace_id(&self) -> Option<String> {
        self.attributes.get("trace_id").cloned()
    }
}

/// A message as the AWS command line prints it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    message_id: Option<String>,
    body: String,
    #[serde(default)]
    message_attributes: BTreeMap<String, PrintedAttribute>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PrintedAttribute {
    string_value: Option<String>,
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// When it can't be read, or holds no message.
pub fn read(path: &Path) -> anyhow::Result<Vec<SavedMessage>> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input can't be read as text")?;
    } else {
        text = std::fs::read_to_string(path)
            .with_context(|| format!("{} can't be read: give a saved message", path.display()))?;
    }
    let messages = parse(&text);
    if messages.is_empty() {
        bail!(
            "{} holds no message: the queue was empty when it was saved",
            path.display()
        );
    }
    Ok(messages)
}

/// What is no printed message is a body.
fn parse(text: &str) -> Vec<SavedMessage> {
    let body = || {
        vec![SavedMessage {
            body: text.to_owned(),
            ..SavedMessage::default()
        }]
    };
    if text.trim().is_empty() {
        // The command line prints nothing at all when no message came.
        return Vec::new();
    }
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return body();
    };
    let printed = match (value.get("Messages"), value.get("Body")) {
        (Some(messages), _) => serde_json::from_value::<Vec<Printed>>(messages.clone()),
        (None, Some(_)) => serde_json::from_value::<Printed>(value).map(|one| vec![one]),
        (None, None) => return body(),
    };
    let Ok(printed) = printed else {
        return body();
    };
    let messages = printed.into_iter().map(|message| SavedMessage {
        id: message.message_id,
        body: message.body,
        attributes: message
            .message_attributes
            .into_iter()
            .filter_map(|(name, attribute)| Some((name, attribute.string_value?)))
            .collect(),
    });
    messages.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn he_2_a_body_and_what_the_command_line_prints_are_both_read() {
        let body = r#"{"Records":[]}"#;
        let bare = parse(body);
        assert_eq!(bare.len(), 1);
        assert_eq!(bare[0].body, body);

        let printed = serde_json::json!({"Messages": [{
            "MessageId": "m-1", "ReceiptHandle": "r", "MD5OfBody": "x", "Body": body,
            "Attributes": {"ApproximateReceiveCount": "3"},
            "MessageAttributes": {"reason": {"StringValue": "encrypted", "DataType": "String"}}
        }]});
        let read = parse(&printed.to_string());
        assert_eq!(read[0].id.as_deref(), Some("m-1"));
        assert_eq!(read[0].body, body);
        assert_eq!(read[0].attributes["reason"], "encrypted");
        assert_eq!(parse(&printed["Messages"][0].to_string()), read);
        assert_eq!(parse("not json")[0].body, "not json");
        assert!(parse("\n").is_empty());
    }
}
