//! Idempotency keys: a request that was carried out is not carried out again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{REQUESTS, Reason, Refusal};
use crate::store::Write;

/// How many are remembered at most; the oldest go first.
const MOST: usize = 1024;
/// How long they are remembered, in milliseconds: a day.
const AGE: u64 = 24 * 3600 * 1000;

/// The answer to a change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// The number of the outcome.
    pub sequence: u64,
    /// How many flows were added or changed.
    pub added: u32,
    /// How many flows were deleted.
    pub deleted: u32,
    /// Names of interfaces that were not on the bridge.
    pub waiting: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// What stands for the request.
    request: String,
    /// When it was carried out, in milliseconds since 1970.
    time: u64,
    answer: Answer,
}

/// The keys that are remembered.
#[derive(Debug, Default)]
pub struct Keys {
    by_key: BTreeMap<String, Remembered>,
    by_time: BTreeSet<(u64, String)>,
}

impl Keys {
    pub(super) fn load<'a>(
        documents: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, (String, String)> {
        let mut keys = Self::default();
        for (key, document) in documents {
            let remembered: Remembered = serde_json::from_str(document)
                .map_err(|error| (key.to_owned(), error.to_string()))?;
            keys.by_time.insert((remembered.time, key.to_owned()));
            keys.by_key.insert(key.to_owned(), remembered);
        }
        Ok(keys)
    }

    /// The answer to this very request, if it was carried out under this key.
    ///
    /// # Errors
    /// When another request was, or the key is too long.
    pub fn look(&self, key: &str, request: &str) -> Result<Option<Answer>, Refusal> {
        const FIELD: &str = "idempotency_key";
        if key.len() > rpc::LONGEST_KEY {
            let text = format!("has {} bytes, more than {}", key.len(), rpc::LONGEST_KEY);
            return Err(Refusal::field(Reason::Invalid, FIELD, text));
        }
        match self.by_key.get(key) {
            None => Ok(None),
            Some(found) if found.request == request => Ok(Some(found.answer.clone())),
            Some(_) => {
                let text = "was used for another request; choose a new one for each";
                Err(Refusal::field(Reason::Invalid, FIELD, text))
            }
        }
    }

    /// What remembering an answer writes, and what takes that back.
    pub(super) fn writes(&self, key: &str, request: &str, now: u64, answer: &Answer) -> Vec<Write> {
        let remembered = Remembered {
            request: request.to_owned(),
            time: now,
            answer: answer.clone(),
        };
        let document = serde_json::to_string(&remembered).ok();
        let mut writes: Vec<Write> = self.old(now).map(|key| write(key, None)).collect();
        writes.push(write(key, document));
        writes
    }

    /// Remembers an answer.
    pub(super) fn remember(&mut self, key: &str, request: &str, now: u64, answer: Answer) {
        let old: Vec<String> = self.old(now).map(str::to_owned).collect();
        for key in old {
            if let Some(gone) = self.by_key.remove(&key) {
                self.by_time.remove(&(gone.time, key));
            }
        }
        self.by_time.insert((now, key.to_owned()));
        let request = request.to_owned();
        self.by_key.insert(
            key.to_owned(),
            Remembered {
                request,
                time: now,
                answer,
            },
        );
    }

    /// Those that must go before one more comes.
    fn old(&self, now: u64) -> impl Iterator<Item = &str> {
        let surplus = (self.by_key.len() + 1).saturating_sub(MOST);
        let oldest = self.by_time.iter().enumerate();
        oldest
            .take_while(move |(place, (time, _))| *place < surplus || time + AGE < now)
            .map(|(_, (_, key))| key.as_str())
    }
}

pub(super) fn write(key: &str, document: Option<String>) -> Write {
    Write {
        table: REQUESTS,
        key: key.to_owned(),
        document,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(sequence: u64) -> Answer {
        Answer {
            sequence,
            ..Answer::default()
        }
    }

    #[test]
    fn a_key_stands_for_one_request() {
        let mut keys = Keys::default();
        assert_eq!(keys.look("a", "add 1"), Ok(None));
        keys.remember("a", "add 1", 5, answer(9));
        assert_eq!(keys.look("a", "add 1"), Ok(Some(answer(9))));
        let refusal = keys.look("a", "add 2").unwrap_err();
        assert_eq!(refusal.field.as_deref(), Some("idempotency_key"));
        assert!(
            keys.look(&"x".repeat(129), "add 1")
                .unwrap_err()
                .text
                .contains("129")
        );
    }

    #[test]
    fn there_is_a_bound_and_an_age_and_the_store_has_the_same() {
        let mut keys = Keys::default();
        let mut store = BTreeMap::new();
        let mut step = |keys: &mut Keys, number: u64, now: u64| {
            let key = number.to_string();
            for write in keys.writes(&key, "r", now, &answer(number)) {
                match write.document {
                    Some(document) => store.insert(write.key, document),
                    None => store.remove(&write.key),
                };
            }
            keys.remember(&key, "r", now, answer(number));
            assert_eq!(keys.by_key.len(), keys.by_time.len());
            assert!(keys.by_key.keys().eq(store.keys()));
        };
        for number in 0..2000 {
            step(&mut keys, number, number);
        }
        assert_eq!(keys.by_key.len(), MOST);
        assert_eq!(keys.look("0", "r"), Ok(None));
        assert_eq!(keys.look("1999", "r"), Ok(Some(answer(1999))));
        step(&mut keys, 2000, 2 * AGE);
        assert_eq!(keys.by_key.len(), 1);
        let documents: Vec<_> = store
            .iter()
            .map(|(k, d)| (k.as_str(), d.as_str()))
            .collect();
        let loaded = Keys::load(documents.into_iter()).unwrap();
        assert_eq!(loaded.look("2000", "r"), Ok(Some(answer(2000))));
    }
}
