//! Whether a peer's certificate is issued by an authority that is trusted.
//!
//! The name in it is not looked at, as Open vSwitch does not: certificates of `ovs-pki` carry the name of a
//! switch or of a person, not that of a host, and who has one is one of us.
//!
//! The path is checked by `webpki`, which knows only certificates of version 3 that are not an authority's
//! themselves. Others are made by hand every day (`openssl x509 -req` without extensions, or a self-signed
//! certificate that is trusted as its own authority), and OpenSSL takes them. Such a certificate is accepted
//! when an authority of ours has signed it directly; nothing may stand between the two.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry as oid;
use x509_parser::time::ASN1Time;

use super::peer;

/// The side that a peer is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// Accepts what one of some authorities has issued.
#[derive(Debug)]
pub(super) struct Issued {
    authorities: Vec<CertificateDer<'static>>,
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Issued {
    /// By these authorities.
    ///
    /// # Errors
    /// When one of them is no certificate.
    pub(super) fn by(authorities: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for (at, authority) in authorities.iter().enumerate() {
            let added = peer::parse(authority).ok_or(Error::General("bad encoding".to_owned()));
            added
                .and_then(|_| roots.add(authority.clone()))
                .map_err(|error| format!("certificate {} cannot be used: {error}", at + 1))?;
        }
        Ok(Self {
            hints: roots.subjects(),
            authorities,
            algorithms: ring::default_provider().signature_verification_algorithms,
        })
    }

    /// The authorities, for people.
    pub(super) fn names(&self) -> Vec<String> {
        let parsed = self.authorities.iter().filter_map(peer::parse);
        parsed.map(|it| it.subject().to_string()).collect()
    }

    fn check(
        &self,
        side: Side,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = peer::parse(certificate).ok_or(CertificateError::BadEncoding)?;
        let valid = |authority: &&CertificateDer<'static>| {
            peer::parse(authority).is_some_and(|it| it.validity().is_valid_at(time(now)))
        };
        // An authority that has expired vouches for nobody.
        let authorities = || self.authorities.iter().filter(valid);
        if parsed.version() != x509_parser::x509::X509Version::V3 || parsed.is_ca() {
            return issued_directly(side, &parsed, authorities(), now);
        }
        let mut roots = RootCertStore::empty();
        for authority in authorities() {
            roots.add(authority.clone())?;
        }
        if roots.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        match side {
            Side::Server => verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(certificate)?,
                &roots,
                intermediates,
                now,
                self.algorithms.all,
            ),
            Side::Client => {
                let provider = Arc::new(ring::default_provider());
                let clients =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|error| Error::General(error.to_string()))?;
                let verified = clients.verify_client_cert(certificate, intermediates, now);
                verified.map(drop)
            }
        }
    }
}

fn time(now: UnixTime) -> ASN1Time {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    // Beyond the last year that can be written everything has expired.
    ASN1Time::from_timestamp(seconds).unwrap_or_else(|_| ASN1Time::now())
}

/// Checks a certificate of a form that `webpki` does not take.
fn issued_directly<'a>(
    side: Side,
    certificate: &X509Certificate<'_>,
    authorities: impl Iterator<Item = &'a CertificateDer<'static>>,
    now: UnixTime,
) -> Result<(), Error> {
    let now = time(now);
    if now < certificate.validity().not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > certificate.validity().not_after {
        return Err(CertificateError::Expired.into());
    }
    if !is_for(side, certificate) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    let algorithm = &certificate.signature_algorithm.algorithm;
    let is_weak = *algorithm == oid::OID_PKCS1_SHA1WITHRSA || *algorithm == oid::OID_SHA1_WITH_RSA;
    if is_weak {
        let text = "signed with SHA-1".to_owned();
        return Err(Error::General(text));
    }
    for authority in authorities {
        let Some(authority) = peer::parse(authority) else {
            continue;
        };
        let named = authority.subject().as_raw() == certificate.issuer().as_raw();
        // What an authority may not vouch for is a matter for paths, which are not checked here.
        let unlimited = !matches!(authority.name_constraints(), Ok(Some(_)) | Err(_));
        if named
            && unlimited
            && certificate
                .verify_signature(Some(authority.public_key()))
                .is_ok()
        {
            return Ok(());
        }
    }
    Err(CertificateError::UnknownIssuer.into())
}

/// Whether what the certificate says of its use allows this side of a connection.
fn is_for(side: Side, certificate: &X509Certificate<'_>) -> bool {
    let known = [
        oid::OID_X509_EXT_BASIC_CONSTRAINTS,
        oid::OID_X509_EXT_KEY_USAGE,
        oid::OID_X509_EXT_EXTENDED_KEY_USAGE,
        oid::OID_X509_EXT_SUBJECT_ALT_NAME,
    ];
    let mut extensions = certificate.iter_extensions();
    if extensions.any(|it| it.critical && !known.contains(&it.oid)) {
        return false;
    }
    let usage = match certificate.key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => {
            let usage = usage.value;
            usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
        }
        Err(_) => false,
    };
    let purpose = match certificate.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(purpose)) => {
            let purpose = purpose.value;
            let fits = match side {
                Side::Client => purpose.client_auth,
                Side::Server => purpose.server_auth,
            };
            fits || purpose.any
        }
        Err(_) => false,
    };
    usage && purpose
}

/// Checks the signature in a handshake of TLS 1.2, with the key of a certificate of any form.
fn signature12(
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let parsed = peer::parse(certificate).ok_or(CertificateError::BadEncoding)?;
    if parsed.version() == x509_parser::x509::X509Version::V3 {
        return rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms);
    }
    let key = &parsed.public_key().subject_public_key.data;
    let candidates = algorithms.mapping.iter();
    let fits = candidates
        .filter(|(scheme, _)| *scheme == signed.scheme)
        .flat_map(|(_, algorithms)| *algorithms)
        .any(|it| {
            it.verify_signature(key, message, signed.signature())
                .is_ok()
        });
    if fits {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}

/// The same for TLS 1.3.
fn signature13(
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let key = peer::public_key(certificate).ok_or(CertificateError::BadEncoding)?;
    let key = SubjectPublicKeyInfoDer::from(key);
    rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
}

impl ServerCertVerifier for Issued {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(Side::Server, end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature12(&self.algorithms, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature13(&self.algorithms, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Issued {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(Side::Client, end_entity, intermediates, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature12(&self.algorithms, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature13(&self.algorithms, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Accepts every server that has the key of the certificate that it shows.
#[derive(Debug)]
pub(super) struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        signature12(&algorithms, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        signature13(&algorithms, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
