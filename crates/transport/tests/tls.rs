//! Both ends of TLS, with certificates of every kind.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::BytesMut;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P384_SHA384,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::tls::{Authority, Options, Settings};
use transport::{Connection, Listener, Remote, Tls};

/// A folder with an authority and what it has issued.
struct Pki {
    dir: tempfile::TempDir,
    ca: CertificateParams,
    key: KeyPair,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Pki {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let mut ca = params(name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let dir = tempfile::tempdir().unwrap();
        let text = ca.self_signed(&key).unwrap().pem();
        std::fs::write(dir.path().join("ca.pem"), text).unwrap();
        std::fs::write(dir.path().join("ca-key.pem"), key.serialize_pem()).unwrap();
        Self { dir, ca, key }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Options {
        let key = KeyPair::generate().unwrap();
        let mut params = params(name);
        change(&mut params);
        let issuer = Issuer::from_params(&self.ca, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        self.put(name, &certificate.pem(), &key.serialize_pem())
    }

    fn put(&self, name: &str, certificate: &str, key: &str) -> Options {
        let (cert, private) = (format!("{name}.pem"), format!("{name}-key.pem"));
        std::fs::write(self.file(&cert), certificate).unwrap();
        std::fs::write(self.file(&private), key).unwrap();
        Options {
            private_key: Some(self.file(&private)),
            certificate: Some(self.file(&cert)),
            authority: Some(Authority::File(self.file("ca.pem"))),
            ..Options::default()
        }
    }
}

/// Connects the two; the names that each end sees of the other, after a megabyte went there and back.
async fn talk(server: &Tls, client: &Tls) -> Result<(Option<String>, Option<String>), String> {
    let passive = Remote::PassiveSsl("127.0.0.1".into(), 0);
    let listener = Listener::bind(&passive, server).await.unwrap();
    let remote = Remote::Ssl("127.0.0.1".into(), listener.port().unwrap());
    let echo = async {
        loop {
            let arrival = listener.accept().await.map_err(|error| error.to_string())?;
            assert!(arrival.has_handshake());
            let established = arrival.establish().await;
            let mut it = established.map_err(|error| format!("server: {error}"))?;
            let mut buffer = BytesMut::with_capacity(64 << 10);
            let mut seen = 0;
            while it
                .reader
                .read_buf(&mut buffer)
                .await
                .is_ok_and(|read| read > 0)
            {
                seen += buffer.len();
                it.writer
                    .write_all(&buffer.split())
                    .await
                    .map_err(|error| error.to_string())?;
                it.writer.flush().await.map_err(|error| error.to_string())?;
            }
            // One that only learns the authority says nothing.
            if seen > 0 {
                return Ok::<_, String>(it.id);
            }
        }
    };
    let ask = async {
        let connected = Connection::connect(&remote, client).await;
        let mut it = connected.map_err(|error| format!("client: {error}"))?;
        let (mut output, mut input) = (BytesMut::zeroed(1 << 20), BytesMut::new());
        while input.len() < 1 << 20 {
            let writes = !output.is_empty() || it.writer.holds();
            tokio::select! {
                sent = it.writer.send(&mut output), if writes => sent.map_err(|error| format!("client: {error}"))?,
                read = it.reader.read_buf(&mut input) => match read {
                    Ok(0) => return Err("client: closed".to_owned()),
                    Ok(_) => {}
                    Err(error) => return Err(format!("client: {error}")),
                },
            }
        }
        Ok(it.id)
    };
    let (seen_by_server, seen_by_client) = tokio::join!(echo, ask);
    Ok((seen_by_server?, seen_by_client?))
}

fn names(server: &str, client: &str) -> Result<(Option<String>, Option<String>), String> {
    Ok((Some(client.to_owned()), Some(server.to_owned())))
}

#[tokio::test]
async fn each_end_knows_the_other_by_its_common_name() {
    let pki = Pki::new("ca");
    let server = pki.issue("server", |_| {});
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let settings = Settings::parse(Some(protocols), None, None).unwrap();
        let client = Options {
            settings,
            ..pki.issue("hv1", |_| {})
        };
        let talked = talk(&Tls::new(server.clone()), &Tls::new(client)).await;
        assert_eq!(talked, names("server", "hv1"), "{protocols}");
    }
}

#[tokio::test]
async fn strangers_and_the_expired_are_refused() {
    let (pki, other) = (Pki::new("ca"), Pki::new("other"));
    let server = Tls::new(pki.issue("server", |_| {}));
    let expired = pki.issue("expired", |it| {
        it.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let error = talk(&server, &Tls::new(expired)).await.unwrap_err();
    assert!(error.contains("has expired"), "{error}");
    let mut stranger = other.issue("stranger", |_| {});
    stranger.authority = Some(Authority::File(pki.file("ca.pem")));
    let error = talk(&server, &Tls::new(stranger)).await.unwrap_err();
    assert!(error.contains("not issued by an authority"), "{error}");
    // The same from the other side.
    let client = Tls::new(other.issue("client", |_| {}));
    let error = talk(&server, &client).await.unwrap_err();
    assert!(error.contains("server: the peer"), "{error}");
    // Without certificates of our own nothing is tried.
    let remote = Remote::Ssl("127.0.0.1".into(), 1);
    let error = Connection::connect(&remote, &Tls::default()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("none is configured"), "{error}");
}

fn openssl(dir: &Path, line: &str) {
    let run = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(run.unwrap().success(), "openssl {line}");
}

#[tokio::test]
async fn version_1_and_self_signed_certificates_count_when_they_are_signed_directly() {
    let pki = Pki::new("ca");
    let dir = pki.dir.path();
    openssl(
        dir,
        "req -newkey rsa:2048 -nodes -keyout old-key.pem -out old-req.pem -subj /CN=old",
    );
    openssl(
        dir,
        "x509 -req -in old-req.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -sha256 -days 3 -out old.pem",
    );
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let old = pki.put("old", &read("old.pem"), &read("old-key.pem"));
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let settings = Settings::parse(Some(protocols), None, None).unwrap();
        let server = Options {
            settings,
            ..old.clone()
        };
        let talked = talk(&Tls::new(server), &Tls::new(old.clone())).await;
        assert_eq!(talked, names("old", "old"), "{protocols}");
    }
    // An authority that speaks for itself.
    let own = pki.put("self", &read("ca.pem"), &read("ca-key.pem"));
    let talked = talk(&Tls::new(own.clone()), &Tls::new(own)).await;
    assert_eq!(talked, names("ca", "ca"));
    // Of another authority neither counts.
    let other = Pki::new("ca");
    let server = Tls::new(other.issue("server", |_| {}));
    let stranger = Options {
        authority: Some(Authority::File(other.file("ca.pem"))),
        ..old
    };
    let error = talk(&server, &Tls::new(stranger)).await.unwrap_err();
    assert!(error.contains("not issued by an authority"), "{error}");
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let pki = Pki::new("ca");
    let options = pki.issue("server", |_| {});
    let server = Tls::new(options.clone());
    let client = Tls::new(pki.issue("client", |_| {}));
    assert_eq!(talk(&server, &client).await, names("server", "client"));
    let renewed = pki.issue("renewed", |_| {});
    let (from, to) = (renewed.certificate.unwrap(), options.certificate.unwrap());
    std::fs::copy(from, to).unwrap();
    // The key is not there yet.
    assert_eq!(talk(&server, &client).await, names("server", "client"));
    std::fs::copy(renewed.private_key.unwrap(), options.private_key.unwrap()).unwrap();
    assert_eq!(talk(&server, &client).await, names("renewed", "client"));
}

#[tokio::test]
async fn an_authority_is_learnt_once() {
    let pki = Pki::new("ca");
    let mut server = pki.issue("server", |_| {});
    server.peer_ca_cert = Some(pki.file("ca.pem"));
    let mut client = pki.issue("client", |_| {});
    client.authority = Some(Authority::Bootstrap(pki.file("learnt.pem")));
    let talked = talk(&Tls::new(server.clone()), &Tls::new(client.clone())).await;
    assert_eq!(talked, names("server", "client"));
    let read = |name| std::fs::read(pki.file(name)).unwrap();
    assert_eq!(
        read("learnt.pem"),
        read("ca.pem")
            .split(|byte| *byte == b'\r')
            .collect::<Vec<_>>()
            .concat()
    );
    // From now on it holds.
    let other = Pki::new("other");
    let mut stranger = other.issue("stranger", |_| {});
    stranger.authority = Some(Authority::File(pki.file("ca.pem")));
    let error = talk(&Tls::new(stranger), &Tls::new(client))
        .await
        .unwrap_err();
    assert!(
        error.contains("client: the peer's certificate is not issued") || error.contains("server:"),
        "{error}"
    );
}
