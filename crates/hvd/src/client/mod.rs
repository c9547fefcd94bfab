//! The way in from the other side: a channel over a unix socket, TCP or TLS ([`Target`]), and the daemon behind it
//! ([`Remote`]).

mod remote;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper_util::rt::TokioIo;
use tokio::io::join;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;
use transport::tls::Options;
use transport::{Connection, Tls, TlsArgs};

pub use remote::{CallError, Machines, Remote, Result as CallResult};

/// How long an attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the other side may be silent before it is asked for a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Whom to call.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where: `unix:`, `tcp:` or `ssl:`.
    pub remote: transport::Remote,
    /// The name that the certificate must have; the host of the address if none is given.
    pub name: Option<String>,
    /// Our certificates.
    pub tls: Tls,
}

impl Target {
    /// With certificates from flags.
    ///
    /// # Errors
    /// An address that is a place to listen, or settings that are not supported.
    pub fn new(remote: transport::Remote, name: Option<String>, tls: &TlsArgs) -> Result<Self> {
        if remote.is_passive() {
            bail!("{remote}: is a place to listen; name one to connect to, unix:, tcp: or ssl:");
        }
        let options = Options {
            protocols: vec![b"h2"],
            ..tls.options()?
        };
        Ok(Self {
            remote,
            name,
            tls: Tls::new(options),
        })
    }

    /// A channel that connects when it is first used, and again after it was lost.
    #[must_use]
    pub fn lazy(&self) -> Channel {
        let target = self.clone();
        endpoint().connect_with_connector_lazy(service_fn(move |_| open(target.clone())))
    }

    /// A channel that is connected.
    ///
    /// # Errors
    /// Why it cannot be.
    pub async fn connect(&self) -> Result<Channel> {
        let target = self.clone();
        let connector = service_fn(move |_| open(target.clone()));
        let channel = endpoint().connect_with_connector(connector).await;
        channel
            .map_err(root)
            .with_context(|| format!("cannot connect to {}", self.remote))
    }
}

fn endpoint() -> Endpoint {
    // The name goes into a header that nobody reads: certificates are checked below.
    Endpoint::from_static("http://heddle")
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
}

/// The innermost error: those around it say only that there is one.
fn root(error: tonic::transport::Error) -> anyhow::Error {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    anyhow::anyhow!("{cause}")
}

type Stream = TokioIo<tokio::io::Join<transport::stream::Reader, transport::stream::Writer>>;

async fn open(target: Target) -> std::io::Result<Stream> {
    let connection = Connection::connect(&target.remote, &target.tls).await?;
    if let transport::Remote::Ssl(host, _) = &target.remote {
        let wanted = target.name.as_deref().unwrap_or(host);
        let names: Vec<&String> = connection
            .id
            .iter()
            .chain(&connection.other_names)
            .collect();
        if !names.iter().any(|name| *name == wanted) {
            let remedy = match target.name {
                Some(_) => "that is the name that it must have",
                None => "say which name is right with --server-name",
            };
            let text = format!(
                "the certificate of the other side is for {names:?}, not for {wanted:?}; {remedy}"
            );
            return Err(std::io::Error::new(
                std::io::ErrorKind::PermissionDenied,
                text,
            ));
        }
    }
    Ok(TokioIo::new(join(connection.reader, connection.writer)))
}
