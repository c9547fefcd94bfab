//! How to reach etcd.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};

use crate::Error;

/// How to reach etcd, and what to use there.
#[derive(Debug, Clone)]
pub struct Options {
    /// `http://HOST:PORT` or `https://HOST:PORT`, or without a scheme, which is then `https` with `tls`.
    pub endpoints: Vec<String>,
    /// What all keys begin with. Letters, digits and `-_./`.
    pub prefix: String,
    /// With what to speak TLS.
    pub tls: Option<TlsFiles>,
    /// As whom to log in, if etcd wants that.
    pub user: Option<User>,
    /// For how long to try at the start.
    pub patience: Duration,
    /// Whether to have etcd forget old revisions of its keys when a log was truncated. Without that, something
    /// else must (`--auto-compaction-retention` of etcd).
    pub compact_history: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            prefix: "heddle".into(),
            tls: None,
            user: None,
            patience: Duration::from_secs(10),
            compact_history: true,
        }
    }
}

/// Somebody whom etcd knows.
#[derive(Debug, Clone)]
pub struct User {
    /// The name.
    pub name: String,
    /// The file whose first line is the password. It is read when it is needed, and kept nowhere.
    pub password_file: PathBuf,
}

/// Files in PEM.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Certificates of those who may sign the members' certificates.
    pub ca: Option<PathBuf>,
    /// Our certificate, if etcd wants one.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// An HTTP/2 ping is sent this often,
const PING: Duration = Duration::from_secs(1);
/// and the connection is given up when it is not answered for this long.
const PONG: Duration = Duration::from_secs(1);

impl Options {
    /// The endpoints, each with its scheme.
    pub(crate) fn urls(&self) -> Result<Vec<String>, Error> {
        let bad = |reason| Error::Option {
            option: "etcd endpoints",
            reason,
        };
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let urls: Vec<String> = self
            .endpoints
            .iter()
            .map(|given| {
                let url = match given.split_once("://") {
                    None => format!("{scheme}://{given}"),
                    Some((theirs, _)) if theirs == scheme => given.clone(),
                    Some(("http", _)) => {
                        return Err(bad(format!(
                            "{given} is not encrypted although files for TLS are given; write https:// or leave \
                             the files out"
                        )));
                    }
                    Some(("https", _)) => {
                        return Err(bad(format!(
                            "{given} needs TLS; give the file of the certificate authority"
                        )));
                    }
                    Some((other, _)) => {
                        return Err(bad(format!(
                            "{given}: {other} is not supported; use http:// or https://"
                        )));
                    }
                };
                let host = url.split_once("://").map_or("", |(_, rest)| rest);
                let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
                match port {
                    Some(1..=u16::MAX) => Ok(url),
                    _ => Err(bad(format!(
                        "{given} has no port; write for example http://127.0.0.1:2379"
                    ))),
                }
            })
            .collect::<Result<_, _>>()?;
        if urls.is_empty() {
            return Err(bad("none is given; write for example 127.0.0.1:2379".into()));
        }
        Ok(urls)
    }

    /// The prefix, without slashes around it.
    pub(crate) fn checked_prefix(&self) -> Result<&str, Error> {
        let prefix = self.prefix.trim_matches('/');
        let good = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if prefix.is_empty() || prefix.len() > 200 || !prefix.chars().all(good) {
            return Err(Error::Option {
                option: "etcd prefix",
                reason: format!(
                    "\"{}\" is not one; use 1 to 200 letters, digits and -_./",
                    self.prefix.escape_debug()
                ),
            });
        }
        Ok(prefix)
    }

    /// With what members are convinced.
    pub(crate) fn access(&self) -> Access {
        Access {
            tls: self.tls.clone(),
            user: self.user.clone(),
        }
    }
}

/// With what members are convinced: files, which can change while the process runs.
#[derive(Debug)]
pub(crate) struct Access {
    tls: Option<TlsFiles>,
    user: Option<User>,
}

/// When the files were changed last, and how long they are: other ones have another stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<Option<(SystemTime, u64)>>);

impl Access {
    /// The stamp of the files as they are now.
    pub(crate) fn stamp(&self) -> Stamp {
        let tls = self.tls.iter().flat_map(|it| [&it.ca, &it.cert, &it.key]);
        let password = self.user.iter().map(|user| &user.password_file);
        let stamp = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Stamp(tls.flatten().chain(password).map(stamp).collect())
    }

    /// How to connect with what the files hold now.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(crate) fn connect_options(&self) -> Result<ConnectOptions, Error> {
        let mut options = ConnectOptions::new()
            .with_keep_alive(PING, PONG)
            .with_keep_alive_while_idle(true)
            .with_connect_timeout(Duration::from_secs(2))
            .with_require_leader(true);
        if let Some(user) = &self.user {
            options = options
                .with_user(&user.name, user.password()?)
                .with_auto_token_refresh(true);
        }
        if let Some(files) = &self.tls {
            options = options.with_tls(files.load()?);
        }
        Ok(options)
    }
}

impl User {
    fn password(&self) -> Result<String, Error> {
        let bad = |reason: String| Error::Option {
            option: "etcd password file",
            reason: format!("{} {reason}", self.password_file.display()),
        };
        let text = std::fs::read_to_string(&self.password_file)
            .map_err(|error| bad(format!("cannot be read: {error}")))?;
        match text.lines().next() {
            Some(password) if !password.is_empty() => Ok(password.to_owned()),
            _ => Err(bad("has no password in its first line".into())),
        }
    }
}

impl TlsFiles {
    fn load(&self) -> Result<TlsOptions, Error> {
        let mut tls = TlsOptions::new();
        if let Some(ca) = &self.ca {
            tls = tls.ca_certificate(Certificate::from_pem(read(ca)?));
        }
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                Ok(tls.identity(Identity::from_pem(read(cert)?, read(key)?)))
            }
            (None, None) => Ok(tls),
            _ => Err(Error::Option {
                option: "etcd certificate and key",
                reason: "only one of them is given; give both or none".into(),
            }),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::Option {
        option: "etcd TLS file",
        reason: format!("cannot read {}: {error}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(endpoints: &[&str], tls: bool) -> Result<Vec<String>, String> {
        let options = Options {
            endpoints: endpoints.iter().map(|&text| text.into()).collect(),
            tls: tls.then(TlsFiles::default),
            ..Options::default()
        };
        options.urls().map_err(|error| error.to_string())
    }

    #[test]
    fn endpoints_are_checked() {
        assert_eq!(
            urls(&["a:1", "http://b:2"], false).unwrap(),
            ["http://a:1", "http://b:2"]
        );
        assert_eq!(urls(&["a:1"], true).unwrap(), ["https://a:1"]);
        for (given, tls, reason) in [
            ("https://a:1", false, "certificate authority"),
            ("http://a:1", true, "not encrypted"),
            ("ftp://a:1", false, "ftp is not supported"),
            ("a", false, "no port"),
            ("a:0", false, "no port"),
            ("", false, "no port"),
        ] {
            let error = urls(&[given], tls).unwrap_err();
            assert!(error.contains(reason), "{given}: {error}");
        }
        assert!(urls(&[], false).unwrap_err().contains("none is given"));
    }

    #[test]
    fn prefixes_are_checked() {
        let prefix = |text: &str| {
            let options = Options {
                prefix: text.into(),
                ..Options::default()
            };
            options.checked_prefix().map(str::to_owned).ok()
        };
        assert_eq!(prefix("/a/b/").as_deref(), Some("a/b"));
        for bad in ["", "/", "a b", "a\n", "ä"] {
            assert_eq!(prefix(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn half_an_identity_is_refused() {
        let files = TlsFiles {
            cert: Some("/c".into()),
            ..TlsFiles::default()
        };
        let error = files.load().unwrap_err().to_string();
        assert!(error.contains("give both"), "{error}");
        let files = TlsFiles {
            ca: Some("/no/such/file".into()),
            ..TlsFiles::default()
        };
        let error = files.load().unwrap_err().to_string();
        assert!(error.contains("/no/such/file"), "{error}");
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let path =
            std::env::temp_dir().join(format!("heddle-etcd-password-{}", std::process::id()));
        let access = Access {
            tls: None,
            user: Some(User {
                name: "heddle".into(),
                password_file: path.clone(),
            }),
        };
        let none = access.connect_options().map(drop).unwrap_err().to_string();
        assert!(none.contains(&*path.to_string_lossy()), "{none}");
        std::fs::write(&path, "\nsecret\n").unwrap();
        let empty = access.connect_options().map(drop).unwrap_err().to_string();
        assert!(
            empty.contains("no password") && !empty.contains("secret"),
            "{empty}"
        );
        let before = access.stamp();
        std::fs::write(&path, "longer secret\nand more\n").unwrap();
        let user = access.user.as_ref().unwrap();
        assert_eq!(user.password().unwrap(), "longer secret");
        assert_ne!(access.stamp(), before);
        assert!(!format!("{access:?}").contains("secret"));
        std::fs::remove_file(&path).unwrap();
        assert_ne!(access.stamp(), before);
    }
}
