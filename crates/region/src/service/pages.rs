//! Lists, a page at a time. A page begins behind the last key of the one before, so what comes or goes between two pages
//! moves nothing else.

use std::fmt::Display;
use std::str::FromStr;

use tonic::Status;

use super::asked::bad;

/// How many there are on a page: if nothing is said, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked<K> {
    size: usize,
    after: Option<K>,
}

impl<K: Ord + Clone + Display + FromStr> Asked<K> {
    /// The page of this size behind this token.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for what is no token.
    pub(super) fn read(size: u32, token: &str) -> Result<Self, Status> {
        let size = match usize::try_from(size).unwrap_or(PAGE.1) {
            0 => PAGE.0,
            size => size.min(PAGE.1),
        };
        let after = match token {
            "" => None,
            token => {
                let key = token.parse();
                Some(key.map_err(|_| bad("page_token", "is not what a page before said"))?)
            }
        };
        Ok(Self { size, after })
    }

    /// The page in the order of the keys, and the token of the next one.
    pub(super) fn of<T>(&self, rows: impl Iterator<Item = (K, T)>) -> (Vec<T>, String) {
        let after = self.after.as_ref();
        let mut rows: Vec<(K, T)> = rows
            .filter(|(key, _)| after.is_none_or(|after| key > after))
            .collect();
        let more = rows.len() > self.size;
        if more {
            rows.select_nth_unstable_by(self.size, |a, b| a.0.cmp(&b.0));
            rows.truncate(self.size);
        }
        rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let last = rows.last().filter(|_| more);
        let next = last.map(|(key, _)| key.to_string()).unwrap_or_default();
        (rows.into_iter().map(|(_, row)| row).collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_everything_once_and_in_order() {
        let rows = [5, 3, 9, 1, 7];
        let (mut token, mut seen) = (String::new(), Vec::new());
        for size in [2, 2, 1] {
            let asked: Asked<i64> = Asked::read(2, &token).unwrap();
            let (page, next) = asked.of(rows.iter().map(|row| (*row, *row)));
            assert_eq!(page.len(), size);
            seen.extend(page);
            token = next;
        }
        assert_eq!(
            (seen.as_slice(), token.as_str()),
            (&[1, 3, 5, 7, 9][..], "")
        );
    }

    #[test]
    fn sizes_have_a_bound_and_tokens_are_checked() {
        let all = || (0..2000i64).map(|row| (row, row));
        let of = |size| Asked::<i64>::read(size, "").unwrap().of(all());
        assert_eq!(of(0).0.len(), 100);
        assert_eq!(of(u32::MAX).0.len(), 1000);
        let status = Asked::<i64>::read(0, "x").unwrap_err();
        assert_eq!(hvd::door::field(&status), Some("page_token"));
    }
}
