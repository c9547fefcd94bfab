//! Trust on first use: the authority of the first server becomes ours.
//!
//! Invariant: the file appears whole or not at all, and one that is there is never changed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::pki_types::CertificateDer;

use super::{TlsError, peer};

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Writes the last certificate of a peer's chain to `path`, if it is an authority's.
pub(super) fn learn(path: &Path, chain: &[CertificateDer<'_>]) -> Result<(), TlsError> {
    let failed = |what: &str| TlsError::Bootstrap {
        path: path.to_owned(),
        what: what.to_owned(),
    };
    let last = chain
        .last()
        .ok_or_else(|| failed("the peer has sent no certificate"))?;
    let parsed = peer::parse(last).ok_or_else(|| failed("it cannot be read"))?;
    if parsed.subject().as_raw() != parsed.issuer().as_raw()
        || parsed.verify_signature(None).is_err()
    {
        return Err(failed(
            "the last certificate of the peer is not an authority's (self-signed); has the peer --peer-ca-cert?",
        ));
    }
    match write(path, &pem(last)) {
        Ok(()) => {
            let name = parsed.subject().to_string();
            tracing::info!(target: "stream_ssl", "took over the CA cert of the peer ({name}) to {}", path.display());
            Ok(())
        }
        // Another program was first: the next attempt trusts what it has written.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(&error.to_string())),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.{serial}.tmp", std::process::id()));
    let temporary = Path::new(&name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o444)
        .open(temporary)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        // Unlike a renaming this fails when the name is taken.
        .and_then(|()| fs::hard_link(temporary, path));
    let _ = fs::remove_file(temporary);
    written
}

/// The certificate as text (RFC 7468).
fn pem(certificate: &CertificateDer<'_>) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in certificate.chunks(48) {
        for three in line.chunks(3) {
            let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for at in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
                text.push(if at <= three.len() { digit.into() } else { '=' });
            }
        }
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn the_text_of_any_length_reads_back() {
        for length in 0..200_u8 {
            let bytes: Vec<u8> = (0..length).collect();
            let text = pem(&bytes.clone().into());
            assert!(text.lines().all(|line| line.len() <= 64));
            let back = CertificateDer::from_pem_slice(text.as_bytes());
            assert_eq!(back.unwrap().to_vec(), bytes);
        }
    }

    #[test]
    fn only_an_authority_is_taken_over_and_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let key = || rcgen::KeyPair::generate().unwrap();
        let (ca_key, leaf_key) = (key(), key());
        let mut ca = rcgen::CertificateParams::new(vec![]).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let issuer = rcgen::Issuer::from_params(&ca, &ca_key);
        let mut leaf = rcgen::CertificateParams::new(vec![]).unwrap();
        leaf.distinguished_name
            .push(rcgen::DnType::CommonName, "leaf");
        let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();

        let error = learn(&path, &[leaf.der().clone()]).unwrap_err();
        assert!(error.to_string().contains("not an authority's"), "{error}");
        assert!(learn(&path, &[]).is_err());
        assert!(!path.exists());

        let chain = [leaf.der().clone(), ca_certificate.der().clone()];
        learn(&path, &chain).unwrap();
        let text = fs::read(&path).unwrap();
        let read = CertificateDer::from_pem_slice(&text).unwrap();
        assert_eq!(read, *ca_certificate.der());
        let other = ca.self_signed(&leaf_key).unwrap();
        learn(&path, &[other.der().clone()]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), text);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
