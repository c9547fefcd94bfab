//! Every crate that we link must be under a licence that Apache-2.0 software may be given on with.

use anyhow::Result;

use crate::metadata::Metadata;

/// Permissive licences, as SPDX names them.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// The crates that are not, a line each.
pub(crate) fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for package in metadata.packages.values() {
        match package.license.as_deref() {
            None => wrong.push(format!(
                "{} {} names no licence",
                package.name, package.version
            )),
            Some(text) if !is_allowed(text) => wrong.push(format!(
                "{} {} is under {text}, which crates/xtask/src/licences.rs does not allow",
                package.name, package.version
            )),
            Some(_) => {}
        }
    }
    Ok(wrong)
}

/// Whether an SPDX expression can be met. `A/B` is the old way to write `A OR B`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let allowed = any(&mut rest);
    allowed && rest.is_empty()
}

fn any(words: &mut &[&str]) -> bool {
    let mut allowed = all(words);
    while eat(words, "OR") {
        // Both sides are read, or the rest of the text would be left over.
        let other = all(words);
        allowed |= other;
    }
    allowed
}

fn all(words: &mut &[&str]) -> bool {
    let mut allowed = one(words);
    while eat(words, "AND") {
        let other = one(words);
        allowed &= other;
    }
    allowed
}

fn one(words: &mut &[&str]) -> bool {
    if eat(words, "(") {
        let allowed = any(words);
        return eat(words, ")") && allowed;
    }
    let Some((name, rest)) = words.split_first() else {
        return false;
    };
    *words = rest;
    if eat(words, "WITH") {
        let Some((exception, rest)) = words.split_first() else {
            return false;
        };
        *words = rest;
        return ALLOWED.contains(&format!("{name} WITH {exception}").as_str());
    }
    ALLOWED.contains(name)
}

fn eat(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == word => {
            *words = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn one_of_a_choice_is_enough() {
        assert!(is_allowed("MIT"));
        assert!(is_allowed("MIT/Apache-2.0"));
        assert!(is_allowed("GPL-2.0 OR MIT"));
        assert!(is_allowed(
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT"
        ));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    }

    #[test]
    fn all_of_a_sum_are_needed() {
        assert!(!is_allowed("GPL-2.0"));
        assert!(!is_allowed("MIT AND GPL-2.0"));
        assert!(!is_allowed("(MIT OR Apache-2.0) AND OpenSSL"));
        assert!(!is_allowed("MIT Apache-2.0"));
        assert!(!is_allowed(""));
    }
}
