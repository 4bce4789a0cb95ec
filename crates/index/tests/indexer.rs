//! A document into its collections and out again, with the embedded store and with a server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pagemill_document::{PageNumber, PageState, PageText, Uncharged};
use pagemill_index::testing::{Code, HashEmbedder, TestQdrant};
use pagemill_index::{
    CollectionNames, EdgeStore, IndexInput, IndexSettings, Indexer, QdrantServer, SearchFilter,
    TargetStore, VectorStore,
};

fn page(number: u32, text: &str) -> PageText {
    PageText {
        page: PageNumber(number),
        width: 595.0,
        height: 842.0,
        rotation: 0,
        state: if text.is_empty() {
            PageState::Blank
        } else {
            PageState::Text
        },
        text: text.to_owned(),
        blocks: Vec::new(),
        annotations: Vec::new(),
        raised: Vec::new(),
        figures: Vec::new(),
        characters: Default::default(),
        ocr: None,
        truncated: false,
    }
}

fn document<'a>(
    generation: &'a str,
    pages: &'a Vec<PageText>,
    page_images: &'a BTreeMap<PageNumber, String>,
) -> IndexInput<'a> {
    IndexInput {
        source: "source-pdfs/law/a.pdf",
        generation,
        sha256: "abcd",
        language: Some("en"),
        title: Some("A"),
        pages,
        page_images,
    }
}

fn indexer(store: impl VectorStore + 'static) -> Indexer {
    let embedder = Arc::new(HashEmbedder::default());
    Indexer::new(
        IndexSettings::default(),
        embedder,
        Arc::new(store),
        CollectionNames::default(),
    )
    .unwrap()
}

fn granted() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

async fn a_document_is_indexed_found_replaced_and_removed(indexer: &Indexer) {
    let images = BTreeMap::from([(PageNumber(2), "images/2.png".to_owned())]);
    let pages = vec![
        page(1, "The tenant pays rent monthly."),
        page(2, "Whales swim in the deep ocean."),
        page(3, ""),
    ];
    let report = indexer
        .index(
            &document("g1", &pages, &images),
            &TargetStore::ALL,
            &granted,
            &Uncharged,
        )
        .await
        .unwrap();
    assert_eq!(
        report.points[&TargetStore::Pages],
        3,
        "a page without text has a point too"
    );
    assert_eq!(report.points[&TargetStore::Semantic], report.chunks);
    assert_eq!(report.points[&TargetStore::Haystack], report.chunks);

    let hits = indexer
        .search(
            TargetStore::Pages,
            "whales in the ocean",
            5,
            SearchFilter::default(),
        )
        .await
        .unwrap();
    assert_eq!(hits[0].payload["page"], 2);
    assert_eq!(hits[0].payload["page_image"], "images/2.png");
    assert!(
        hits.iter().all(|hit| hit.payload["page"] != 3),
        "a blank page is never found"
    );
    let elsewhere = SearchFilter {
        folder: Some("source-pdfs/tax/".to_owned()),
        ..SearchFilter::default()
    };
    assert!(
        indexer
            .search(TargetStore::Semantic, "whales", 5, elsewhere)
            .await
            .unwrap()
            .is_empty()
    );
    let haystack = indexer
        .search(TargetStore::Haystack, "rent", 1, SearchFilter::default())
        .await
        .unwrap();
    assert!(
        haystack[0].payload["content"]
            .as_str()
            .unwrap()
            .contains("rent")
    );

    let shorter = vec![page(1, "The tenant pays rent yearly.")];
    indexer
        .index(
            &document("g2", &shorter, &images),
            &TargetStore::ALL,
            &granted,
            &Uncharged,
        )
        .await
        .unwrap();
    let gone = indexer
        .remove_other_generations("source-pdfs/law/a.pdf", "g2", &TargetStore::ALL, &granted)
        .await
        .unwrap();
    assert_eq!(gone, 3 + 2 * report.chunks);
    for target in TargetStore::ALL {
        let rows = indexer
            .store()
            .inventory(&indexer.collection(target))
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].generation.as_str(), rows[0].points), ("g2", 1));
    }
    assert_eq!(
        indexer
            .remove("source-pdfs/law/a.pdf", &granted)
            .await
            .unwrap(),
        3
    );
    assert!(
        indexer
            .store()
            .inventory(&indexer.collection(TargetStore::Pages))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_document_lives_its_life_in_the_embedded_store() {
    let dir = tempfile::tempdir().unwrap();
    a_document_is_indexed_found_replaced_and_removed(&indexer(
        EdgeStore::open(dir.path()).unwrap(),
    ))
    .await;
}

#[tokio::test]
async fn a_document_lives_its_life_on_a_server() {
    let server = TestQdrant::start().await.unwrap();
    a_document_is_indexed_found_replaced_and_removed(&indexer(
        QdrantServer::connect(&server.url(), None).unwrap(),
    ))
    .await;
}

#[tokio::test]
async fn no_permit_no_write() {
    let server = TestQdrant::start().await.unwrap();
    let writer = indexer(QdrantServer::connect(&server.url(), None).unwrap());
    let asked = AtomicUsize::new(0);
    let permit = || {
        // Granted for the collections and the first write, then lost.
        if asked.fetch_add(1, Ordering::SeqCst) < 2 {
            Ok(())
        } else {
            Err("the lease is lost".into())
        }
    };
    let images = BTreeMap::new();
    let pages = vec![page(1, "Some text.")];
    let error = writer
        .index(
            &document("g1", &pages, &images),
            &TargetStore::ALL,
            &permit,
            &Uncharged,
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), "not_permitted");
    assert!(error.to_string().contains("the lease is lost"), "{error}");
    let writes = server
        .calls()
        .iter()
        .filter(|call| call.starts_with("upsert"))
        .count();
    assert_eq!(writes, 1);
}

#[tokio::test]
async fn a_short_outage_is_ridden_out_and_a_long_one_is_told() {
    let server = TestQdrant::start().await.unwrap();
    let writer = indexer(QdrantServer::connect(&server.url(), None).unwrap());
    writer.ensure(&TargetStore::ALL).await.unwrap();
    let images = BTreeMap::new();
    let pages = vec![page(1, "Some text.")];
    server.fail_call("upsert", 1, Code::Unavailable, "restarting");
    writer
        .index(
            &document("g1", &pages, &images),
            &[TargetStore::Pages],
            &granted,
            &Uncharged,
        )
        .await
        .unwrap();
    assert_eq!(server.points("pdf_pages_store"), 1);
    server.fail_call("upsert", 9, Code::Unavailable, "restarting");
    let error = writer
        .index(
            &document("g2", &pages, &images),
            &[TargetStore::Pages],
            &granted,
            &Uncharged,
        )
        .await
        .unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("unavailable", false));
}

#[tokio::test]
async fn what_changes_points_changes_the_fingerprint_and_nothing_else() {
    let server = TestQdrant::start().await.unwrap();
    let parts = |settings: IndexSettings| {
        let store = Arc::new(QdrantServer::connect(&server.url(), None).unwrap());
        let made = Indexer::new(
            settings,
            Arc::new(HashEmbedder::default()),
            store,
            CollectionNames::default(),
        );
        made.unwrap().fingerprint_parts()
    };
    let usual = parts(IndexSettings::default());
    assert_eq!(
        usual,
        parts(IndexSettings {
            embed_batch: 7,
            upsert_batch: 9,
            ..IndexSettings::default()
        })
    );
    assert_ne!(
        usual,
        parts(IndexSettings {
            chunk_tokens: 100,
            ..IndexSettings::default()
        })
    );
    assert_ne!(
        usual,
        parts(IndexSettings {
            sparse: false,
            ..IndexSettings::default()
        })
    );
}
