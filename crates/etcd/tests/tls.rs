//! An etcd that speaks TLS and knows its clients by their certificates.

mod support;

use std::time::Duration;

use anyhow::Result;
use etcd::{Cluster, Options, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use support::Replica;
use testbed::{Etcd, EtcdTls, Scratch};

/// An authority and a certificate for 127.0.0.1, in files.
fn certificates(scratch: &Scratch, name: &str) -> Result<EtcdTls> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&authority_key)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()])?;
    let leaf = leaf.signed_by(&key, &Issuer::new(authority, authority_key))?;
    Ok(EtcdTls {
        ca: scratch.write(&format!("{name}-ca.pem"), &ca.pem())?,
        cert: scratch.write(&format!("{name}-cert.pem"), &leaf.pem())?,
        key: scratch.write(&format!("{name}-key.pem"), &key.serialize_pem())?,
    })
}

#[test]
fn both_sides_show_certificates() -> Result<()> {
    let scratch = Scratch::new()?;
    let tls = certificates(&scratch, "good")?;
    let other = certificates(&scratch, "other")?;
    let etcd = Etcd::start_tls(1, &tls)?;
    let options = |ca: &EtcdTls, own: Option<&EtcdTls>, patience| Options {
        endpoints: etcd.endpoints(),
        tls: Some(TlsFiles {
            ca: Some(ca.ca.clone()),
            cert: own.map(|own| own.cert.clone()),
            key: own.map(|own| own.key.clone()),
        }),
        patience,
        ..Options::default()
    };
    let cluster = Cluster::connect(&options(&tls, Some(&tls), Duration::from_secs(60)))?;
    let mut replica = Replica::open(&cluster)?;
    replica.append(1, "over TLS")?;
    for (ca, own) in [(&tls, None), (&other, Some(&tls)), (&tls, Some(&other))] {
        let refused = Cluster::connect(&options(ca, own, Duration::from_millis(500)));
        let error = refused
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains("etcd at https://127.0.0.1:"), "{error}");
    }
    Ok(())
}
