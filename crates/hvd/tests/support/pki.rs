//! Certificates of an authority of the test's own.

#![allow(dead_code, clippy::unwrap_used)]

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use transport::TlsArgs;

/// A folder with an authority and what it has issued.
pub(crate) struct Pki {
    dir: tempfile::TempDir,
    ca: CertificateParams,
    key: KeyPair,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(vec![]).unwrap();
        ca.distinguished_name.push(DnType::CommonName, "authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("ca.pem"),
            ca.self_signed(&key).unwrap().pem(),
        )
        .unwrap();
        Self { dir, ca, key }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Issues a certificate for a name, under files of that name.
    pub(crate) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let issuer = Issuer::from_params(&self.ca, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}-key.pem")), key.serialize_pem()).unwrap();
    }

    /// The flags with the certificate of a name.
    pub(crate) fn flags(&self, name: &str) -> Vec<String> {
        vec![
            format!(
                "--private-key={}",
                self.file(&format!("{name}-key.pem")).display()
            ),
            format!(
                "--certificate={}",
                self.file(&format!("{name}.pem")).display()
            ),
            format!("--ca-cert={}", self.file("ca.pem").display()),
        ]
    }

    /// The same as a value.
    pub(crate) fn args(&self, name: &str) -> TlsArgs {
        TlsArgs {
            private_key: Some(self.file(&format!("{name}-key.pem"))),
            certificate: Some(self.file(&format!("{name}.pem"))),
            ca_cert: Some(self.file("ca.pem")),
            ..TlsArgs::default()
        }
    }
}
