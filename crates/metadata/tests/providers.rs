//! What the providers refuse, in the shapes that are known of their compatible endpoints; none was recorded from a live one.

use std::time::{Duration, Instant};

use pagemill_document::testing::page_with;
use pagemill_document::{Inspection, PageNumber, Structure, Uncharged};
use pagemill_metadata::stub::{RecordedRequest, Reply, StubServer};
use pagemill_metadata::{
    DocumentInput, GeneratorKind, LlmEndpoint, MetadataError, MetadataSettings, Provider, generator,
};
use serde_json::{Value, json};

async fn ask(stub: &StubServer, provider: Provider) -> Result<(), MetadataError> {
    let mut settings = MetadataSettings {
        generator: GeneratorKind::Llm,
        model: "a-model".to_owned(),
        provider: Some(provider),
        ..MetadataSettings::default()
    };
    settings.retries.first_wait_millis = 1;
    settings.retries.longest_wait_millis = 5;
    let endpoint = LlmEndpoint {
        base_url: stub.base_url().to_owned(),
        api_key: None,
    };
    let llm = generator(&settings, Some(&endpoint)).expect("the settings are right");
    let page = page_with(PageNumber(1), "The wheel turns.".to_owned(), Vec::new());
    let (inspection, structure) = (Inspection::default(), Structure::default());
    let input = DocumentInput {
        source_name: "a.pdf",
        sha256: &"a".repeat(64),
        inspection: &inspection,
        structure: &structure,
        pages: &[page],
        links: &[],
        custom_prompt: None,
    };
    // Twice: what was refused once is not tried again.
    llm.generate(input, &Uncharged).await?;
    llm.generate(input, &Uncharged).await.map(|_| ())
}

async fn stub(reply: Reply) -> StubServer {
    let stub = StubServer::start().await.expect("loopback");
    stub.set_default(reply);
    stub
}

fn has(requests: &[RecordedRequest], field: &str) -> Vec<bool> {
    let has = |request: &RecordedRequest| !request.body[field].is_null();
    requests.iter().map(has).collect()
}

fn openai(code: &str, param: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}})
}

#[tokio::test]
async fn a_reasoning_model_that_refuses_a_temperature_is_asked_without_one() {
    let refusal = openai(
        "unsupported_value",
        "temperature",
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
    );
    let stub = stub(Reply::GoodWithout("temperature", refusal)).await;
    ask(&stub, Provider::OpenAi).await.expect("answered");
    let requests = stub.requests();
    assert_eq!(has(&requests, "temperature"), [true, false, false]);
    assert_eq!(requests[2].body["response_format"]["type"], "json_schema");
}

#[tokio::test]
async fn the_field_that_limits_an_answer_is_the_one_that_the_server_takes() {
    let refusal = openai(
        "unsupported_parameter",
        "max_completion_tokens",
        "Unrecognized request argument supplied: max_completion_tokens",
    );
    let stub = stub(Reply::GoodWithout("max_completion_tokens", refusal)).await;
    ask(&stub, Provider::Compatible).await.expect("answered");
    let requests = stub.requests();
    assert_eq!(
        has(&requests, "max_completion_tokens"),
        [true, false, false]
    );
    assert_eq!(has(&requests, "max_tokens"), [false, true, true]);
    assert!(requests[2].body["stream"] == true && !requests[2].body["seed"].is_null());
}

#[tokio::test]
async fn a_server_that_knows_no_seed_or_no_stream_options_still_streams() {
    for field in ["seed", "stream_options"] {
        let refusal = json!([{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
            format!("Invalid JSON payload received. Unknown name \"{field}\": Cannot find field.")}}]);
        let stub = stub(Reply::GoodWithout(field, refusal)).await;
        ask(&stub, Provider::Compatible).await.expect("answered");
        let requests = stub.requests();
        assert_eq!(has(&requests, field), [true, false, false], "{field}");
        assert!(
            requests
                .iter()
                .all(|request| request.body["stream"] == true)
        );
    }
}

#[tokio::test]
async fn a_schema_that_openai_does_not_take_is_sent_without_what_it_limits() {
    let stub = StubServer::start().await.expect("loopback");
    stub.push_reply(Reply::Recorded(
        400,
        openai(
            "invalid_json_schema",
            "response_format",
            "Invalid schema for response_format 'document_metadata': In context=('properties', 'keywords', 'items'), 'maxLength' is not permitted.",
        ),
        None,
    ));
    ask(&stub, Provider::OpenAi).await.expect("answered");
    let requests = stub.requests();
    let text = |at: usize| requests[at].body["response_format"].to_string();
    assert!(text(0).contains("maxLength") && !text(1).contains("maxLength"));
    assert!(text(1).contains("json_schema"));
}

#[tokio::test]
async fn anthropic_has_the_schema_in_the_prompt_and_is_waited_for_when_it_is_overloaded() {
    let stub = StubServer::start().await.expect("loopback");
    stub.push_reply(Reply::Recorded(
        529,
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        None,
    ));
    ask(&stub, Provider::Anthropic).await.expect("answered");
    let requests = stub.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(has(&requests, "response_format"), [false; 3]);
    assert_eq!(has(&requests, "seed"), [false; 3]);
    assert!(
        requests[0]
            .messages("system")
            .contains("additionalProperties")
    );
}

#[tokio::test]
async fn a_429_waits_as_long_as_the_header_or_geminis_details_say() {
    let gemini = json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]}}]);
    for (body, header) in [
        (gemini, None),
        (
            openai("rate_limit_exceeded", "", "Rate limit reached"),
            Some("1"),
        ),
    ] {
        let stub = StubServer::start().await.expect("loopback");
        stub.push_reply(Reply::Recorded(429, body, header));
        let begun = Instant::now();
        ask(&stub, Provider::Gemini).await.expect("answered");
        assert!(begun.elapsed() >= Duration::from_secs(1));
        assert_eq!(stub.chat_calls(), 3);
    }
}

#[tokio::test]
async fn no_money_and_a_wrong_key_are_a_persons_to_mend_however_they_are_said() {
    let refusals = [
        (
            429,
            openai("insufficient_quota", "", "You exceeded your current quota"),
            "balance",
        ),
        (
            400,
            json!({"error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the Anthropic API."}}),
            "balance",
        ),
        (
            400,
            json!([{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid. Please pass a valid API key."}}]),
            "API key",
        ),
        (
            401,
            json!({"error": {"code": "invalid_api_key", "message": "Incorrect API key provided"}}),
            "API key",
        ),
    ];
    for (status, body, remedy) in refusals {
        let stub = StubServer::start().await.expect("loopback");
        stub.push_reply(Reply::Recorded(status, body, None));
        let error = ask(&stub, Provider::Compatible).await.expect_err("refused");
        assert!(
            error.is_configuration() && error.to_string().contains(remedy),
            "{error}"
        );
        assert_eq!(stub.chat_calls(), 1, "{error}");
    }
}
