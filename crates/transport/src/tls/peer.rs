//! What a certificate says of its owner.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// A certificate, if that and nothing else is in these bytes.
pub(super) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Some(parsed),
        _ => None,
    }
}

/// Who a peer is: the first common name of the subject (`ovsdb-server(7)`), then its names in the domain name
/// system and its addresses, as far as the certificate has them.
///
/// Without any that have a NUL: what a C program reads up to there is somebody else's name.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Names {
    let Some(parsed) = parse(certificate) else {
        return Names::default();
    };
    let common = parsed.subject().iter_common_name().next();
    let common = common.and_then(|name| name.as_str().ok());
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let alternative = alternative.map_or(&[][..], |extension| &extension.value.general_names);
    let whole = |name: &str| !name.contains('\0');
    Names {
        common: common.filter(|name| whole(name)).map(str::to_owned),
        others: alternative
            .iter()
            .filter_map(other)
            .filter(|name| whole(name))
            .collect(),
    }
}

/// The names in a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) common: Option<String>,
    pub(crate) others: Vec<String>,
}

fn other(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
            _ => Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    }
}

/// The whole `SubjectPublicKeyInfo`.
pub(super) fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    Some(parse(certificate)?.public_key().raw.to_vec())
}
