//! A model that lies: whatever false it says of a document, in whatever plausible way, is not taken for true, and what it says
//! that is true is kept.
//!
//! The documents and what is said of them are in `adversary/`: six kinds in four languages, each claim on a line with the quote
//! that the model gives for it. Every falsehood is said alone, so that none is refused for the sake of another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pagemill_document::testing::page_with;
use pagemill_document::{
    Block, BlockKind, Inspection, Line, PageNumber, PageText, Rect, Structure, Uncharged,
};
use pagemill_metadata::stub::{Reply, StubServer, good_answer};
use pagemill_metadata::{
    DocumentInput, GeneratorKind, LlmEndpoint, MetadataGenerator, MetadataSettings, generator,
};
use serde_json::{Value, json};

fn file(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/adversary");
    std::fs::read_to_string(folder.join(name)).expect("it is part of the repository")
}

/// A page from paragraphs; one that begins with `# ` is set in large letters.
fn page(number: u32, source: &str) -> PageText {
    let (mut text, mut blocks) = (String::new(), Vec::new());
    for (index, paragraph) in source.trim().split("\n\n").enumerate() {
        let (content, font_size) = match paragraph.strip_prefix("# ") {
            Some(title) => (title, 20.0),
            None => (paragraph, 10.0),
        };
        if index > 0 {
            text.push_str("\n\n");
        }
        let start = text.len() as u32;
        text.push_str(content);
        let top = 40.0 * index as f32;
        let lines = content.lines().enumerate().map(|(row, line)| Line {
            text: line.to_owned(),
            bbox: Rect {
                x0: 72.0,
                y0: top + 12.0 * row as f32,
                x1: 500.0,
                y1: top + 12.0 * row as f32 + 10.0,
            },
            font_size,
            bold: false,
        });
        blocks.push(Block {
            kind: BlockKind::Paragraph,
            level: None,
            start,
            end: text.len() as u32,
            bbox: Rect::default(),
            font_size,
            bold: false,
            lines: lines.collect(),
            table: None,
        });
    }
    page_with(PageNumber(number), text, blocks)
}

fn document(name: &str) -> Vec<PageText> {
    let source = file(&format!("{name}.txt"));
    let pages = source.split("\n~\n").zip(1..);
    pages.map(|(text, number)| page(number, text)).collect()
}

/// Something that the model says.
#[derive(Debug, Clone)]
struct Said {
    document: String,
    /// `dates`, and after a point the kind, where the field has kinds.
    field: String,
    kind: String,
    page: u32,
    value: String,
    quote: String,
}

fn said(list: &str) -> Vec<Said> {
    let source = file(list);
    let lines = source.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            let [document, field, page, value, quote] = parts[..] else {
                panic!("five parts: {line}");
            };
            let (field, kind) = field.split_once('.').unwrap_or((field, ""));
            Said {
                document: document.to_owned(),
                field: field.to_owned(),
                kind: kind.to_owned(),
                page: page.parse().expect("a number"),
                value: value.to_owned(),
                quote: quote.to_owned(),
            }
        })
        .collect()
}

/// The model's answer that says these.
fn answer(all: &[Said]) -> Value {
    let mut answer = good_answer();
    answer["document_type"] = Value::Null;
    answer["keywords"] = json!([]);
    answer["topics"] = json!([]);
    for said in all {
        let (quote, page, value) = (&said.quote, said.page, &said.value);
        let field = &mut answer[said.field.as_str()];
        match said.field.as_str() {
            "title" | "document_type" => {
                *field = json!({"quote": quote, "page": page, "value": value});
                continue;
            }
            _ => {}
        }
        let item = match said.field.as_str() {
            "summary" | "questions_answered" => {
                json!({"quote": quote, "page": page, "text": value})
            }
            "keywords" | "topics" => json!(value),
            "authors" => json!({"quote": quote, "page": page, "value": value}),
            _ => json!({"quote": quote, "page": page, "kind": said.kind, "value": value}),
        };
        field.as_array_mut().expect("a list").push(item);
    }
    answer
}

async fn metadata(llm: &dyn MetadataGenerator, document_name: &str) -> Value {
    let pages = document(document_name);
    let inspection = Inspection {
        pages: pages.len() as u32,
        ..Inspection::default()
    };
    let input = DocumentInput {
        source_name: "a.pdf",
        sha256: &"a".repeat(64),
        inspection: &inspection,
        structure: &Structure::default(),
        pages: &pages,
        links: &[],
        custom_prompt: None,
    };
    let made = llm.generate(input, &Uncharged).await;
    let (metadata, _) = made.expect("an answer that lies is an answer");
    check_places(&serde_json::to_value(&metadata).expect("JSON"), &pages);
    serde_json::to_value(metadata).expect("JSON")
}

/// Every piece of evidence is where it says, and its lines have boxes.
fn check_places(value: &Value, pages: &[PageText]) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| check_places(item, pages)),
        Value::Object(fields) => {
            if let (Some(start), Some(end)) = (fields.get("start"), fields.get("end")) {
                let number = fields["page"].as_u64().expect("a page") as usize;
                let (start, end) = (
                    start.as_u64().unwrap() as usize,
                    end.as_u64().unwrap() as usize,
                );
                let text = pages[number - 1]
                    .text
                    .get(start..end)
                    .expect("whole characters");
                assert!(!text.trim().is_empty(), "{value}");
                assert!(
                    !fields["boxes"].as_array().expect("boxes").is_empty(),
                    "{value}"
                );
            }
            fields.values().for_each(|value| check_places(value, pages));
        }
        _ => {}
    }
}

fn letters(text: &str) -> String {
    let letters = text.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Whether a value stands in the metadata as one that was verified, in the role that the model said.
fn is_taken(metadata: &Value, said: &Said) -> bool {
    let is_it = |claim: &Value| {
        let verified = claim["verified"].as_str().unwrap_or_default();
        let is_open = matches!(verified, "conflict" | "model_only");
        assert_eq!(is_open, claim["value"].is_null(), "{claim}");
        let value = claim["value"].as_str().unwrap_or_default();
        let is_same = match said.field.as_str() {
            "summary" => letters(value).contains(&letters(&said.value)),
            _ => letters(value) == letters(&said.value),
        };
        !is_open && is_same
    };
    let field = &metadata[said.field.as_str()];
    match said.field.as_str() {
        "title" | "document_type" | "summary" => is_it(field),
        "dates" => is_it(&field[said.kind.as_str()]),
        _ => field.as_array().expect("a list").iter().any(|claim| {
            let kind = match said.field.as_str() {
                "organisations" => claim["role"].as_str().unwrap_or("other"),
                _ => claim["kind"].as_str().unwrap_or_default(),
            };
            let is_kind =
                kind == said.kind || (said.field == "organisations" && said.kind == "other");
            is_it(claim) && is_kind
        }),
    }
}

async fn llm(stub: &StubServer) -> std::sync::Arc<dyn MetadataGenerator> {
    let settings = MetadataSettings {
        generator: GeneratorKind::Llm,
        model: "liar".to_owned(),
        max_keywords: 50,
        ..MetadataSettings::default()
    };
    let endpoint = LlmEndpoint {
        base_url: stub.base_url().to_owned(),
        api_key: None,
    };
    generator(&settings, Some(&endpoint)).expect("the settings are right")
}

#[tokio::test]
async fn no_falsehood_of_a_model_is_taken_for_true() {
    let stub = StubServer::start().await.expect("loopback");
    let llm = llm(&stub).await;
    let lies = said("false.txt");
    assert!(lies.len() >= 100, "{}", lies.len());
    let (mut taken, mut of_field) = (Vec::new(), BTreeMap::<String, usize>::new());
    for lie in &lies {
        stub.push_reply(Reply::Content(
            answer(std::slice::from_ref(lie)).to_string(),
        ));
        let metadata = metadata(llm.as_ref(), &lie.document).await;
        *of_field.entry(lie.field.clone()).or_default() += 1;
        if is_taken(&metadata, lie) {
            taken.push(lie.clone());
        }
    }
    println!(
        "{} falsehoods by field: {of_field:?}; taken: {}",
        lies.len(),
        taken.len()
    );
    assert!(taken.is_empty(), "{taken:#?}");
}

#[tokio::test]
async fn what_a_model_says_that_is_true_is_kept() {
    let stub = StubServer::start().await.expect("loopback");
    let llm = llm(&stub).await;
    let truths = said("true.txt");
    let mut lost = Vec::new();
    let names: std::collections::BTreeSet<&str> =
        truths.iter().map(|said| said.document.as_str()).collect();
    for name in names {
        let of_document: Vec<Said> = truths
            .iter()
            .filter(|said| said.document == name)
            .cloned()
            .collect();
        stub.push_reply(Reply::Content(answer(&of_document).to_string()));
        let metadata = metadata(llm.as_ref(), name).await;
        let of_document = of_document.into_iter();
        lost.extend(of_document.filter(|said| !is_taken(&metadata, said)));
    }
    let kept = truths.len() - lost.len();
    println!(
        "{kept} of {} true values kept; lost: {lost:#?}",
        truths.len()
    );
    assert!(
        kept * 100 >= truths.len() * 90,
        "{kept} of {}",
        truths.len()
    );
}
