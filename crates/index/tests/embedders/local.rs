//! Models on this machine. They need their files: `PAGEMILL_RUNTIME` names the folder that holds `models/`.

use std::sync::Arc;

use pagemill_document::Uncharged;
use pagemill_index::{Embedder, EmbedderKind, IndexSettings, ModelFiles, Purpose, embedder};

fn models() -> Option<ModelFiles> {
    let runtime = pagemill_testkit::runtime("local embedders")?;
    Some(ModelFiles {
        dir: runtime.join("models"),
    })
}

fn load(kind: EmbedderKind, files: &ModelFiles) -> Arc<dyn Embedder> {
    embedder(
        &IndexSettings {
            embedder: kind,
            ..IndexSettings::default()
        },
        files,
        None,
    )
    .unwrap()
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter()
        .zip(other)
        .map(|(left, right)| left * right)
        .sum()
}

async fn check(kind: EmbedderKind, dimensions: usize) {
    let Some(files) = models() else { return };
    let model = load(kind.clone(), &files);
    assert_eq!(model.dimensions(), dimensions);
    assert_eq!(model.name(), load(kind, &files).name());
    let filler = "Nothing of note happened in the garden. ".repeat(120);
    let texts: Vec<String> = [
        "The invoice must be paid within thirty days.",
        "Payment of the bill is due in one month.",
        "Whales are mammals that live in the sea.",
        "",
        &format!("{filler} The invoice must be paid within thirty days. The bill is due. Payment of the bill."),
        &filler,
    ]
    .map(str::to_owned)
    .to_vec();
    let embedding = model
        .embed(&texts, Purpose::Document, &Uncharged)
        .await
        .unwrap();
    let vectors = &embedding.vectors;
    assert_eq!(vectors.len(), texts.len());
    assert!(embedding.tokens > 100);
    assert_eq!(embedding.calls, 0);
    let (like, unlike) = (dot(&vectors[0], &vectors[1]), dot(&vectors[0], &vectors[2]));
    assert!(like > unlike + 0.1, "like {like}, unlike {unlike}");
    for vector in [0, 1, 2, 4].map(|place| &vectors[place]) {
        assert_eq!(vector.len(), dimensions);
        assert!((dot(vector, vector) - 1.0).abs() < 1e-3);
    }
    assert!(
        vectors[3].iter().all(|value| *value == 0.0),
        "an empty text has no direction"
    );
    let (with_end, without) = (dot(&vectors[4], &vectors[0]), dot(&vectors[5], &vectors[0]));
    assert!(
        with_end > without,
        "the end of a long text counts: {with_end} against {without}"
    );
    let again = model
        .embed(&texts, Purpose::Document, &Uncharged)
        .await
        .unwrap();
    assert_eq!(again, embedding, "the same texts give the same vectors");
}

#[tokio::test]
async fn static_vectors_of_like_sentences_are_near() {
    check(EmbedderKind::Static, 256).await;
}

#[tokio::test]
async fn minilm_vectors_of_like_sentences_are_near() {
    check(EmbedderKind::MiniLm, 384).await;
}

#[test]
fn a_missing_model_names_the_file_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let files = ModelFiles {
        dir: dir.path().to_owned(),
    };
    for (kind, file) in [
        (EmbedderKind::Static, "wordllama.safetensors"),
        (EmbedderKind::MiniLm, "minilm-int8.onnx"),
    ] {
        let settings = IndexSettings {
            embedder: kind,
            ..IndexSettings::default()
        };
        let error = embedder(&settings, &files, None).unwrap_err();
        assert_eq!(error.code(), "model_missing");
        assert!(
            error.to_string().contains(file) && error.to_string().contains("run scripts/setup"),
            "{error}"
        );
        assert_eq!(
            error.dependency(),
            Some(pagemill_index::error::Dependency::Embedder)
        );
    }
}

#[test]
fn a_damaged_model_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "wordllama.safetensors",
        "wordllama-tokenizer.json",
        "minilm-int8.onnx",
        "minilm-tokenizer.json",
    ] {
        std::fs::write(dir.path().join(name), b"<html>not found</html>").unwrap();
    }
    for kind in [EmbedderKind::Static, EmbedderKind::MiniLm] {
        let settings = IndexSettings {
            embedder: kind,
            ..IndexSettings::default()
        };
        let error = embedder(
            &settings,
            &ModelFiles {
                dir: dir.path().to_owned(),
            },
            None,
        )
        .unwrap_err();
        assert_eq!(error.code(), "model_invalid", "{error}");
    }
}
