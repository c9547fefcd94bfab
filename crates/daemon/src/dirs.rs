//! Where daemons keep their files: the run, log and database folders of OVN and of Open vSwitch.
//!
//! Each comes from its environment variable, else it is the folder of Debian's packages.

use std::path::{Path, PathBuf};

/// Whose folders: OVN's daemons and Open vSwitch's use different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `OVN_RUNDIR` and so on; `/var/run/ovn`.
    Ovn,
    /// `OVS_RUNDIR` and so on; `/var/run/openvswitch`.
    OpenvSwitch,
}

/// The three folders of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// Pidfiles and sockets.
    pub run: PathBuf,
    /// Log files.
    pub log: PathBuf,
    /// Database files.
    pub db: PathBuf,
}

impl Dirs {
    /// The folders that this process's environment names.
    #[must_use]
    pub fn from_env(family: Family) -> Self {
        Self::from_lookup(family, |name| std::env::var_os(name).map(PathBuf::from))
    }

    /// As [`Dirs::from_env`], from any source of variables.
    #[must_use]
    pub fn from_lookup(family: Family, lookup: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let (prefix, name) = match family {
            Family::Ovn => ("OVN", "ovn"),
            Family::OpenvSwitch => ("OVS", "openvswitch"),
        };
        let dir = |variable: &str, parent: &str| {
            lookup(&format!("{prefix}_{variable}"))
                .filter(|path| !path.as_os_str().is_empty())
                .unwrap_or_else(|| Path::new(parent).join(name))
        };
        Self {
            run: dir("RUNDIR", "/var/run"),
            log: dir("LOGDIR", "/var/log"),
            db: dir("DBDIR", "/var/lib"),
        }
    }

    /// The pidfile that `--pidfile[=name]` means; an empty name is the default.
    #[must_use]
    pub fn pidfile(&self, program: &str, name: &str) -> PathBuf {
        if name.is_empty() {
            self.run.join(format!("{program}.pid"))
        } else {
            self.run.join(name)
        }
    }

    /// The log file that `--log-file[=name]` means; an empty name is the default. A name that is
    /// given is used exactly as it is.
    #[must_use]
    pub fn log_file(&self, program: &str, name: &str) -> PathBuf {
        if name.is_empty() {
            self.log.join(format!("{program}.log"))
        } else {
            PathBuf::from(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_win_over_defaults() {
        let dirs = Dirs::from_lookup(Family::Ovn, |name| {
            (name == "OVN_RUNDIR").then(|| PathBuf::from("/tmp/x"))
        });
        assert_eq!(dirs.run, Path::new("/tmp/x"));
        assert_eq!(dirs.log, Path::new("/var/log/ovn"));
        let dirs = Dirs::from_lookup(Family::OpenvSwitch, |_| Some(PathBuf::new()));
        assert_eq!(dirs.db, Path::new("/var/lib/openvswitch"));
    }

    #[test]
    fn names_are_relative_to_their_folder() {
        let dirs = Dirs::from_lookup(Family::Ovn, |_| None);
        assert_eq!(dirs.pidfile("p", ""), Path::new("/var/run/ovn/p.pid"));
        assert_eq!(dirs.pidfile("p", "/a/b.pid"), Path::new("/a/b.pid"));
        assert_eq!(dirs.log_file("p", ""), Path::new("/var/log/ovn/p.log"));
        assert_eq!(dirs.log_file("p", "x.log"), Path::new("x.log"));
    }
}
