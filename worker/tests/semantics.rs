//! docs/SEMANTICS.md and the tests speak of the same promises.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The tags of the document's promises: what stands in bold at the beginning of a list item.
fn promised(document: &str) -> BTreeSet<String> {
    document
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .map(|(tag, _)| tag.to_owned())
        .filter(|tag| is_tag(tag))
        .collect()
}

/// `LE-4`: capital letters, a hyphen, a number.
fn is_tag(text: &str) -> bool {
    text.split_once('-').is_some_and(|(area, number)| {
        !area.is_empty()
            && area.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.parse::<u32>().is_ok()
    })
}

/// The tag that a test's name begins with: `le_4_a_frozen_worker` carries LE-4. Names that look like none carry none.
fn tag_of(name: &str) -> Option<String> {
    let mut parts = name.splitn(3, '_');
    let (area, number, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let tag = format!("{}-{number}", area.to_ascii_uppercase());
    (!rest.is_empty() && (2..=3).contains(&area.len()) && is_tag(&tag)).then_some(tag)
}

/// The names of a file's test functions: an attribute that ends in `test` (with arguments or without) stands above them.
fn tests_of(source: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if let Some(attribute) = line.strip_prefix("#[") {
            let path = attribute.split(['(', ']']).next().unwrap_or_default();
            is_test |= path == "test" || path.ends_with("::test");
            continue;
        }
        let declared = line
            .strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "));
        if let Some(declared) = declared
            && is_test
        {
            names.extend(declared.split(['(', '<']).next());
        }
        let is_between = line.is_empty() || line.starts_with("//");
        is_test &= is_between;
    }
    names
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_promise_has_a_test_and_every_tagged_test_a_promise() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the worker is a folder of the repository");
    let document =
        fs::read_to_string(repository.join("docs/SEMANTICS.md")).expect("the document is there");
    let promises = promised(&document);
    let mut files = Vec::new();
    for part in ["worker", "bulk-trigger", "crates"] {
        rust_files(&repository.join(part), &mut files);
    }
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files {
        let place = path.strip_prefix(repository).expect("below the repository");
        // This file's own examples are no tests.
        if place == Path::new("worker/tests/semantics.rs") {
            continue;
        }
        let source = fs::read_to_string(&path).expect("Rust source is text");
        for name in tests_of(&source) {
            if let Some(tag) = tag_of(name) {
                let named = format!("{}: {name}", place.display());
                tests.entry(tag).or_default().push(named);
            }
        }
    }
    for tag in &promises {
        println!("{tag}");
        for test in tests.get(tag).into_iter().flatten() {
            println!("    {test}");
        }
    }
    let untested: Vec<&String> = promises
        .iter()
        .filter(|tag| !tests.contains_key(*tag))
        .collect();
    let unknown: Vec<_> = tests
        .iter()
        .filter(|(tag, _)| !promises.contains(*tag))
        .collect();
    assert!(
        untested.is_empty() && unknown.is_empty(),
        "promises without a test: {untested:?}; tests of promises that docs/SEMANTICS.md does not make: {unknown:#?}"
    );
}

#[test]
fn the_check_sees_what_it_should() {
    let document = "- **LE-4** No side effect.\n- **Exactly one call.** None.\nsee **SE-1**\n";
    assert_eq!(promised(document), BTreeSet::from(["LE-4".to_owned()]));
    let source = "
        #[tokio::test(start_paused = true)]
        async fn le_4_first() {}
        fn le_5_helper() {}
        #[test]
        #[cfg(unix)]
        // why
        fn out_1_second() {}
        #[derive(Debug)]
        fn se_1_not_a_test() {}
    ";
    assert_eq!(tests_of(source), ["le_4_first", "out_1_second"]);
    assert_eq!(tag_of("out_1_second").as_deref(), Some("OUT-1"));
    assert_eq!(tag_of("a_2_page_file"), None);
    assert_eq!(tag_of("zz_9_a_new_promise").as_deref(), Some("ZZ-9"));
}
