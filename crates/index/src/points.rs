//! Points: what is kept in the collections.
//!
//! `pages` and `semantic` keep a flat payload:
//!
//! | field | pages | semantic | meaning |
//! |---|---|---|---|
//! | `source` | ✓ | ✓ | the source key |
//! | `folders` | ✓ | ✓ | every folder above the source, each ending with `/` |
//! | `generation` | ✓ | ✓ | the generation that wrote it |
//! | `sha256` | ✓ | ✓ | content hash of the source |
//! | `language`, `title` | ✓ | ✓ | when known |
//! | `text` | ✓ | ✓ | the page's or the chunk's text |
//! | `page` | ✓ | ✓ | its (first) page, from 1 |
//! | `page_image` | ✓ | ✓ | key of that page's image, when there is one |
//! | `state` | ✓ | | `text`, `ocr`, `needs_ocr` or `blank` |
//! | `n` | | ✓ | number of the chunk in the document, from 0 |
//! | `last_page` | | ✓ | its last page |
//! | `heading_path` | | ✓ | the headings above it |
//! | `spans` | | ✓ | page, byte range in that page's text, and boxes |
//! | `tokens` | | ✓ | its length in tokens |
//!
//! `haystack` keeps what Haystack's `Document.from_dict` reads: `id`, `content`, `blob`, `meta`; all the rest of the
//! above stands in `meta`. Source of the layout: `converters.py` of `integrations/qdrant` in
//! github.com/deepset-ai/haystack-core-integrations (`convert_haystack_documents_to_qdrant_points`, `convert_id`), with
//! `use_sparse_embeddings=True`: named vectors `text-dense` and `text-sparse`, point id = UUIDv5 of the document's id
//! in a namespace of its own, in which Haystack finds, overwrites and deletes them too.
//!
//! A page without text has a point in `pages` but no vector: it can be counted and filtered, and no search by meaning
//! finds it. (A vector of zeros has no cosine.)

use std::collections::BTreeMap;

use pagemill_document::{PageNumber, PageText};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::chunk::Chunk;
use crate::settings::TargetStore;
use crate::sparse::SparseVector;

/// The namespace of our point ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x9d1c_5f5e_2b0a_4c1e_8f57_6a70_c0a9_41d3);

/// The namespace in which Haystack makes point ids from document ids (`converters.py`, `UUID_NAMESPACE`).
const HAYSTACK_NAMESPACE: Uuid = Uuid::from_u128(0x3896_d314_1e95_4a3a_b45a_945f_9f0b_541d);

/// A point to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its id, the same for the same source, generation, number and store.
    pub id: Uuid,
    /// Its dense vector; none for a page without text.
    pub dense: Option<Vec<f32>>,
    /// Its sparse vector; none where sparse vectors are off or there is no term.
    pub sparse: Option<SparseVector>,
    /// Its payload.
    pub payload: Map<String, Value>,
}

/// What all points of a document share.
#[derive(Debug, Clone)]
pub struct DocumentPoints<'a> {
    /// The source key.
    pub source: &'a str,
    /// The generation that is written.
    pub generation: &'a str,
    /// Content hash of the source, hexadecimal.
    pub sha256: &'a str,
    /// Language of the document, when known.
    pub language: Option<&'a str>,
    /// Title of the document, when known.
    pub title: Option<&'a str>,
    /// Keys of the page images.
    pub page_images: &'a BTreeMap<PageNumber, String>,
}

/// The vectors of one point.
pub type Vectors = (Option<Vec<f32>>, Option<SparseVector>);

/// The id of a point: UUIDv5 of the source, the generation, the number and the store.
pub fn point_id(target: TargetStore, source: &str, generation: &str, n: u32) -> Uuid {
    let own = own_id(target, source, generation, n);
    match target {
        TargetStore::Pages | TargetStore::Semantic => own,
        TargetStore::Haystack => Uuid::new_v5(&HAYSTACK_NAMESPACE, own.to_string().as_bytes()),
    }
}

fn own_id(target: TargetStore, source: &str, generation: &str, n: u32) -> Uuid {
    // A zero byte can't stand in a key, so no two lists of parts give the same name.
    let name = format!("{source}\0{generation}\0{n}\0{target}");
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

impl DocumentPoints<'_> {
    /// The point of a page, for `pages`.
    pub fn page(&self, page: &PageText, (dense, sparse): Vectors) -> Point {
        let mut payload = self.shared(page.page);
        payload.insert("text".to_owned(), json!(page.text));
        payload.insert("state".to_owned(), json!(page.state));
        let id = point_id(
            TargetStore::Pages,
            self.source,
            self.generation,
            page.page.0,
        );
        Point {
            id,
            dense,
            sparse,
            payload,
        }
    }

    /// The point of a chunk, for `semantic`.
    pub fn chunk(&self, chunk: &Chunk, (dense, sparse): Vectors) -> Point {
        let mut payload = self.chunk_fields(chunk);
        payload.insert("text".to_owned(), json!(chunk.text));
        let id = point_id(TargetStore::Semantic, self.source, self.generation, chunk.n);
        Point {
            id,
            dense,
            sparse,
            payload,
        }
    }

    /// The point of a chunk, for `haystack`.
    pub fn haystack(&self, chunk: &Chunk, (dense, sparse): Vectors) -> Point {
        let document_id = own_id(TargetStore::Haystack, self.source, self.generation, chunk.n);
        let mut payload = Map::new();
        payload.insert("id".to_owned(), json!(document_id.to_string()));
        payload.insert("content".to_owned(), json!(chunk.text));
        payload.insert("blob".to_owned(), Value::Null);
        payload.insert("meta".to_owned(), Value::Object(self.chunk_fields(chunk)));
        let id = point_id(TargetStore::Haystack, self.source, self.generation, chunk.n);
        Point {
            id,
            dense,
            sparse,
            payload,
        }
    }

    fn chunk_fields(&self, chunk: &Chunk) -> Map<String, Value> {
        let mut fields = self.shared(chunk.first_page);
        fields.insert("n".to_owned(), json!(chunk.n));
        fields.insert("last_page".to_owned(), json!(chunk.last_page));
        fields.insert("heading_path".to_owned(), json!(chunk.heading_path));
        fields.insert("spans".to_owned(), json!(chunk.spans));
        fields.insert("tokens".to_owned(), json!(chunk.tokens));
        fields
    }

    fn shared(&self, page: PageNumber) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("source".to_owned(), json!(self.source));
        fields.insert("folders".to_owned(), json!(folders(self.source)));
        fields.insert("generation".to_owned(), json!(self.generation));
        fields.insert("sha256".to_owned(), json!(self.sha256));
        fields.insert("page".to_owned(), json!(page));
        if let Some(language) = self.language {
            fields.insert("language".to_owned(), json!(language));
        }
        if let Some(title) = self.title {
            fields.insert("title".to_owned(), json!(title));
        }
        if let Some(key) = self.page_images.get(&page) {
            fields.insert("page_image".to_owned(), json!(key));
        }
        fields
    }
}

/// Every folder above a key, outermost first, each ending with `/`.
pub fn folders(source: &str) -> Vec<&str> {
    source
        .match_indices('/')
        .map(|(place, slash)| &source[..place + slash.len()])
        .collect()
}

#[cfg(test)]
mod tests {
    use pagemill_document::Rect;

    use super::*;
    use crate::chunk::ChunkSpan;

    fn chunk() -> Chunk {
        Chunk {
            n: 3,
            text: "Body".to_owned(),
            heading_path: vec!["One".to_owned()],
            first_page: PageNumber(2),
            last_page: PageNumber(2),
            spans: vec![ChunkSpan {
                page: PageNumber(2),
                start: 5,
                end: 9,
                boxes: vec![Rect::default()],
            }],
            tokens: 1,
        }
    }

    fn document(images: &BTreeMap<PageNumber, String>) -> DocumentPoints<'_> {
        DocumentPoints {
            source: "source-pdfs/a/b.pdf",
            generation: "g1",
            sha256: "00",
            language: Some("en"),
            title: None,
            page_images: images,
        }
    }

    #[test]
    fn ids_differ_by_each_part_and_repeat_for_the_same_ones() {
        let id = point_id(TargetStore::Semantic, "a.pdf", "g", 1);
        assert_eq!(id, point_id(TargetStore::Semantic, "a.pdf", "g", 1));
        assert_ne!(id, point_id(TargetStore::Semantic, "b.pdf", "g", 1));
        assert_ne!(id, point_id(TargetStore::Semantic, "a.pdf", "h", 1));
        assert_ne!(id, point_id(TargetStore::Semantic, "a.pdf", "g", 2));
        assert_ne!(id, point_id(TargetStore::Haystack, "a.pdf", "g", 1));
        assert_eq!(id.get_version_num(), 5);
    }

    #[test]
    fn haystack_finds_its_point_by_its_document_id() {
        let images = BTreeMap::from([(PageNumber(2), "images/2.png".to_owned())]);
        let point = document(&images).haystack(&chunk(), (None, None));
        let mut fields: Vec<&str> = point.payload.keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["blob", "content", "id", "meta"]);
        let document_id = point.payload["id"].as_str().unwrap();
        assert_eq!(
            point.id,
            Uuid::new_v5(&HAYSTACK_NAMESPACE, document_id.as_bytes())
        );
        assert_eq!(point.payload["content"], "Body");
        assert_eq!(point.payload["meta"]["source"], "source-pdfs/a/b.pdf");
        assert_eq!(point.payload["meta"]["page_image"], "images/2.png");
        assert!(point.payload["meta"].get("text").is_none());
    }

    #[test]
    fn a_chunk_says_where_it_stands() {
        let images = BTreeMap::new();
        let point = document(&images).chunk(&chunk(), (None, None));
        assert_eq!(
            point.payload["folders"],
            json!(["source-pdfs/", "source-pdfs/a/"])
        );
        assert_eq!(point.payload["spans"][0]["start"], 5);
        assert_eq!(point.payload["heading_path"], json!(["One"]));
        assert!(point.payload.get("title").is_none());
    }
}
