//! What the model is asked for, as schemas in the subset that strict structured output takes, and the reading of what comes
//! back.
//!
//! An answer is read value by value: one that is none costs that value, not the answer. What is wrong with the answer as a
//! whole is said in words, for the repair round.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::reply;

use crate::document::DocumentType;

/// Name of the schema for a whole document.
pub(crate) const DOCUMENT_SCHEMA_NAME: &str = "document_metadata";
/// Name of the schema for a part of a long document.
pub(crate) const PART_SCHEMA_NAME: &str = "document_part";

/// A value that the model claims, with the words that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) quote: String,
    pub(crate) page: u32,
    pub(crate) value: String,
    pub(crate) kind: Option<String>,
}

/// A sentence or question of the model's, with the words that bear it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prose {
    pub(crate) quote: String,
    pub(crate) page: u32,
    pub(crate) text: String,
}

/// The answer for a whole document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) title: Option<Claim>,
    pub(crate) document_type: Option<Claim>,
    pub(crate) summary: Vec<Prose>,
    pub(crate) authors: Vec<Claim>,
    pub(crate) organisations: Vec<Claim>,
    pub(crate) dates: Vec<Claim>,
    pub(crate) identifiers: Vec<Claim>,
    pub(crate) keywords: Vec<String>,
    pub(crate) topics: Vec<String>,
    pub(crate) entities: Vec<Claim>,
    pub(crate) questions_answered: Vec<Prose>,
}

/// What could be read of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Read<T> {
    pub(crate) value: T,
    /// How many values of a field were none.
    pub(crate) skipped: BTreeMap<&'static str, usize>,
    /// What is wrong with the answer as a whole, in words for the model and for the record, without a word of it.
    pub(crate) problems: Vec<String>,
}

/// Most items of a list that is asked for. Without a limit small models list for ever.
mod most {
    pub(super) const AUTHORS: usize = 30;
    pub(super) const ORGANISATIONS: usize = 15;
    pub(super) const DATES: usize = 8;
    pub(super) const IDENTIFIERS: usize = 15;
    pub(super) const KEYWORDS: usize = 20;
    pub(super) const TOPICS: usize = 8;
    pub(super) const ENTITIES: usize = 30;
    pub(super) const SENTENCES: usize = 8;
    pub(super) const QUESTIONS: usize = 5;
    pub(super) const FACTS: usize = 30;
}

/// Most characters that are asked for. Somewhat longer texts are taken as well.
mod longest {
    pub(super) const QUOTE: usize = 200;
    pub(super) const VALUE: usize = 200;
    pub(super) const PHRASE: usize = 80;
    pub(super) const SENTENCE: usize = 400;
    pub(super) const SUMMARY: usize = 1_200;
    /// What is read at most, whatever was asked for.
    pub(super) const READ: usize = 4_000;
}

fn object(properties: Value) -> Value {
    let names: Vec<String> = properties
        .as_object()
        .map(|map| map.keys().cloned().collect())
        .unwrap_or_default();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

fn text(most: usize) -> Value {
    json!({"type": "string", "maxLength": most})
}

fn claim(values: Option<Vec<Value>>, kinds: Option<&[&str]>) -> Value {
    let value = match values {
        Some(values) => json!({"type": "string", "enum": values}),
        None => text(longest::VALUE),
    };
    // What they are is said in the system message: words here are paid for in every field.
    let (quote, page) = (text(longest::QUOTE), json!({"type": "integer"}));
    match kinds {
        Some(kinds) => object(
            json!({"quote": quote, "page": page, "kind": {"type": "string", "enum": kinds}, "value": value}),
        ),
        None => object(json!({"quote": quote, "page": page, "value": value})),
    }
}

fn prose() -> Value {
    object(
        json!({"quote": text(longest::QUOTE), "page": {"type": "integer"}, "text": text(longest::SENTENCE)}),
    )
}

fn list(items: Value, most: usize) -> Value {
    json!({"type": "array", "items": items, "maxItems": most})
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// A schema without limits of length, for servers that know of none.
pub(crate) fn without_limits(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            fields.remove("maxItems");
            fields.remove("maxLength");
            for field in fields.values_mut() {
                *field = without_limits(field.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_limits(item.take());
            }
        }
        _ => {}
    }
    schema
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

/// What organisations are to a document.
const PARTY_KINDS: &[&str] = &["seller", "buyer", "publisher", "other"];
const FACT_KINDS: &[&str] = &[
    "title",
    "author",
    "organisation",
    "date",
    "identifier",
    "person",
    "place",
    "product",
    "event",
    "topic",
    "other",
];

fn types() -> Vec<Value> {
    DocumentType::ALL
        .iter()
        .filter_map(|document_type| serde_json::to_value(document_type).ok())
        .collect()
}

/// The schema of [`Answer`].
pub(crate) fn document_schema() -> Value {
    object(json!({
        "title": or_null(claim(None, None)),
        "document_type": or_null(claim(Some(types()), None)),
        "summary": list(prose(), most::SENTENCES),
        "authors": list(claim(None, None), most::AUTHORS),
        "organisations": list(claim(None, Some(PARTY_KINDS)), most::ORGANISATIONS),
        "dates": list(claim(None, Some(DATE_KINDS)), most::DATES),
        "identifiers": list(claim(None, Some(IDENTIFIER_KINDS)), most::IDENTIFIERS),
        "keywords": list(text(longest::PHRASE), most::KEYWORDS),
        "topics": list(text(longest::PHRASE), most::TOPICS),
        "entities": list(claim(None, Some(ENTITY_KINDS)), most::ENTITIES),
        "questions_answered": list(prose(), most::QUESTIONS),
    }))
}

/// The schema of the answer for a part.
pub(crate) fn part_schema() -> Value {
    object(json!({
        "summary": text(longest::SUMMARY),
        "facts": list(claim(None, Some(FACT_KINDS)), most::FACTS),
    }))
}

/// Reads an answer for a whole document.
///
/// # Errors
/// In words, without a word of the answer, when nothing of it can be read.
pub(crate) fn document(content: &str, was_cut: bool) -> Result<Read<Answer>, String> {
    let types: BTreeSet<String> = types()
        .iter()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let type_claim = |value: &Value| {
        let claim = read_claim(value, None)?;
        types.contains(&claim.value).then_some(claim)
    };
    let plain = |value: &Value| read_claim(value, None);
    let phrase = |value: &Value| read_text(value, longest::READ);
    reading(content, was_cut, |fields| Answer {
        title: fields.one("title", plain),
        document_type: fields.one("document_type", type_claim),
        summary: fields.many("summary", most::SENTENCES, read_prose),
        authors: fields.many("authors", most::AUTHORS, plain),
        organisations: fields.many("organisations", most::ORGANISATIONS, |value| {
            read_claim(value, Some(PARTY_KINDS))
        }),
        dates: fields.many("dates", most::DATES, |value| {
            read_claim(value, Some(DATE_KINDS))
        }),
        identifiers: fields.many("identifiers", most::IDENTIFIERS, |value| {
            read_claim(value, Some(IDENTIFIER_KINDS))
        }),
        keywords: fields.many("keywords", most::KEYWORDS, phrase),
        topics: fields.many("topics", most::TOPICS, phrase),
        entities: fields.many("entities", most::ENTITIES, |value| {
            read_claim(value, Some(ENTITY_KINDS))
        }),
        questions_answered: fields.many("questions_answered", most::QUESTIONS, read_prose),
    })
}

/// Reads an answer for a part, as notes for the last call.
///
/// # Errors
/// As those of [`document`].
pub(crate) fn part(content: &str, was_cut: bool) -> Result<Read<Value>, String> {
    reading(content, was_cut, |fields| {
        let summary = fields.one("summary", |value| read_text(value, longest::READ));
        let facts = fields.many("facts", most::FACTS, |value| {
            read_claim(value, Some(FACT_KINDS))
        });
        let facts: Vec<Value> = facts
            .into_iter()
            .map(|fact| json!({"quote": fact.quote, "page": fact.page, "kind": fact.kind, "value": fact.value}))
            .collect();
        json!({"summary": summary, "facts": facts})
    })
}

fn reading<T>(
    content: &str,
    was_cut: bool,
    read: impl FnOnce(&mut Fields<'_>) -> T,
) -> Result<Read<T>, String> {
    let found = reply::object_in(content);
    let is_cut = was_cut || found.as_ref().is_some_and(|found| !found.is_whole);
    let cut = "the answer was cut at the output limit; give shorter values and fewer items";
    let Some(found) = found else {
        return Err(match was_cut {
            true => cut.to_owned(),
            false => "the answer is not one JSON object".to_owned(),
        });
    };
    let Some(map) = found.object.as_object() else {
        return Err("the answer is not one JSON object".to_owned());
    };
    let mut fields = Fields {
        map,
        known: 0,
        skipped: BTreeMap::new(),
        problems: match is_cut {
            true => vec![cut.to_owned()],
            false => Vec::new(),
        },
    };
    let value = read(&mut fields);
    if fields.known == 0 {
        return Err("the answer has none of the fields of the schema".to_owned());
    }
    Ok(Read {
        value,
        skipped: fields.skipped,
        problems: fields.problems,
    })
}

/// The fields of an answer, and what is found out while they are read.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    known: usize,
    skipped: BTreeMap<&'static str, usize>,
    problems: Vec<String>,
}

impl Fields<'_> {
    fn field(&mut self, name: &'static str) -> Option<&Value> {
        let field = self.map.get(name);
        match field {
            Some(_) => self.known += 1,
            None => self.problems.push(format!("at `/` {name} is missing")),
        }
        field
    }

    fn one<T>(&mut self, name: &'static str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let field = self.field(name)?.clone();
        if field.is_null() || field.as_str().is_some_and(str::is_empty) {
            return None;
        }
        let read = read(&field);
        if read.is_none() {
            *self.skipped.entry(name).or_default() += 1;
        }
        read
    }

    fn many<T>(
        &mut self,
        name: &'static str,
        most: usize,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Vec<T> {
        let Some(field) = self.field(name).cloned() else {
            return Vec::new();
        };
        let items = match field {
            Value::Array(items) => items,
            Value::Null => return Vec::new(),
            _ => {
                self.problems.push(format!("`/{name}` is no list"));
                return Vec::new();
            }
        };
        // A model that runs in a loop says the same again and again.
        let mut seen = BTreeSet::new();
        let mut values = Vec::new();
        for item in items {
            if values.len() == most || !seen.insert(item.to_string()) {
                continue;
            }
            match read(&item) {
                Some(value) => values.push(value),
                None => *self.skipped.entry(name).or_default() += 1,
            }
        }
        values
    }
}

fn read_text(value: &Value, most: usize) -> Option<String> {
    let text = value.as_str()?.trim();
    let is_fit = !text.is_empty() && text.chars().count() <= most && !loops(text);
    is_fit.then(|| text.to_owned())
}

/// A claim; small models write numbers as text, and the other way round.
fn read_claim(value: &Value, kinds: Option<&[&str]>) -> Option<Claim> {
    let fields = value.as_object()?;
    let text = |name: &str| match fields.get(name)? {
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some(String::new()),
        other => other
            .as_str()
            .map(|text| text.trim().chars().take(longest::READ).collect()),
    };
    let claimed = text("value").filter(|value| !value.is_empty() && !loops(value))?;
    let kind = match kinds {
        Some(kinds) => {
            let kind = text("kind")?.to_lowercase();
            Some(kinds.contains(&kind.as_str()).then_some(kind)?)
        }
        None => None,
    };
    Some(Claim {
        quote: text("quote").unwrap_or_default(),
        page: read_page(fields),
        value: claimed,
        kind,
    })
}

fn read_page(fields: &Map<String, Value>) -> u32 {
    match fields.get("page") {
        Some(Value::Number(number)) => number.as_f64().unwrap_or_default() as u32,
        Some(Value::String(page)) => page.trim().parse().unwrap_or_default(),
        _ => 0,
    }
}

fn read_prose(value: &Value) -> Option<Prose> {
    let fields = value.as_object()?;
    Some(Prose {
        quote: fields.get("quote")?.as_str()?.trim().to_owned(),
        page: read_page(fields),
        text: read_text(fields.get("text")?, longest::READ)?,
    })
}

/// Whether a text runs in a loop.
fn loops(text: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Value {
        json!({
            "title": null, "document_type": null, "summary": [], "authors": [], "organisations": [], "dates": [],
            "identifiers": [], "keywords": [], "topics": [], "entities": [], "questions_answered": [],
        })
    }

    #[test]
    fn a_value_that_is_none_costs_itself_and_no_other() {
        let mut answer = whole();
        answer["document_type"] = json!({"quote": "", "page": 1, "value": "poem"});
        answer["dates"] = json!([
            {"quote": "q", "page": 1, "kind": "birthday", "value": "2024-05-31"},
            {"quote": "q", "page": "2", "kind": "Issued", "value": 2024},
            "31 May",
        ]);
        let read = document(&answer.to_string(), false).expect("it can be read");
        assert_eq!(read.value.document_type, None);
        assert_eq!(read.value.dates.len(), 1);
        assert_eq!(
            (read.value.dates[0].page, read.value.dates[0].value.as_str()),
            (2, "2024")
        );
        assert_eq!(
            read.skipped,
            BTreeMap::from([("document_type", 1), ("dates", 2)])
        );
        assert_eq!(
            read.problems,
            Vec::<String>::new(),
            "no reason for another call"
        );
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_said_without_quoting_it() {
        let mut answer = whole();
        answer["keywords"] = json!("mill");
        let read = document(&answer.to_string(), false).expect("it can be read");
        assert_eq!(read.problems, ["`/keywords` is no list"]);
        assert!(document("I am sorry", false).is_err());
        assert!(document(r#"{"name": "x"}"#, false).is_err());
        let cut = part(r#"{"summary": "s", "facts": [{"quote": "q", "pa"#, true);
        let cut = cut.expect("half of it");
        assert_eq!(cut.value["summary"], "s");
        assert!(cut.problems[0].contains("cut"), "{:?}", cut.problems);
    }

    #[test]
    fn lists_and_texts_without_end_are_ended() {
        let mut answer = whole();
        let looped = "the mill turns and turns again ".repeat(40);
        answer["summary"] = json!([{"quote": "q", "page": 1, "text": looped}]);
        answer["keywords"] = vec!["mill"; 500].into();
        answer["topics"] = (0..500).map(|index| index.to_string()).collect();
        let read = document(&answer.to_string(), false)
            .expect("it can be read")
            .value;
        assert_eq!(
            (read.summary.len(), read.keywords.len(), read.topics.len()),
            (0, 1, 8)
        );
    }

    #[test]
    fn the_schemas_have_limits_and_can_do_without() {
        let validator = jsonschema::validator_for(&document_schema()).expect("a schema");
        assert!(validator.is_valid(&whole()));
        let mut long = whole();
        long["keywords"] = vec!["mill"; 30].into();
        assert!(!validator.is_valid(&long));
        let validator = jsonschema::validator_for(&without_limits(document_schema()));
        assert!(validator.expect("a schema").is_valid(&long));
    }
}
