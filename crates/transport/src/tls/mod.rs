//! TLS for `ssl:` and `pssl:`: who we are, whom we trust, and which versions and ciphers we speak.
//!
//! [`Tls`] holds the names of the files and what was read from them; it is cheap to clone, and all connections
//! of a program share one. The files are looked at again for each new connection, so certificates are renewed
//! without a restart; a connection that stands keeps what it began with.
//!
//! As in Open vSwitch a peer is trusted because an authority of ours has issued its certificate, whatever name
//! is in it; the name is only who the peer is, for roles. This module must not know what is sent.
//!
//! Invariant: files that cannot be used never take the place of what is in use. Without a key, a certificate
//! and somebody to trust there is no connection.

mod args;
mod bootstrap;
mod files;
mod peer;
mod settings;
mod verify;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ServerConfig};

pub use args::TlsArgs;
pub use settings::{Settings, SettingsError};

pub(crate) use peer::names;

use files::{Loaded, Stamp};

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// Peers with a certificate that one of the authorities in this file has issued.
    File(PathBuf),
    /// The same; but while there is no such file, the first server that is connected to is trusted and its
    /// authority is written there.
    Bootstrap(PathBuf),
    /// Everybody.
    Anyone,
}

/// What a program is told about TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The file of the private key, PEM.
    pub private_key: Option<PathBuf>,
    /// The file of our certificate, PEM; those that lead to the authority may follow it.
    pub certificate: Option<PathBuf>,
    /// Whom to trust.
    pub authority: Option<Authority>,
    /// Certificates to send behind our own, so that a peer can learn its authority from us.
    pub peer_ca_cert: Option<PathBuf>,
    /// Versions and ciphers.
    pub settings: Settings,
    /// Names of the protocols that are spoken inside, best first (ALPN); none for those that need no agreement.
    pub protocols: Vec<&'static [u8]>,
}

impl Options {
    /// Whether anything about certificates was said.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.private_key.is_some() || self.certificate.is_some() || self.authority.is_some()
    }
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not configured.
    #[error("ssl needs a {0}, and none is configured; give it with {1}")]
    Missing(&'static str, &'static str),
    /// A file cannot be read.
    #[error("{}: cannot be read: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {what}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The key is not that of the certificate.
    #[error("{}: is not the private key of the certificate in {}", .key.display(), .certificate.display())]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// Who waits for clients learns of no authority.
    #[error("{path}: there is no such file yet, so no client can be trusted; it is made when a server is connected to", path = .0.display())]
    NotBootstrapped(PathBuf),
    /// The authority of the peer cannot be taken over.
    #[error("{}: cannot take over the authority of the peer: {what}", .path.display())]
    Bootstrap {
        /// Where it was to be written.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// Versions and ciphers leave nothing to speak.
    #[error("the TLS settings are of no use: {0}")]
    Settings(rustls::Error),
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::other(error)
    }
}

/// The TLS of a program. The default has nothing configured and refuses every connection.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    options: Options,
    /// What the files looked like when they were read last.
    stamp: Option<Stamp>,
    loaded: Option<Loaded>,
}

/// How to connect.
pub(crate) struct Connector {
    pub(crate) config: Arc<ClientConfig>,
    /// Where the authority of the peer is to be written, if it is not known yet.
    pub(crate) bootstrap: Option<PathBuf>,
}

impl Tls {
    /// With these files, which are first read when they are needed.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let tls = Self::default();
        tls.set(options);
        tls
    }

    /// Takes other files for the connections to come.
    pub fn set(&self, options: Options) {
        let mut state = self.state();
        if state.options != options {
            state.options = options;
            state.stamp = None;
        }
    }

    /// Whether any file is configured.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.state().options.is_configured()
    }

    /// Reads the files now; what is wrong with them, if they cannot be used.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), TlsError> {
        self.state().load().map(drop)
    }

    pub(crate) fn connector(&self) -> Result<Connector, TlsError> {
        let mut state = self.state();
        let loaded = state.load()?;
        Ok(Connector {
            config: Arc::clone(&loaded.client),
            bootstrap: loaded.bootstrap.clone(),
        })
    }

    pub(crate) fn acceptor(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let mut state = self.state();
        let loaded = state.load()?;
        match (&loaded.server, &loaded.bootstrap) {
            (Some(server), _) => Ok(Arc::clone(server)),
            (None, path) => Err(TlsError::NotBootstrapped(path.clone().unwrap_or_default())),
        }
    }

    /// Writes down the authority at the end of a peer's chain.
    pub(crate) fn learn(path: &Path, chain: &[CertificateDer<'_>]) -> Result<(), TlsError> {
        bootstrap::learn(path, chain)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked with the lock left a whole state: each assignment below is one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is in force: the files as they are, or as they were when they could be used last.
    fn load(&mut self) -> Result<&Loaded, TlsError> {
        let stamp = Stamp::of(&self.options);
        let same = self.stamp.as_ref() == Some(&stamp);
        if !(same && self.loaded.is_some()) {
            match files::load(&self.options) {
                Ok(loaded) => {
                    let renewed = self.loaded.replace(loaded).is_some();
                    if renewed {
                        tracing::info!(target: "stream_ssl", "certificates were read again");
                    }
                }
                Err(error) if self.loaded.is_none() => return Err(error),
                Err(error) => {
                    tracing::error!(target: "stream_ssl", "{error}; what was read before stays in use");
                }
            }
            self.stamp = Some(stamp);
        }
        match &self.loaded {
            Some(loaded) => Ok(loaded),
            None => Err(TlsError::Missing("private key", "--private-key")),
        }
    }
}

/// What went wrong in a handshake, for people.
pub(crate) fn explain(error: io::Error) -> io::Error {
    use rustls::{AlertDescription, CertificateError, Error};
    let cause = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    let text = match cause {
        None => return error,
        Some(Error::NoCertificatesPresented) => "the peer has sent no certificate".to_owned(),
        Some(Error::InvalidCertificate(reason)) => match reason {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the peer's certificate is not issued by an authority that --ca-cert names"
                    .to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the peer's certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the peer's certificate is not valid yet; is the clock right?".to_owned()
            }
            other => format!("the peer's certificate cannot be accepted: {other}"),
        },
        Some(Error::InvalidMessage(_)) => "the peer does not speak TLS".to_owned(),
        Some(Error::AlertReceived(alert)) => match alert {
            AlertDescription::CertificateRequired => {
                "the peer wants a certificate of ours".to_owned()
            }
            AlertDescription::UnknownCA => {
                "the peer does not trust the authority of our certificate".to_owned()
            }
            other => format!("the peer refused the handshake: {other:?}"),
        },
        Some(other) => other.to_string(),
    };
    io::Error::new(error.kind(), text)
}
