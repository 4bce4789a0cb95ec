//! What the model is asked for: schemas in the subset that strict structured output takes, and the check of what
//! comes back.

use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::document::DocumentType;

/// Name of the schema for a whole document.
pub(crate) const DOCUMENT_SCHEMA_NAME: &str = "document_metadata";
/// Name of the schema for a part of a long document.
pub(crate) const PART_SCHEMA_NAME: &str = "document_part";

/// A value that the model claims, with the words that show it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Claim {
    pub(crate) quote: String,
    pub(crate) page: u32,
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) kind: Option<String>,
}

/// The answer for a whole document.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Answer {
    pub(crate) title: Option<Claim>,
    pub(crate) document_type: Option<Claim>,
    pub(crate) summary: Option<String>,
    pub(crate) authors: Vec<Claim>,
    pub(crate) organisations: Vec<Claim>,
    pub(crate) dates: Vec<Claim>,
    pub(crate) identifiers: Vec<Claim>,
    pub(crate) keywords: Vec<String>,
    pub(crate) topics: Vec<String>,
    pub(crate) entities: Vec<Claim>,
    pub(crate) questions_answered: Vec<String>,
}

fn object(properties: Value) -> Value {
    let names: Vec<String> = properties
        .as_object()
        .map(|map| map.keys().cloned().collect())
        .unwrap_or_default();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

fn claim(values: Option<Vec<Value>>, kinds: Option<&[&str]>) -> Value {
    let value = match values {
        Some(values) => json!({"type": "string", "enum": values}),
        None => json!({"type": "string"}),
    };
    let quote = json!({"type": "string", "description": "words that show the value, verbatim from the page"});
    let page = json!({"type": "integer", "description": "the page of the quote"});
    match kinds {
        Some(kinds) => object(
            json!({"quote": quote, "page": page, "kind": {"type": "string", "enum": kinds}, "value": value}),
        ),
        None => object(json!({"quote": quote, "page": page, "value": value})),
    }
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// Roles of dates that are asked for.
pub(crate) const DATE_KINDS: &[&str] = &["issued", "effective", "expires", "due"];
const IDENTIFIER_KINDS: &[&str] = &[
    "doi",
    "arxiv",
    "isbn",
    "issn",
    "pmid",
    "orcid",
    "invoice_number",
    "order_number",
    "contract_number",
    "customer_number",
    "iban",
    "vat_id",
    "standard_number",
    "report_number",
    "reference",
];
const ENTITY_KINDS: &[&str] = &[
    "person",
    "organisation",
    "place",
    "product",
    "event",
    "other",
];

/// The schema of [`Answer`].
pub(crate) fn document_schema() -> Value {
    let types: Vec<Value> = DocumentType::ALL
        .iter()
        .filter_map(|document_type| serde_json::to_value(document_type).ok())
        .collect();
    let text = || json!({"type": "string"});
    object(json!({
        "title": or_null(claim(None, None)),
        "document_type": or_null(claim(Some(types), None)),
        "summary": {"type": ["string", "null"]},
        "authors": list(claim(None, None)),
        "organisations": list(claim(None, None)),
        "dates": list(claim(None, Some(DATE_KINDS))),
        "identifiers": list(claim(None, Some(IDENTIFIER_KINDS))),
        "keywords": list(text()),
        "topics": list(text()),
        "entities": list(claim(None, Some(ENTITY_KINDS))),
        "questions_answered": list(text()),
    }))
}

/// The schema of the answer for a part.
pub(crate) fn part_schema() -> Value {
    object(json!({
        "summary": {"type": "string"},
        "facts": list(claim(None, Some(&[
            "title", "author", "organisation", "date", "identifier", "person", "place", "product", "event", "topic", "other",
        ]))),
    }))
}

/// Parses and checks an answer.
///
/// # Errors
/// In words for the model and for the record, without document text: where the answer departs from the schema.
pub(crate) fn checked(content: &str, was_cut: bool, schema: &Value) -> Result<Value, String> {
    if was_cut {
        return Err(
            "the answer was cut at the output limit; give shorter values and fewer items"
                .to_owned(),
        );
    }
    let value = parse(content).ok_or("the answer is not one JSON object")?;
    let validator =
        jsonschema::validator_for(schema).map_err(|_| "the schema can not be compiled")?;
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .take(5)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "/" } else { &place };
            match error.kind() {
                ValidationErrorKind::Required { property } => {
                    format!("at `{place}` {property} is missing")
                }
                _ => format!(
                    "at `{place}` the rule `{}` does not hold",
                    error.schema_path()
                ),
            }
        })
        .collect();
    if !errors.is_empty() {
        return Err(errors.join("; "));
    }
    if repeats(&value) {
        return Err("the answer repeats itself; say everything once".to_owned());
    }
    Ok(value)
}

/// The one JSON object in a content, also inside a code fence or between words.
fn parse(content: &str) -> Option<Value> {
    let start = content.find('{')?;
    let end = content.rfind('}')?;
    let value: Value = serde_json::from_str(content.get(start..=end)?).ok()?;
    value.is_object().then_some(value)
}

/// Whether a list says the same thing over and over, or a text runs in a loop.
fn repeats(value: &Value) -> bool {
    match value {
        Value::Array(items) => {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            let most = items
                .iter()
                .map(|item| {
                    let count = counts.entry(item.to_string()).or_default();
                    *count += 1;
                    *count
                })
                .max()
                .unwrap_or_default();
            most > 5 || items.iter().any(repeats)
        }
        Value::Object(fields) => fields.values().any(repeats),
        Value::String(text) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            if words.len() < 60 {
                return false;
            }
            let mut distinct: Vec<&[&str]> = words.windows(6).collect();
            let total = distinct.len();
            distinct.sort_unstable();
            distinct.dedup();
            distinct.len() * 3 < total
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_checked_without_quoting_them() {
        let schema = part_schema();
        assert!(
            checked(
                "```json\n{\"summary\": \"s\", \"facts\": []}\n```",
                false,
                &schema
            )
            .is_ok()
        );
        let error = checked("{\"summary\": 7, \"facts\": []}", false, &schema)
            .expect_err("a number is no text");
        assert!(error.contains("/summary"), "{error}");
        assert!(checked("I am sorry", false, &schema).is_err());
        assert!(checked("{\"summary\": \"s\", \"facts\": []}", true, &schema).is_err());
        let looped = json!({"summary": "the mill turns and turns again ".repeat(40), "facts": []})
            .to_string();
        assert!(checked(&looped, false, &schema).is_err());
    }
}
