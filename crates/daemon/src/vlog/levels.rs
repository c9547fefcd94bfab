//! Levels of modules and destinations, and the text that sets them (`ovs-appctl(8)`, `vlog/set`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How detailed a message is; `Off` is no message's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As a limit: nothing is logged.
    Off,
    /// The process has to end.
    Emer,
    /// A high-level operation failed.
    Err,
    /// A low-level operation failed, others may recover.
    Warn,
    /// Useful in retrospect.
    Info,
    /// Useful only with knowledge of the program.
    Dbg,
}

impl Level {
    const ALL: [Self; 6] = [
        Self::Off,
        Self::Emer,
        Self::Err,
        Self::Warn,
        Self::Info,
        Self::Dbg,
    ];

    /// The name in log lines and specifications.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Emer => "EMER",
            Self::Err => "ERR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Dbg => "DBG",
        }
    }
}

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    Syslog,
    Console,
    File,
}

impl Destination {
    const ALL: [Self; 3] = [Self::Syslog, Self::Console, Self::File];

    fn name(self) -> &'static str {
        match self {
            Self::Syslog => "syslog",
            Self::Console => "console",
            Self::File => "file",
        }
    }
}

/// What is wrong with a specification, in OVS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LevelsError {
    /// Two destinations in one specification.
    #[error("cannot specify multiple destinations")]
    Destinations,
    /// Two levels in one specification.
    #[error("cannot specify multiple levels")]
    Levels,
    /// Two modules in one specification.
    #[error("cannot specify multiple modules")]
    Modules,
    /// A word that can be none of them.
    #[error("no destination, level, or module \"{0}\"")]
    Word(String),
    /// Patterns and facilities are fixed.
    #[error("not supported: {0}")]
    NotSupported(&'static str),
}

/// One change of levels; an absent part means all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    module: Option<String>,
    destination: Option<Destination>,
    level: Level,
}

/// Reads a specification; `None` if it changes nothing.
pub(super) fn parse(spec: &str) -> Result<Option<Change>, LevelsError> {
    let mut words = spec
        .split([' ', ',', ':', '\t'])
        .filter(|word| !word.is_empty())
        .peekable();
    match words
        .peek()
        .map(|word| word.to_ascii_uppercase())
        .as_deref()
    {
        Some("PATTERN") => return Err(LevelsError::NotSupported("vlog pattern")),
        // There is no system log, so its facility makes no difference.
        Some("FACILITY") => return Ok(None),
        _ => {}
    }
    let (mut module, mut destination, mut level) = (None, None, None);
    for word in words {
        if word.eq_ignore_ascii_case("any") {
            continue;
        }
        if let Some(found) = Destination::ALL
            .iter()
            .find(|d| word.eq_ignore_ascii_case(d.name()))
        {
            set_once(&mut destination, *found, LevelsError::Destinations)?;
        } else if let Some(found) = Level::ALL
            .iter()
            .find(|l| word.eq_ignore_ascii_case(l.name()))
        {
            set_once(&mut level, *found, LevelsError::Levels)?;
        } else if is_module(word) {
            set_once(&mut module, word.to_ascii_lowercase(), LevelsError::Modules)?;
        } else {
            return Err(LevelsError::Word(word.to_owned()));
        }
    }
    Ok(Some(Change {
        module,
        destination,
        level: level.unwrap_or(Level::Dbg),
    }))
}

fn set_once<T>(slot: &mut Option<T>, value: T, error: LevelsError) -> Result<(), LevelsError> {
    if slot.replace(value).is_some() {
        Err(error)
    } else {
        Ok(())
    }
}

/// Whether the word could name a module. Modules come into being as they first log, so a
/// well-formed name that is not known yet is taken.
fn is_module(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The three limits of a module, or of all modules that have none of their own.
type Limits = [Level; 3];

/// Levels of every module.
#[derive(Debug)]
pub(super) struct Levels {
    default: Limits,
    modules: BTreeMap<String, Limits>,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            default: [Level::Info; 3],
            modules: BTreeMap::new(),
        }
    }
}

impl Levels {
    /// The limit that holds for the module's messages to the destination.
    pub(super) fn level(&self, module: &str, destination: Destination) -> Level {
        self.modules.get(module).unwrap_or(&self.default)[destination as usize]
    }

    /// Makes the module appear in the table.
    pub(super) fn mention(&mut self, module: &str) {
        if !self.modules.contains_key(module) {
            self.modules.insert(module.to_owned(), self.default);
        }
    }

    pub(super) fn apply(&mut self, change: &Change) {
        if let Some(module) = &change.module {
            self.mention(module);
        }
        let limits: Vec<&mut Limits> = match &change.module {
            Some(module) => self.modules.get_mut(module).into_iter().collect(),
            None => self
                .modules
                .values_mut()
                .chain([&mut self.default])
                .collect(),
        };
        for limit in limits {
            for destination in Destination::ALL {
                if change.destination.is_none_or(|only| only == destination) {
                    limit[destination as usize] = change.level;
                }
            }
        }
    }

    /// As `vlog/list` prints it.
    pub(super) fn table(&self) -> String {
        let mut text = String::from(
            "                 console    syslog    file\n                 -------    ------    ------\n",
        );
        for (module, limits) in &self.modules {
            let name = |destination: Destination| limits[destination as usize].name();
            let _ = writeln!(
                text,
                "{module:<16}  {:>4}       {:>4}       {:>4}",
                name(Destination::Console),
                name(Destination::Syslog),
                name(Destination::File)
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(levels: &mut Levels, spec: &str) {
        levels.apply(&parse(spec).unwrap().unwrap());
    }

    #[test]
    fn parts_in_any_order() {
        let mut levels = Levels::default();
        set(&mut levels, "file:dbg:jsonrpc");
        assert_eq!(levels.level("jsonrpc", Destination::File), Level::Dbg);
        assert_eq!(levels.level("jsonrpc", Destination::Console), Level::Info);
        assert_eq!(levels.level("other", Destination::File), Level::Info);
        set(&mut levels, "console:off");
        assert_eq!(levels.level("jsonrpc", Destination::Console), Level::Off);
        assert_eq!(levels.level("new", Destination::Console), Level::Off);
        set(&mut levels, "ANY,warn");
        assert_eq!(levels.level("jsonrpc", Destination::File), Level::Warn);
        set(&mut levels, "ct_zone");
        assert_eq!(levels.level("ct_zone", Destination::File), Level::Dbg);
    }

    #[test]
    fn errors_are_those_of_ovs() {
        assert_eq!(
            parse("file:console").unwrap_err(),
            LevelsError::Destinations
        );
        assert_eq!(parse("dbg info").unwrap_err(), LevelsError::Levels);
        assert_eq!(parse("a b").unwrap_err(), LevelsError::Modules);
        assert_eq!(
            parse("what!").unwrap_err().to_string(),
            "no destination, level, or module \"what!\""
        );
    }

    #[test]
    fn the_table_lists_mentioned_modules() {
        let mut levels = Levels::default();
        levels.mention("unixctl");
        set(&mut levels, "unixctl:file:dbg");
        let last = levels.table().lines().last().unwrap().to_owned();
        assert_eq!(last, "unixctl           INFO       INFO        DBG");
    }
}
