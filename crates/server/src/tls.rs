//! The flags for certificates, which stock scripts pass; TLS is not there yet and says so when used.

use std::path::PathBuf;

/// As in `ovn-northd(8)`, "PKI Options".
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "TLS options (not supported yet)")]
pub struct TlsArgs {
    /// The private key.
    #[arg(short = 'p', long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// The certificate.
    #[arg(short = 'c', long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// The authorities that peers must be certified by.
    #[arg(short = 'C', long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// Takes the authority of the first peer.
    #[arg(long, value_name = "FILE", hide = true)]
    pub bootstrap_ca_cert: Option<PathBuf>,
    /// Sends these authorities to peers.
    #[arg(long, value_name = "FILE", hide = true)]
    pub peer_ca_cert: Option<PathBuf>,
    /// Versions of the protocol.
    #[arg(long, value_name = "PROTOCOLS", hide = true)]
    pub ssl_protocols: Option<String>,
    /// Ciphers up to TLS 1.2.
    #[arg(long, value_name = "CIPHERS", hide = true)]
    pub ssl_ciphers: Option<String>,
    /// Ciphers from TLS 1.3 on.
    #[arg(long, value_name = "CIPHERS", hide = true)]
    pub ssl_ciphersuites: Option<String>,
}

/// TLS was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not supported: ssl (-p, -c and -C have no effect yet; use unix: or tcp:)")]
pub struct TlsNotSupported;

impl TlsArgs {
    /// Refuses to go on without the protection that the flags ask for.
    ///
    /// # Errors
    /// When any of the files is given.
    pub fn check(&self) -> Result<(), TlsNotSupported> {
        // Names of columns are passed by every stock script; they mean nothing until a remote asks for TLS.
        let named = |file: &PathBuf| !file.to_string_lossy().starts_with("db:");
        let files = [
            &self.private_key,
            &self.certificate,
            &self.ca_cert,
            &self.bootstrap_ca_cert,
            &self.peer_ca_cert,
        ];
        if files.into_iter().flatten().any(named) {
            Err(TlsNotSupported)
        } else {
            Ok(())
        }
    }
}
