//! The head of a log: one small JSON value, put by every change.
//!
//! Invariant: of the entries `first..next` each is there, and those before `first` are in the base.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The form of keys and values that this version writes and reads.
pub const FORM: u32 = 1;

/// What the key `cluster` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterKey {
    /// See [`FORM`].
    pub form: u32,
    /// The id of the cluster.
    pub id: String,
}

/// What the key `db/NAME/head` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// See [`FORM`].
    pub form: u32,
    /// How often everything was replaced, as when the schema changes.
    pub generation: u64,
    /// The number of the first entry behind the base.
    pub first: u64,
    /// The number that the next entry will have.
    pub next: u64,
    /// How many records there have been; it only grows.
    pub index: u64,
    /// How many bytes of records stand behind the base.
    pub bytes: u64,
    /// What the entries stand on.
    pub base: Base,
    /// The id of what changed the head last.
    pub batch: String,
}

/// A snapshot: a schema and the content of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its name in the keys of its parts.
    pub id: String,
    /// How many bases there were before it.
    pub number: u64,
    /// How many parts there are.
    pub parts: u64,
    /// How many bytes all parts have.
    pub bytes: u64,
    /// How many records it stands for.
    pub index: u64,
}

impl Head {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and text are JSON")
    }

    /// Reads what the key holds.
    pub(crate) fn from_bytes(key: &str, bytes: &[u8]) -> Result<Self, Error> {
        let head: Self = from_json(key, bytes)?;
        let sound = head.first <= head.next && head.base.parts > 0 && head.base.index <= head.index;
        if !sound {
            return Err(Error::Corrupt {
                key: key.to_owned(),
                reason: "its numbers contradict each other".into(),
            });
        }
        Ok(head)
    }
}

/// Reads JSON that says its form.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(
    key: &str,
    bytes: &[u8],
) -> Result<T, Error> {
    let corrupt = |error: serde_json::Error| Error::Corrupt {
        key: key.to_owned(),
        reason: format!("is not what Heddle writes there ({error})"),
    };
    let json: serde_json::Value = serde_json::from_slice(bytes).map_err(corrupt)?;
    match json["form"].as_u64() {
        Some(form) if form != u64::from(FORM) => Err(Error::Form {
            key: key.to_owned(),
            found: u32::try_from(form).unwrap_or(u32::MAX),
            known: FORM,
        }),
        _ => serde_json::from_value(json).map_err(corrupt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_head_says_so() {
        let head = Head {
            form: FORM,
            generation: 1,
            first: 2,
            next: 3,
            index: 9,
            bytes: 10,
            base: Base {
                id: "b".into(),
                number: 0,
                parts: 1,
                bytes: 5,
                index: 8,
            },
            batch: "w-1".into(),
        };
        assert_eq!(Head::from_bytes("k", &head.to_bytes()).unwrap(), head);
        let error = |bytes: &[u8]| Head::from_bytes("k", bytes).unwrap_err().to_string();
        assert!(error(b"hello").contains("etcd key k: is not what"));
        assert!(error(b"{\"form\":7}").contains("form 7"));
        let wrong = Head { first: 4, ..head };
        assert!(error(&wrong.to_bytes()).contains("contradict"));
    }
}
