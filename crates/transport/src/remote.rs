//! The text form of addresses (`ovsdb(7)`, "Connection Methods").

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The port of OVSDB (IANA), used where an address names none.
pub const OVSDB_PORT: u16 = 6640;

/// An address to connect to or to listen at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Remote {
    /// `unix:FILE`
    Unix(PathBuf),
    /// `tcp:HOST[:PORT]`; an IPv6 address stands in brackets.
    Tcp(String, u16),
    /// `ssl:HOST[:PORT]`
    Ssl(String, u16),
    /// `punix:FILE`
    PassiveUnix(PathBuf),
    /// `ptcp:[PORT][:HOST]`; port 0 lets the kernel choose.
    PassiveTcp(String, u16),
    /// `pssl:[PORT][:HOST]`
    PassiveSsl(String, u16),
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// No method before a colon, or one that is not known.
    #[error("{0}: unknown connection method; use unix:, tcp:, ssl:, punix:, ptcp: or pssl:")]
    Method(String),
    /// Nothing behind the method.
    #[error("{0}: the address is missing")]
    Missing(String),
    /// Not a port number.
    #[error("{0}: bad port; use 0 to 65535")]
    Port(String),
    /// An IPv6 address without its closing bracket.
    #[error("{0}: bad host; an IPv6 address stands in brackets, as in [::1]")]
    Host(String),
}

impl Remote {
    /// Reads one address or several with commas between them.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, RemoteError> {
        text.split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
            .map(str::parse)
            .collect()
    }

    /// The same with a relative file name taken within `dir`, as OVS takes it within its run folder.
    #[must_use]
    pub fn within(self, dir: &Path) -> Self {
        match self {
            Self::Unix(path) => Self::Unix(dir.join(path)),
            Self::PassiveUnix(path) => Self::PassiveUnix(dir.join(path)),
            other => other,
        }
    }

    /// Whether the address is one to listen at.
    #[must_use]
    pub fn is_passive(&self) -> bool {
        matches!(
            self,
            Self::PassiveUnix(_) | Self::PassiveTcp(..) | Self::PassiveSsl(..)
        )
    }
}

impl FromStr for Remote {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        let (method, rest) = text
            .split_once(':')
            .ok_or_else(|| RemoteError::Method(text.to_owned()))?;
        match method {
            "unix" | "punix" if rest.is_empty() => Err(RemoteError::Missing(text.to_owned())),
            "unix" => Ok(Self::Unix(rest.into())),
            "punix" => Ok(Self::PassiveUnix(rest.into())),
            "tcp" => active(text, rest).map(|(host, port)| Self::Tcp(host, port)),
            "ssl" => active(text, rest).map(|(host, port)| Self::Ssl(host, port)),
            "ptcp" => passive(text, rest).map(|(host, port)| Self::PassiveTcp(host, port)),
            "pssl" => passive(text, rest).map(|(host, port)| Self::PassiveSsl(host, port)),
            _ => Err(RemoteError::Method(text.to_owned())),
        }
    }
}

/// `HOST[:PORT]`
fn active(text: &str, rest: &str) -> Result<(String, u16), RemoteError> {
    let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
        let (host, port) = inner
            .split_once(']')
            .ok_or_else(|| RemoteError::Host(text.to_owned()))?;
        (host, port.strip_prefix(':').unwrap_or(port))
    } else {
        rest.split_once(':').unwrap_or((rest, ""))
    };
    if host.is_empty() {
        return Err(RemoteError::Missing(text.to_owned()));
    }
    Ok((host.to_owned(), number(text, port)?))
}

/// `[PORT][:HOST]`
fn passive(text: &str, rest: &str) -> Result<(String, u16), RemoteError> {
    let (port, host) = rest.split_once(':').unwrap_or((rest, ""));
    let host = match host.strip_prefix('[') {
        Some(inner) => inner
            .strip_suffix(']')
            .ok_or_else(|| RemoteError::Host(text.to_owned()))?,
        None => host,
    };
    Ok((host.to_owned(), number(text, port)?))
}

fn number(text: &str, port: &str) -> Result<u16, RemoteError> {
    if port.is_empty() {
        return Ok(OVSDB_PORT);
    }
    port.parse().map_err(|_| RemoteError::Port(text.to_owned()))
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = |host: &str| {
            if host.contains(':') {
                format!("[{host}]")
            } else {
                host.to_owned()
            }
        };
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::PassiveUnix(path) => write!(f, "punix:{}", path.display()),
            Self::Tcp(host, port) => write!(f, "tcp:{}:{port}", bracketed(host)),
            Self::Ssl(host, port) => write!(f, "ssl:{}:{port}", bracketed(host)),
            Self::PassiveTcp(host, port) | Self::PassiveSsl(host, port) => {
                let tls = matches!(self, Self::PassiveSsl(..));
                write!(f, "{}:{port}", if tls { "pssl" } else { "ptcp" })?;
                if host.is_empty() {
                    Ok(())
                } else {
                    write!(f, ":{}", bracketed(host))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        for (text, printed) in [
            ("unix:/a/b.sock", "unix:/a/b.sock"),
            ("punix:db.sock", "punix:db.sock"),
            ("tcp:10.0.0.1", "tcp:10.0.0.1:6640"),
            ("tcp:10.0.0.1:6642", "tcp:10.0.0.1:6642"),
            ("tcp:[fe80::1]:6642", "tcp:[fe80::1]:6642"),
            ("tcp:[::1]", "tcp:[::1]:6640"),
            ("ssl:ovn.example:1", "ssl:ovn.example:1"),
            ("ptcp:", "ptcp:6640"),
            ("ptcp:0:127.0.0.1", "ptcp:0:127.0.0.1"),
            ("ptcp:6641:[::]", "ptcp:6641:[::]"),
            ("pssl:6641", "pssl:6641"),
        ] {
            let remote: Remote = text.parse().unwrap();
            assert_eq!(remote.to_string(), printed);
            assert_eq!(printed.parse::<Remote>().unwrap(), remote);
        }
    }

    #[test]
    fn errors_name_the_text() {
        for text in [
            "db.sock",
            "http:x",
            "unix:",
            "tcp:",
            "tcp:1.2.3.4:99999",
            "tcp:[::1",
            "ptcp:x",
        ] {
            let error = text.parse::<Remote>().unwrap_err();
            assert!(error.to_string().starts_with(text), "{error}");
        }
    }

    #[test]
    fn relative_names_are_within_the_run_folder() {
        let within = |text: &str| {
            text.parse::<Remote>()
                .unwrap()
                .within(Path::new("/run"))
                .to_string()
        };
        assert_eq!(within("punix:db.sock"), "punix:/run/db.sock");
        assert_eq!(within("unix:/x/db.sock"), "unix:/x/db.sock");
        assert_eq!(within("tcp:1.2.3.4:5"), "tcp:1.2.3.4:5");
    }

    #[test]
    fn lists() {
        let list = Remote::parse_list("tcp:1.1.1.1:1, unix:/x,").unwrap();
        assert_eq!(
            list,
            [Remote::Tcp("1.1.1.1".into(), 1), Remote::Unix("/x".into())]
        );
    }
}
