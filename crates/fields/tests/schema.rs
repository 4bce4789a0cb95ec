//! The published schema.

#[test]
fn the_schema_in_the_documents_is_current() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fields.schema.json");
    let schema = pagemill_fields::schema();
    let current = serde_json::to_string_pretty(&schema).expect("the schema serialises") + "\n";
    if std::env::var_os("PAGEMILL_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &current).expect("the schema can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        written, current,
        "run this test with PAGEMILL_UPDATE_DOCS=1 and commit docs/fields.schema.json"
    );
}
