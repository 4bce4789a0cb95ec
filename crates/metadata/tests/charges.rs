//! Paid calls of the LLM are told before their answers are judged.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pagemill_document::testing::page_with;
use pagemill_document::{
    CallOutcome, ChargeSink, Inspection, NotCharged, PageNumber, PaidCall, Structure,
};
use pagemill_metadata::settings::RetryLimits;
use pagemill_metadata::stub::{Reply, StubServer};
use pagemill_metadata::{
    DocumentInput, GeneratorKind, LlmEndpoint, MetadataError, MetadataGenerator, MetadataSettings,
    generator,
};

/// Keeps what it is told, and takes so many calls.
#[derive(Debug)]
struct Till {
    calls: Mutex<Vec<PaidCall>>,
    most: usize,
}

#[async_trait]
impl ChargeSink for Till {
    async fn charge(&self, call: PaidCall) -> Result<(), NotCharged> {
        let mut calls = self.calls.lock().unwrap();
        calls.push(call);
        match calls.len() > self.most {
            true => Err(NotCharged {
                reason: "the till is full".to_owned(),
            }),
            false => Ok(()),
        }
    }
}

async fn run(stub: &StubServer, most: usize) -> (Result<(), MetadataError>, Vec<PaidCall>) {
    let settings = MetadataSettings {
        generator: GeneratorKind::Llm,
        model: "stub-model".to_owned(),
        retries: RetryLimits {
            first_wait_millis: 1,
            ..RetryLimits::default()
        },
        ..MetadataSettings::default()
    };
    let endpoint = LlmEndpoint {
        base_url: stub.base_url().to_owned(),
        api_key: None,
    };
    let llm: Arc<dyn MetadataGenerator> = generator(&settings, Some(&endpoint)).unwrap();
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
    let till = Till {
        calls: Mutex::default(),
        most,
    };
    let made = llm.generate(input, &till).await.map(|_| ());
    (made, till.calls.into_inner().unwrap())
}

#[tokio::test]
async fn out_5_every_call_is_told_with_how_it_ended_and_only_answers_with_what_they_used() {
    let stub = StubServer::start().await.unwrap();
    stub.push_reply(Reply::Error {
        status: 500,
        code: "server_error",
        retry_after: None,
    });
    stub.push_reply(Reply::Raw("<html>a proxy</html>".to_owned()));
    stub.push_reply(Reply::Content("I would rather not".to_owned()));
    stub.push_reply(Reply::CutOff("{\"title\": ".to_owned()));
    let (made, calls) = run(&stub, 9).await;
    made.expect("a model of no use costs no document");
    assert_eq!((stub.chat_calls(), calls.len()), (4, 4));
    let ended: Vec<CallOutcome> = calls.iter().map(|call| call.outcome).collect();
    use CallOutcome::{Answered, Cut, Rejected};
    assert_eq!(ended, [Rejected, Rejected, Answered, Cut]);
    assert!(calls[0].units.is_unknown() && calls[1].units.is_unknown());
    let sha = |call: &PaidCall| call.request_sha.clone().expect("a hash");
    assert_eq!(sha(&calls[0]), sha(&calls[2]), "the same was asked");
    assert_ne!(
        sha(&calls[2]),
        sha(&calls[3]),
        "a repair round asks something else"
    );
    let kept: Vec<bool> = calls.iter().map(|call| call.answer.is_some()).collect();
    assert_eq!(kept, [false, false, true, true]);
    let first = &calls[2];
    assert_eq!(
        (first.provider.as_str(), first.model.as_str()),
        ("127.0.0.1", "stub-model")
    );
    assert!(first.units.input_tokens.unwrap() > 100, "{first:?}");
    assert_eq!(first.units.output_tokens, Some(4));
    assert_eq!(first.units.texts, None);
}

#[tokio::test]
async fn out_5_a_retried_call_that_was_paid_is_charged_and_what_is_not_said_is_not_known() {
    let stub = StubServer::start().await.unwrap();
    let strange = r#"{"choices": [], "usage": {"prompt_tokens": 70}}"#;
    stub.push_reply(Reply::Raw(strange.to_owned()));
    stub.push_reply(Reply::Raw(r#"{"choices": []}"#.to_owned()));
    let (made, calls) = run(&stub, 9).await;
    made.unwrap();
    let units: Vec<_> = calls
        .iter()
        .map(|call| (call.units.input_tokens, call.units.output_tokens))
        .collect();
    assert_eq!(units[..2], [(Some(70), None), (None, None)]);
    assert_eq!(units.len(), 3);
}

#[tokio::test]
async fn out_5_an_answer_that_breaks_off_was_paid_too() {
    let stub = StubServer::start().await.unwrap();
    stub.push_reply(Reply::Broken);
    let (made, calls) = run(&stub, 9).await;
    made.unwrap();
    assert_eq!((stub.chat_calls(), calls.len()), (2, 2));
    assert_eq!(calls[0].outcome, CallOutcome::Unusable);
    assert_eq!(calls[0].units.output_tokens, None, "nobody said how much");
    assert!(calls[1].units.output_tokens.is_some());
}

#[tokio::test]
async fn a_call_that_can_not_be_written_down_is_the_last_one() {
    let stub = StubServer::start().await.unwrap();
    stub.push_reply(Reply::Content("I would rather not".to_owned()));
    let (made, calls) = run(&stub, 0).await;
    let error = made.unwrap_err();
    assert_eq!(error.code(), "not_permitted");
    assert!(!error.is_permanent() && !error.is_configuration());
    assert!(error.to_string().contains("the till is full"), "{error}");
    assert_eq!((calls.len(), stub.chat_calls()), (1, 1));
}
