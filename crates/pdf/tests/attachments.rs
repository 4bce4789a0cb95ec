//! Files that documents carry, read in a child. Needs libpdfium: set `PAGEMILL_RUNTIME` to the folder that holds it.

use pagemill_pdf::{Document, Engine, SealedFile};
use pagemill_reader::{Attachment, NotKept};
use pagemill_samples::{CII, electronic_invoice, hostile, invoice_carrying};

#[path = "support/engine.rs"]
mod one_child;
use one_child::engine;

async fn attachments(engine: &Engine, bytes: &[u8]) -> Vec<Attachment> {
    let file = SealedFile::from_bytes(bytes, 1 << 30).expect("a PDF");
    let document: Document = engine.open(file, &[]).await.expect("it opens");
    document.attachments().await.expect("they are read")
}

#[tokio::test]
async fn the_xml_of_an_invoice_comes_byte_by_byte() {
    let Some(engine) = engine() else { return };
    let found = attachments(&engine, &electronic_invoice()).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "factur-x.xml");
    assert_eq!(found[0].media_type.as_deref(), Some("text/xml"));
    assert_eq!(found[0].relationship.as_deref(), Some("Alternative"));
    assert_eq!(found[0].content.as_deref(), Ok(CII.as_bytes()));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_document_without_attachments_has_none() {
    let Some(engine) = engine() else { return };
    assert_eq!(attachments(&engine, &pagemill_samples::blank()).await, []);
    engine.shutdown().await;
}

#[tokio::test]
async fn ho_2_a_bomb_among_attachments_is_refused_and_the_others_come() {
    let Some(engine) = engine() else { return };
    let found = attachments(&engine, &hostile::hostile_attachments()).await;
    let ends: Vec<(&str, Option<NotKept>)> = found
        .iter()
        .map(|file| (file.name.as_str(), file.content.as_ref().err().copied()))
        .collect();
    assert_eq!(
        ends,
        [
            ("../../../etc/passwd.xml", None),
            ("factur-x.xml", None),
            ("C:\\Windows\\win.ini .xml", None),
            ("macro.docm", Some(NotKept::NotXml)),
            ("bomb.xml", Some(NotKept::OverLimit)),
        ]
    );
    assert_eq!(found[1].content.as_deref(), Ok(CII.as_bytes()));
    engine.shutdown().await;
}

#[tokio::test]
async fn ho_2_all_attachments_together_have_a_limit_too() {
    let Some(engine) = engine() else { return };
    // Each is within the limit of one (8 MiB), five of them are beyond that of all.
    let large = vec![b' '; 7 << 20];
    let names: Vec<String> = (0..5).map(|at| format!("{at}.xml")).collect();
    let files: Vec<(&str, &str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), "text/xml", large.as_slice()))
        .collect();
    let found = attachments(&engine, &invoice_carrying(&files)).await;
    let kept: Vec<bool> = found.iter().map(|file| file.content.is_ok()).collect();
    assert_eq!(kept, [true, true, true, true, false]);
    assert_eq!(found[4].content, Err(NotKept::OverLimit));
    engine.shutdown().await;
}
