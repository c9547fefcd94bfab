//! Reading the files, and noticing that they have changed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig};

use super::verify::{Anyone, Issued};
use super::{Authority, Options, TlsError, peer};

/// The longest file that is read; a hundred authorities are a tenth of it.
const LONGEST: u64 = 1 << 20;

/// What files look like from outside: a change of one is a change of this.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<[i128; 7]>>);

impl Stamp {
    pub(super) fn of(options: &Options) -> Self {
        let authority = match &options.authority {
            Some(Authority::File(path) | Authority::Bootstrap(path)) => Some(path),
            Some(Authority::Anyone) | None => None,
        };
        let files = [
            options.private_key.as_ref(),
            options.certificate.as_ref(),
            authority,
            options.peer_ca_cert.as_ref(),
        ];
        let stamp = |path: &PathBuf| {
            let it = std::fs::metadata(path).ok()?;
            Some([
                it.dev().into(),
                it.ino().into(),
                it.size().into(),
                it.mtime().into(),
                it.mtime_nsec().into(),
                it.ctime().into(),
                it.ctime_nsec().into(),
            ])
        };
        Self(files.iter().map(|path| stamp((*path)?)).collect())
    }
}

/// What was made of the files.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) client: Arc<ClientConfig>,
    /// Nothing as long as nobody is trusted.
    pub(super) server: Option<Arc<ServerConfig>>,
    /// Where the authority of the first server is to be written.
    pub(super) bootstrap: Option<PathBuf>,
}

/// Reads everything.
pub(super) fn load(options: &Options) -> Result<Loaded, TlsError> {
    let key = options.private_key.as_deref();
    let key = key.ok_or(TlsError::Missing("private key", "--private-key"))?;
    let certificate = options.certificate.as_deref();
    let certificate = certificate.ok_or(TlsError::Missing("certificate", "--certificate"))?;
    let authority = options.authority.as_ref();
    let authority = authority.ok_or(TlsError::Missing("authority to trust", "--ca-cert"))?;

    let mut chain = certificates(certificate)?;
    if let Some(path) = &options.peer_ca_cert {
        chain.extend(certificates(path)?);
    }
    let own = own_certificate(key, certificate, chain)?;
    let own = Arc::new(SingleCertAndKey::from(own));
    let (issued, bootstrap) = match authority {
        Authority::File(path) => (Some(issued(path)?), None),
        Authority::Bootstrap(path) if path.exists() => (Some(issued(path)?), None),
        Authority::Bootstrap(path) => (None, Some(path.clone())),
        Authority::Anyone => (None, None),
    };

    let provider = options.settings.provider();
    let versions = options.settings.versions();
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(TlsError::Settings)?
        .dangerous();
    let mut client = match &issued {
        Some(issued) => {
            let issued = Arc::clone(issued);
            client.with_custom_certificate_verifier(issued)
        }
        None => client.with_custom_certificate_verifier(Arc::new(Anyone)),
    }
    .with_client_cert_resolver(Arc::clone(&own) as Arc<_>);
    // Who resumes a session shows no certificate: each connection stands for itself.
    client.resumption = Resumption::disabled();
    let protocols = options.protocols.iter().map(|name| name.to_vec());
    client.alpn_protocols = protocols.collect();

    let server = |clients| {
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(TlsError::Settings)?;
        let mut server = server
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::clone(&own) as Arc<_>);
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let protocols = options.protocols.iter().map(|name| name.to_vec());
        server.alpn_protocols = protocols.collect();
        Ok(Arc::new(server))
    };
    let server = match (issued, &bootstrap) {
        (Some(issued), _) => Some(server(issued)?),
        (None, None) => Some(server(WebPkiClientVerifier::no_client_auth())?),
        (None, Some(_)) => None,
    };
    Ok(Loaded {
        client: Arc::new(client),
        server,
        bootstrap,
    })
}

fn issued(path: &Path) -> Result<Arc<Issued>, TlsError> {
    let authorities = certificates(path)?;
    let issued = Issued::by(authorities).map_err(|error| content(path, error))?;
    for name in issued.names() {
        tracing::info!(target: "stream_ssl", "Trusting CA cert from {} ({name})", path.display());
    }
    Ok(Arc::new(issued))
}

fn own_certificate(
    key: &Path,
    certificate: &Path,
    chain: Vec<CertificateDer<'static>>,
) -> Result<CertifiedKey, TlsError> {
    let own = chain.first();
    let own = own.ok_or_else(|| content(certificate, "holds no certificate"))?;
    let of_certificate = peer::public_key(own);
    let of_certificate = of_certificate
        .ok_or_else(|| content(certificate, "the first certificate cannot be read"))?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?);
    // The text of such an error could repeat a part of the key.
    let private =
        private.map_err(|_| content(key, "holds no private key (PEM, without a password)"))?;
    let signing = rustls::crypto::ring::sign::any_supported_type(&private)
        .map_err(|error| content(key, format!("the private key cannot be used: {error}")))?;
    let of_key = signing.public_key();
    if of_key.is_some_and(|of_key| *of_key != of_certificate[..]) {
        return Err(TlsError::Mismatch {
            key: key.to_owned(),
            certificate: certificate.to_owned(),
        });
    }
    Ok(CertifiedKey::new(chain, signing))
}

/// All certificates of a file, of which there is one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(content(path, "holds no certificate (PEM)")),
        Ok(found) => Ok(found),
        Err(error) => Err(content(path, format!("is not PEM: {error}"))),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error| TlsError::Read {
        path: path.to_owned(),
        error,
    };
    let size = std::fs::metadata(path).map_err(failed)?;
    if !size.is_file() || size.len() > LONGEST {
        let what = format!("is no file of at most {LONGEST} bytes");
        return Err(content(path, what));
    }
    std::fs::read(path).map_err(failed)
}

fn content(path: &Path, what: impl Into<String>) -> TlsError {
    TlsError::Content {
        path: path.to_owned(),
        what: what.into(),
    }
}
