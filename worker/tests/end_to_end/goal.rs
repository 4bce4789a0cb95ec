//! How far a document is built is a setting, and may change.

use pagemill_index::TargetStore;
use pagemill_storage::Stage;
use pagemill_testkit::runtime;
use serde_json::json;

use crate::support::{Place, ran_again};

const NAME: &str = "report.pdf";

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_built_as_far_as_the_goal_and_no_further() {
    let Some(mut place) = Place::new("goal") else {
        return;
    };
    place.add(NAME, &pagemill_samples::invoice());
    // Models of text are neither needed nor looked for: there are none here.
    let runtime = runtime("goal").expect("the place has one");
    let bare = place.root().join("bare");
    std::fs::create_dir_all(&bare).expect("a folder");
    for name in ["libpdfium.so", "tesseract", "ppocr"] {
        std::os::unix::fs::symlink(runtime.join(name), bare.join(name)).expect("a link");
    }
    place
        .environment
        .push(("PAGEMILL_RUNTIME", bare.to_string_lossy().into_owned()));
    let goal = |goal| json!({"goal": goal, "pages": {"dpi": 50}});
    place.configure(&goal("extraction"));
    place.local(&[]).await.with_code(0).says("1 processed");
    let extracted = place.record(NAME);
    assert_eq!(
        extracted.stages.keys().copied().collect::<Vec<_>>(),
        [
            Stage::Inspect,
            Stage::Pages,
            Stage::Text,
            Stage::Links,
            Stage::Structure,
            Stage::Attachments,
            Stage::Markdown,
            Stage::Commit
        ]
    );
    assert!(!place.page_images(NAME).is_empty());
    let metadata = format!("pdf-metadata/{NAME}.json");
    assert!(!place.objects().contains_key(&metadata));
    place
        .local(&[])
        .await
        .with_code(0)
        .says("0 processed, 1 unchanged");

    place.configure(&goal("metadata"));
    place.local(&[]).await.with_code(0).says("1 processed");
    let described = place.record(NAME);
    assert_eq!(
        ran_again(&extracted, &described),
        [Stage::Metadata, Stage::Extract, Stage::Commit]
    );
    assert!(place.objects().contains_key(&metadata));

    place.environment.pop();
    place.configure(&goal("index"));
    place.local(&[]).await.with_code(0).says("1 processed");
    let indexed = place.record(NAME);
    assert_eq!(
        ran_again(&described, &indexed),
        [Stage::Index, Stage::Commit]
    );
    let source = format!("source-pdfs/{NAME}");
    assert!(!place.points(TargetStore::Pages, &source).await.is_empty());

    // What goes further is left alone while it is true,
    place.configure(&goal("extraction"));
    place
        .local(&[])
        .await
        .with_code(0)
        .says("0 processed, 1 unchanged");
    assert!(place.objects().contains_key(&metadata));
    let verify = ["verify", "--settings", "--out", "out", "--input", "in"];
    place.run(&verify).await.with_code(0);

    // and goes when the document changes.
    place.add(NAME, &pagemill_samples::links_and_outline());
    place.local(&[]).await.with_code(0).says("1 processed");
    let replaced = place.record(NAME);
    assert!(!replaced.stages.contains_key(&Stage::Metadata));
    assert!(!replaced.stages.contains_key(&Stage::Index));
    assert!(!place.objects().contains_key(&metadata));
    assert!(place.points(TargetStore::Pages, &source).await.is_empty());
    place.run(&verify).await.with_code(0);
}
