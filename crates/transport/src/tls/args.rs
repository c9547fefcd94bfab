//! The flags for certificates, which every program of Open vSwitch and OVN has.

use std::path::PathBuf;

use super::{Authority, Options, Settings, SettingsError, Tls};

/// As in `ovn-northd(8)`, "PKI Options".
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "TLS options, for ssl: and pssl:")]
pub struct TlsArgs {
    /// The private key (PEM).
    #[arg(short = 'p', long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// The certificate (PEM).
    #[arg(short = 'c', long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// The authorities that peers must be certified by (PEM), or none to trust everybody.
    #[arg(short = 'C', long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// As --ca-cert; while there is no such file, the authority of the first server is written there.
    #[arg(long, value_name = "FILE")]
    pub bootstrap_ca_cert: Option<PathBuf>,
    /// Sends these authorities to peers, so that they can learn them.
    #[arg(long, value_name = "FILE")]
    pub peer_ca_cert: Option<PathBuf>,
    /// Versions of the protocol [default: TLSv1.2,TLSv1.3].
    #[arg(long, value_name = "PROTOCOLS")]
    pub ssl_protocols: Option<String>,
    /// Ciphers of TLS 1.2, as in ciphers(1).
    #[arg(long, value_name = "CIPHERS")]
    pub ssl_ciphers: Option<String>,
    /// Ciphers of TLS 1.3.
    #[arg(long, value_name = "CIPHERS")]
    pub ssl_ciphersuites: Option<String>,
}

impl TlsArgs {
    /// The same with files named from the root: a daemon that has detached is somewhere else, and reads certificates
    /// again.
    ///
    /// # Errors
    /// When the current folder is not known.
    pub fn absolute(&self) -> std::io::Result<Self> {
        let absolute =
            |path: &Option<PathBuf>| path.as_deref().map(std::path::absolute).transpose();
        // The word none stands for no authority.
        let is_word = |path: &PathBuf| path.as_os_str() == "none";
        let ca_cert = match &self.ca_cert {
            Some(path) if is_word(path) => Some(path.clone()),
            path => absolute(path)?,
        };
        Ok(Self {
            private_key: absolute(&self.private_key)?,
            certificate: absolute(&self.certificate)?,
            ca_cert,
            bootstrap_ca_cert: absolute(&self.bootstrap_ca_cert)?,
            peer_ca_cert: absolute(&self.peer_ca_cert)?,
            ..self.clone()
        })
    }

    /// What the flags mean where all of them are values.
    ///
    /// # Errors
    /// A version or cipher that is not supported.
    pub fn options(&self) -> Result<Options, SettingsError> {
        let settings = Settings::parse(
            self.ssl_protocols.as_deref(),
            self.ssl_ciphers.as_deref(),
            self.ssl_ciphersuites.as_deref(),
        )?;
        Ok(Options {
            private_key: self.private_key.clone(),
            certificate: self.certificate.clone(),
            authority: self.authority(),
            peer_ca_cert: self.peer_ca_cert.clone(),
            settings,
            protocols: Vec::new(),
        })
    }

    /// TLS as the flags say. A file that cannot be read yet is a line in the log.
    ///
    /// # Errors
    /// A version or cipher that is not supported.
    pub fn tls(&self) -> Result<Tls, SettingsError> {
        let options = self.options()?;
        let tls = Tls::new(options);
        if tls.is_configured()
            && let Err(error) = tls.check()
        {
            tracing::error!(target: "stream_ssl", "{error}");
        }
        Ok(tls)
    }

    /// Whom to trust.
    fn authority(&self) -> Option<Authority> {
        match (&self.bootstrap_ca_cert, &self.ca_cert) {
            (Some(path), _) => Some(Authority::Bootstrap(path.clone())),
            (None, Some(path)) => Some(Authority::named(path)),
            (None, None) => None,
        }
    }
}

impl Authority {
    /// Those of a file; the name `none` is for everybody.
    #[must_use]
    pub fn named(path: &std::path::Path) -> Self {
        if path.as_os_str() == "none" {
            tracing::warn!(target: "stream_ssl", "Peer certificate validation disabled (this is a security risk)");
            Self::Anyone
        } else {
            Self::File(path.to_owned())
        }
    }
}
