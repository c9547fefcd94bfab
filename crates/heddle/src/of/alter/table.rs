//! `mod-table`.

use anyhow::{Context, bail};
use openflow::message::multipart::TableFeatures;
use openflow::message::{TableConfig, TableMod};
use openflow::{Message, Version};

use super::super::look::{table_descs, table_features};
use super::Switch;

/// What to set.
enum Setting<'a> {
    /// Whether flows make place for others when the table is full.
    Eviction(bool),
    /// Below and above how many percent that are free it is told.
    Vacancy(Option<(u8, u8)>),
    Name(&'a str),
}

impl<'a> Setting<'a> {
    fn read(text: &'a str) -> anyhow::Result<Self> {
        Ok(match text.split_once(':') {
            None if text == "evict" => Self::Eviction(true),
            None if text == "noevict" => Self::Eviction(false),
            None if text == "novacancy" => Self::Vacancy(None),
            Some(("vacancy", range)) => {
                let range = percents(range);
                let range = range.with_context(|| {
                    format!("{text}: use vacancy:LOW,HIGH, in percent, such as vacancy:20,80")
                })?;
                Self::Vacancy(Some(range))
            }
            Some(("name", name)) => Self::Name(name),
            _ if matches!(text, "drop" | "continue" | "controller") => bail!(
                "not supported: {text}, which OpenFlow 1.1 and 1.2 alone have; add a flow of priority 0 that does it"
            ),
            _ => bail!(
                "{text}: no such setting; use evict, noevict, vacancy:LOW,HIGH, novacancy or name:NAME"
            ),
        })
    }

    /// The configuration that a table gets in place of `now`. What is not spoken of stays as it is.
    ///
    /// By what flows are chosen that make place is not said: Open vSwitch (3.1 to 3.6) takes the property for the
    /// setting itself, and leaves everything as it is.
    fn apply(&self, now: &TableConfig) -> TableConfig {
        let mut out = TableConfig {
            eviction: None,
            // How full it is now is the switch's to say.
            vacancy: now.vacancy.map(|(low, high, _)| (low, high, 0)),
            ..now.clone()
        };
        let bit = match self {
            Self::Eviction(on) => (TableConfig::EVICTION, *on),
            Self::Vacancy(range) => {
                out.vacancy = range.map(|(low, high)| (low, high, 0));
                (TableConfig::VACANCY_EVENTS, range.is_some())
            }
            Self::Name(_) => (0, false),
        };
        match bit {
            (bit, true) => out.config |= bit,
            (bit, false) => out.config &= !bit,
        }
        if out.config & TableConfig::VACANCY_EVENTS == 0 {
            out.vacancy = None;
        }
        out
    }

    /// Whether a table is set so.
    fn is_done(&self, table: &TableConfig) -> bool {
        match self {
            Self::Eviction(on) => (table.config & TableConfig::EVICTION != 0) == *on,
            Self::Vacancy(None) => table.config & TableConfig::VACANCY_EVENTS == 0,
            Self::Vacancy(Some(range)) => {
                table.vacancy.map(|(low, high, _)| (low, high)) == Some(*range)
            }
            Self::Name(_) => true,
        }
    }
}

fn percents(range: &str) -> Option<(u8, u8)> {
    let (low, high) = range.split_once(',')?;
    let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    (low <= high && high <= 100).then_some((low, high))
}

pub(super) async fn change(switch: &Switch, table: &str, setting: &str) -> anyhow::Result<()> {
    let wanted = Setting::read(setting)?;
    let number = number(switch, table).await?;
    if let Setting::Name(name) = wanted {
        return rename(switch, number, name).await;
    }
    let chosen = |known: u8| number.is_none_or(|number| number == known);
    let mut tables = table_descs(switch).await?;
    tables.retain(|known| chosen(known.table));
    if tables.is_empty() {
        bail!("{}: no table {table}", switch.name);
    }
    for known in tables {
        let message = TableMod {
            table: known.table,
            config: wanted.apply(&known.config),
        };
        let what = format!("{setting} of table {}", known.table);
        switch.tell(Message::TableMod(message), &what).await?;
    }
    let after = table_descs(switch).await?;
    let left = after
        .iter()
        .find(|known| chosen(known.table) && !wanted.is_done(&known.config));
    match left {
        Some(left) => bail!(
            "{}: table {} is not set to {setting}; the switch ignored it",
            switch.name,
            left.table
        ),
        None => Ok(()),
    }
}

/// The number of a table that is given by its number or its name; none for all of them.
async fn number(switch: &Switch, table: &str) -> anyhow::Result<Option<u8>> {
    if table == "all" {
        return Ok(None);
    }
    if let Ok(number) = table.parse() {
        return Ok(Some(number));
    }
    let tables = table_features(switch, Vec::new()).await?;
    let found = tables.iter().find(|known| known.name == table);
    let found = found.with_context(|| {
        format!(
            "{}: no table {table}; use its number, its name or all",
            switch.name
        )
    })?;
    Ok(Some(found.table))
}

async fn rename(switch: &Switch, table: Option<u8>, name: &str) -> anyhow::Result<()> {
    let Some(table) = table else {
        bail!("name:{name}: one table has a name; say which");
    };
    if switch.version != Version::V15 {
        bail!(
            "{}: {} cannot change the name of one table: use -O {}",
            switch.name,
            switch.version,
            Version::V15
        );
    }
    if name.len() > TableFeatures::LONGEST_NAME {
        bail!(
            "name:{name}: a name has at most {} bytes",
            TableFeatures::LONGEST_NAME
        );
    }
    let mut known = table_features(switch, Vec::new()).await?;
    known.retain(|known| known.table == table);
    let Some(known) = known.pop() else {
        bail!("{}: no table {table}", switch.name);
    };
    // Without properties these stay as they are.
    let changed = TableFeatures {
        command: TableFeatures::MODIFY,
        name: name.to_owned(),
        properties: Vec::new(),
        ..known
    };
    let after = table_features(switch, vec![changed]).await?;
    match after.iter().find(|known| known.table == table) {
        Some(known) if known.name == name => Ok(()),
        _ => bail!(
            "{}: table {table} has another name still; perhaps the database names it (Flow_Table)",
            switch.name
        ),
    }
}
