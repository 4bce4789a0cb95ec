//! Names for calls: what a reader of the log would call them.

use bytes::Bytes;
use hyper::Method;
use hyper::http::request::Parts;
use serde_json::Value;

/// The name of a call, such as `S3 PUT record (processing, pages)` or `Qdrant Upsert semantic_store`.
pub(crate) fn name(parts: &Parts, body: &Bytes) -> String {
    let path = parts.uri.path();
    if let Some(target) = parts.headers.get("x-amz-target") {
        let target = target.to_str().expect("ASCII");
        return format!("SQS {}", target.rsplit('.').next().expect("a name"));
    }
    if let Some(method) = path.strip_prefix("/qdrant.") {
        let method = method.rsplit('/').next().expect("a method");
        return match collection(body) {
            Some(collection) => format!("Qdrant {method} {collection}"),
            None => format!("Qdrant {method}"),
        };
    }
    if let Some(method) = path.strip_prefix("/v1/") {
        return format!("LLM {}", method.split('/').next().expect("a method"));
    }
    s3(parts, body)
}

/// Whether a call of this name changes what others see.
pub(crate) fn writes(name: &str) -> bool {
    let reads = [
        "S3 GET",
        "S3 HEAD",
        "S3 LIST",
        "SQS Get",
        "SQS Receive",
        "LLM",
    ];
    let reads_qdrant = [
        "Get",
        "List",
        "Count",
        "Scroll",
        "Query",
        "Health",
        "Collection",
    ];
    let qdrant_read = name
        .strip_prefix("Qdrant ")
        .is_some_and(|method| reads_qdrant.iter().any(|read| method.starts_with(read)));
    !qdrant_read && !reads.iter().any(|read| name.starts_with(read))
}

fn s3(parts: &Parts, body: &Bytes) -> String {
    let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8_lossy();
    let key = path.splitn(3, '/').nth(2).unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let has = |name: &str| {
        query
            .split('&')
            .any(|pair| pair == name || pair.starts_with(&format!("{name}=")))
    };
    if parts.method == Method::POST && has("delete") {
        return "S3 DELETE many".into();
    }
    if key.is_empty() {
        return match parts.method {
            Method::HEAD => "S3 HEAD bucket".into(),
            _ if query.contains("processing%2Fparts%2F") => "S3 LIST parts".into(),
            _ if query.contains("processing%2Fanswers%2F") => "S3 LIST answers".into(),
            _ if query.contains("processing%2Freadings%2F") => "S3 LIST readings".into(),
            _ if query.contains("config%2Fprofiles") => "S3 LIST profiles".into(),
            _ => "S3 LIST".into(),
        };
    }
    let what = match key.split('/').next().unwrap_or_default() {
        "source-pdfs" => "source",
        "pdf_page_images" => "page image",
        "extracted_text" => "text",
        "extracted_links" => "links",
        "extracted_structure" => "structure",
        "extracted_attachments" => "attachments",
        "extracted_fields" => "fields",
        "extracted_markdown" => "markdown",
        "pdf-metadata" => "metadata",
        "config" => "tunables",
        "review" => "review",
        _ if key.starts_with("processing/records/") => "record",
        _ if key.starts_with("processing/charges/") => "charge",
        _ if key.starts_with("processing/answers/") => "answer",
        _ if key.starts_with("processing/predictions/") => "prediction",
        _ if key.starts_with("processing/parts/") => "part",
        _ if key.starts_with("processing/pdf_process_history") => "history",
        other => other,
    };
    if what == "record" && parts.method == Method::PUT {
        return format!("S3 PUT record ({})", state_of(body));
    }
    format!("S3 {} {what}", parts.method)
}

/// How far a record is, for it is written at several steps of a run.
fn state_of(record: &[u8]) -> String {
    let record: Value = serde_json::from_slice(record).unwrap_or_default();
    let status = record["status"].as_str().unwrap_or("?");
    match record["in_progress"]["stage"].as_str() {
        Some(stage) => format!("{status}, {stage}"),
        None => status.to_owned(),
    }
}

/// The collection of a Qdrant call: field 1 of most of its messages, behind the five bytes of the gRPC frame.
fn collection(body: &[u8]) -> Option<String> {
    const FIELD_1_TEXT: u8 = 0x0a;
    let message = body.get(5..)?;
    let [FIELD_1_TEXT, length, rest @ ..] = message else {
        return None;
    };
    let text = rest.get(..usize::from(*length))?;
    String::from_utf8(text.to_vec()).ok()
}
