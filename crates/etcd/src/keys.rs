//! Where things are in etcd; the crate's top comment has the table.

/// The keys below a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    pub(crate) fn cluster(&self) -> String {
        format!("{}/cluster", self.prefix)
    }

    pub(crate) fn database(&self, name: &str) -> DatabaseKeys {
        DatabaseKeys {
            prefix: format!("{}/db/{}", self.prefix, escape(name)),
        }
    }

    pub(crate) fn locks(&self) -> String {
        format!("{}/lock/", self.prefix)
    }

    /// What the keys of a lock begin with.
    pub(crate) fn lock(&self, name: &str) -> String {
        format!("{}{}/", self.locks(), escape(name))
    }
}

/// The keys of one database.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseKeys {
    prefix: String,
}

impl DatabaseKeys {
    pub(crate) fn head(&self) -> String {
        format!("{}/head", self.prefix)
    }

    pub(crate) fn hold(&self) -> String {
        format!("{}/turn", self.prefix)
    }

    pub(crate) fn compactor(&self) -> String {
        format!("{}/compactor", self.prefix)
    }

    pub(crate) fn entry(&self, number: u64) -> String {
        format!("{}/log/{number:016x}", self.prefix)
    }

    /// The end of a range of all entries.
    pub(crate) fn entries_end(&self) -> String {
        format!("{}/log0", self.prefix)
    }

    /// The number in the key of an entry.
    pub(crate) fn entry_number(&self, key: &[u8]) -> Option<u64> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?;
        let digits = rest.strip_prefix(b"/log/")?;
        u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    /// What the keys of the parts of a batch begin with.
    pub(crate) fn batch_parts(&self, number: u64) -> String {
        format!("{}/part/{number:016x}/", self.prefix)
    }

    pub(crate) fn writers(&self) -> String {
        format!("{}/writer/", self.prefix)
    }

    pub(crate) fn writer(&self, id: &str) -> String {
        format!("{}{id}", self.writers())
    }

    pub(crate) fn bases(&self) -> String {
        format!("{}/base/", self.prefix)
    }

    /// What the keys of the parts of a base begin with.
    pub(crate) fn base(&self, id: &str) -> String {
        format!("{}{id}/", self.bases())
    }
}

/// A name as one step of a key: what is not a letter, a digit or one of `-_.` is `%` and two hexadecimal digits.
fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_reaches_into_another() {
        let keys = Keys::new("p");
        assert_eq!(keys.lock("a"), "p/lock/a/");
        assert_eq!(keys.lock("a/b %"), "p/lock/a%2fb%20%25/");
    }

    #[test]
    fn entries_are_a_range_beside_the_head() {
        let keys = Keys::new("p").database("D");
        let entry = keys.entry(0x1f);
        assert_eq!(keys.entry_number(entry.as_bytes()), Some(0x1f));
        assert_eq!(keys.entry_number(keys.head().as_bytes()), None);
        assert!(keys.head() < entry && keys.entry(u64::MAX) < keys.entries_end());
        for other in [
            keys.base("x"),
            keys.batch_parts(1),
            keys.compactor(),
            keys.hold(),
            keys.writer("x"),
        ] {
            assert!(
                !(keys.head()..keys.entries_end()).contains(&other),
                "{other}"
            );
        }
    }
}
