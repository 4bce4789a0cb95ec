//! What other rooms' tests rely on: the samples are the same each time, whole, and hold what their docs say.

use lopdf::{Document, Object};
use pagemill_samples::hostile;

fn pages(bytes: &[u8]) -> usize {
    Document::load_mem(bytes)
        .expect("the sample opens")
        .get_pages()
        .len()
}

#[test]
fn samples_are_the_same_bytes_each_time() {
    for ((name, first), (_, second)) in pagemill_samples::all()
        .into_iter()
        .zip(pagemill_samples::all())
    {
        assert!(first == second, "{name} differs between two calls");
    }
    assert!(
        hostile::encrypted() == hostile::encrypted(),
        "the encrypted sample differs between two calls"
    );
}

#[test]
fn samples_have_the_pages_their_docs_promise() {
    let counts: Vec<(&str, usize)> = pagemill_samples::all()
        .iter()
        .map(|(name, bytes)| (*name, pages(bytes)))
        .collect();
    let expected = [
        ("report.pdf", 4),
        ("paper.pdf", 1),
        ("invoice.pdf", 1),
        ("slides.pdf", 5),
        ("non-latin.pdf", 2),
        ("cjk.pdf", 1),
        ("links-and-outline.pdf", 4),
        ("scan.pdf", 1),
        ("grey.pdf", 1),
        ("colour.pdf", 1),
        ("blank.pdf", 1),
    ];
    assert_eq!(counts, expected);
}

#[test]
fn every_promised_link_is_there() {
    let document =
        Document::load_mem(&pagemill_samples::links_and_outline()).expect("the sample opens");
    let links = document
        .objects
        .values()
        .filter_map(|object| object.as_dict().ok())
        .filter(|dict| matches!(dict.get(b"Subtype"), Ok(Object::Name(name)) if name == b"Link"))
        .count();
    assert_eq!(links, pagemill_samples::LINK_COUNT);
}

#[test]
fn the_encrypted_sample_opens_with_its_password_only() {
    let bytes = hostile::encrypted();
    let mut document =
        Document::load_mem(&bytes).expect("the structure of an encrypted file can be read");
    assert!(document.is_encrypted());
    assert!(document.decrypt("wrong").is_err());
    document
        .decrypt(hostile::USER_PASSWORD)
        .expect("the user password opens it");
}

#[test]
fn many_pages_has_as_many_as_asked() {
    assert_eq!(pages(&hostile::many_pages(37)), 37);
}

#[test]
fn bombs_are_small_on_disk() {
    for (name, bytes) in hostile::all() {
        let limit = if name == "many-pages.pdf" {
            2 << 20
        } else {
            300 << 10
        };
        assert!(bytes.len() < limit, "{name} has {} bytes", bytes.len());
    }
}

#[test]
fn unusual_samples_are_the_same_bytes_each_time() {
    let twice = [(); 2].map(|()| pagemill_samples::unusual::all());
    for ((name, first), (_, second)) in twice[0].iter().zip(&twice[1]) {
        assert!(first == second, "{name} differs between two calls");
    }
}
