//! `docs/ovsdb.md` names a test for each feature, and each test that it names is there.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

/// The names in the text of the form `crate/file::test`.
fn names(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|word| {
        let (file, test) = word.split_once("::")?;
        file.contains('/').then_some((file, test))
    })
}

/// Where the tests of `crate/file` may be.
fn places(root: &Path, file: &str) -> [PathBuf; 2] {
    let (name, rest) = file.split_once('/').unwrap();
    let folder = root.join("crates").join(name);
    ["tests", "src"].map(|part| folder.join(part).join(format!("{rest}.rs")))
}

/// Whether a text has a function of this name that is a test.
fn has_test(text: &str, test: &str) -> bool {
    let mark = format!("fn {test}(");
    text.match_indices(&mark).any(|(at, _)| {
        // The attribute stands on the line before; a property has it, too.
        let above = text[..at].trim_end_matches("async ").trim_end();
        let line = above.rsplit('\n').next().unwrap_or_default().trim();
        line.starts_with("#[") && line.ends_with(']')
    })
}

#[test]
fn every_test_of_the_document_exists() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = std::fs::read_to_string(root.join("docs/ovsdb.md")).unwrap();
    let mut count = 0;
    for (file, test) in names(&document) {
        let found = places(&root, file)
            .into_iter()
            .any(|place| std::fs::read_to_string(place).is_ok_and(|text| has_test(&text, test)));
        assert!(
            found,
            "docs/ovsdb.md names {file}::{test}, which is not there"
        );
        count += 1;
    }
    assert!(count > 80, "{count}");
}

#[test]
fn every_feature_has_a_test() {
    let document = include_str!("../../../docs/ovsdb.md");
    let (_, rest) = document.split_once("<!-- features -->").unwrap();
    let (table, _) = rest.split_once("<!-- end of features -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let mut features = 0;
    for row in rows.skip(1).filter(|row| !row.starts_with("| **")) {
        assert!(names(row).count() > 0, "no test: {row}");
        features += 1;
    }
    assert!(features > 40, "{features}");
}
