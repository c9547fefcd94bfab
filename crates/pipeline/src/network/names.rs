//! Names that chassis answer questions for, from the table `DNS`.

use std::net::IpAddr;

use model::Uuid;
use ovsdb::Str;
use rustc_hash::FxHashMap;

use super::{DatapathId, Network, Rows};

/// Types of questions (RFC 1035, section 3.2.2, and RFC 3596).
mod kind {
    pub(super) const A: u16 = 1;
    pub(super) const PTR: u16 = 12;
    pub(super) const AAAA: u16 = 28;
    pub(super) const ANY: u16 = 255;
}

/// What is answered on a datapath.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// By name, in small letters: the answer as the database has it, and whether nobody else is to be asked.
    records: FxHashMap<String, (Str, bool)>,
}

/// What becomes of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NameAnswer {
    /// It goes on to whom it was sent.
    None,
    /// It is answered with these.
    Records(Vec<String>),
    /// It is refused: the name is known, but not of this type, and nobody else is to be asked.
    Refused,
}

impl Names {
    /// Looks up a question of a type.
    pub(crate) fn answer(&self, name: &str, question: u16) -> NameAnswer {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let Some((record, is_owned)) = self.records.get(&name) else {
            return NameAnswer::None;
        };
        let addresses = || {
            record
                .split([' ', ','])
                .filter_map(|it| it.parse::<IpAddr>().ok())
        };
        let of_type = |it: &IpAddr| match question {
            kind::A => it.is_ipv4(),
            kind::AAAA => it.is_ipv6(),
            _ => question == kind::ANY,
        };
        let found: Vec<String> = match question {
            kind::PTR => vec![record.to_string()],
            _ => addresses()
                .filter(of_type)
                .map(|it| it.to_string())
                .collect(),
        };
        let refusable = *is_owned && matches!(question, kind::A | kind::AAAA);
        match (found.is_empty(), refusable && addresses().next().is_some()) {
            (false, _) => NameAnswer::Records(found),
            (true, true) => NameAnswer::Refused,
            (true, false) => NameAnswer::None,
        }
    }
}

impl Network {
    pub(super) fn add_names(&mut self, rows: &Rows, by_uuid: &FxHashMap<Uuid, DatapathId>) {
        for (_, row) in &rows.dns {
            let is_owned = row.options.get("ovn-owned").is_some_and(|it| it == "true");
            for datapath in row
                .datapaths
                .iter()
                .filter_map(|it| by_uuid.get(&it.uuid()))
            {
                let names = &mut self.datapaths[datapath.0 as usize].names;
                for (name, record) in row.records.iter() {
                    let record = (record.clone(), is_owned);
                    names.records.insert(name.to_ascii_lowercase(), record);
                }
            }
        }
    }
}
