//! Connecting and listening.

mod half;
mod plain;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::Remote;
use crate::tls::{Connector, Tls, explain, names};

pub use half::{Reader, Writer};
pub use plain::Direct;

/// How long a handshake may take.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// A stream of bytes to a peer.
pub struct Connection {
    /// What the peer sends.
    pub reader: Reader,
    /// What goes to the peer.
    pub writer: Writer,
    /// The peer, for log lines.
    pub peer: String,
    /// Who the peer is: the common name of its certificate, if TLS has checked one.
    pub id: Option<String>,
    /// Names and addresses that the certificate has besides.
    pub other_names: Vec<String>,
    /// The number of the user at the other end of a unix socket.
    pub user: Option<u32>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connection").field(&self.peer).finish()
    }
}

impl Connection {
    /// Connects to an active address; `tls` is for `ssl:`.
    ///
    /// # Errors
    /// What the system says, or what is wrong with the peer's certificate or ours; `Unsupported` for passive
    /// addresses.
    pub async fn connect(remote: &Remote, tls: &Tls) -> io::Result<Self> {
        let peer = remote.to_string();
        match remote {
            Remote::Unix(path) => Self::unix(UnixStream::connect(path).await?, peer),
            Remote::Tcp(host, port) => {
                Self::tcp(TcpStream::connect((host.as_str(), *port)).await?, peer)
            }
            Remote::Ssl(host, port) => Self::ssl(host, *port, tls, peer).await,
            _ => Err(unsupported("connecting to a passive address")),
        }
    }

    fn unix(stream: UnixStream, peer: String) -> io::Result<Self> {
        let user = stream.peer_cred()?.uid();
        Ok(Self {
            user: Some(user),
            ..Self::plain(plain::unix(stream)?, peer)
        })
    }

    fn tcp(stream: TcpStream, peer: String) -> io::Result<Self> {
        // Requests and replies are small and are waited for.
        stream.set_nodelay(true)?;
        Ok(Self::plain(plain::tcp(stream), peer))
    }

    fn plain((reader, writer): (plain::PlainReader, plain::PlainWriter), peer: String) -> Self {
        Self {
            reader: Box::new(reader),
            writer: Writer::plain(writer),
            peer,
            id: None,
            other_names: Vec::new(),
            user: None,
        }
    }

    async fn ssl(host: &str, port: u16, tls: &Tls, peer: String) -> io::Result<Self> {
        let connector = tls.connector()?;
        let learns = connector.bootstrap.is_some();
        let connected = Self::ssl_once(host, port, connector, &peer).await?;
        if !learns {
            return Ok(connected);
        }
        // What was sent so far went to somebody who is trusted only from now on: nothing.
        drop(connected);
        let connector = tls.connector()?;
        if connector.bootstrap.is_some() {
            return Err(io::Error::other(
                "the authority of the peer is still unknown",
            ));
        }
        Self::ssl_once(host, port, connector, &peer).await
    }

    async fn ssl_once(host: &str, port: u16, connector: Connector, peer: &str) -> io::Result<Self> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        // Who is asked for by address is not told a name.
        let address = ServerName::IpAddress(stream.peer_addr()?.ip().into());
        let name = ServerName::try_from(host.to_owned()).unwrap_or(address);
        let handshake = TlsConnector::from(connector.config).connect(name, stream);
        let stream = within(handshake).await?;
        let chain = stream.get_ref().1.peer_certificates();
        if let Some(path) = &connector.bootstrap {
            Tls::learn(path, chain.unwrap_or_default())?;
        }
        let (id, other_names) = identity(chain);
        let (reader, writer) = tokio::io::split(stream);
        Ok(Self {
            reader: half::reader(reader),
            writer: Writer::buffering(writer),
            peer: peer.to_owned(),
            id,
            other_names,
            user: None,
        })
    }
}

fn identity(chain: Option<&[CertificateDer<'_>]>) -> (Option<String>, Vec<String>) {
    let names = chain.and_then(<[_]>::first).map(names).unwrap_or_default();
    (names.common, names.others)
}

async fn within<T>(handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(HANDSHAKE, handshake).await {
        Ok(result) => result.map_err(explain),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no TLS handshake within {HANDSHAKE:?}"),
        )),
    }
}

/// A listening socket. Dropping one of `punix:` removes its file.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    remote: Remote,
    accepted: std::sync::atomic::AtomicU64,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
    Ssl(TcpListener, Tls),
}

/// A peer that has connected, before anything was said.
#[derive(Debug)]
pub struct Arrival {
    peer: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Plain(Connection),
    Ssl(TcpStream, Tls),
}

impl Listener {
    /// Listens at a passive address, in place of a socket that a dead process left; `tls` is for `pssl:`.
    ///
    /// Certificates that cannot be used are a line in the log; peers are refused until they can.
    ///
    /// # Errors
    /// What the system says; `Unsupported` for active addresses.
    pub async fn bind(remote: &Remote, tls: &Tls) -> io::Result<Self> {
        let socket = match remote {
            Remote::PassiveUnix(path) => {
                let stale =
                    std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
                if stale {
                    std::fs::remove_file(path)?;
                }
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o770))?;
                Socket::Unix(listener, path.clone())
            }
            Remote::PassiveTcp(host, port) => Socket::Tcp(listen(host, *port).await?),
            Remote::PassiveSsl(host, port) => {
                let listener = listen(host, *port).await?;
                if let Err(error) = tls.acceptor() {
                    tracing::error!(target: "stream_ssl", "{remote}: clients are refused until this is mended: {error}");
                }
                Socket::Ssl(listener, tls.clone())
            }
            _ => return Err(unsupported("listening at an active address")),
        };
        Ok(Self {
            socket,
            remote: remote.clone(),
            accepted: 0.into(),
        })
    }

    /// The TCP port, which the kernel chose if the address has port 0.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.socket {
            Socket::Unix(..) => None,
            Socket::Tcp(listener) | Socket::Ssl(listener, _) => {
                listener.local_addr().ok().map(|address| address.port())
            }
        }
    }

    /// The next peer that connects. Cancelling loses none.
    ///
    /// # Errors
    /// What the system says; most often that there are no descriptors left.
    pub async fn accept(&self) -> io::Result<Arrival> {
        match &self.socket {
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let serial = self
                    .accepted
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                // Peers of a unix socket have no name, so they are numbered, as OVS does.
                let connection = Connection::unix(stream, format!("unix#{serial}"))?;
                Ok(Arrival::plain(connection))
            }
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                let connection = Connection::tcp(stream, format!("tcp:{address}"))?;
                Ok(Arrival::plain(connection))
            }
            Socket::Ssl(listener, tls) => {
                let (stream, address) = listener.accept().await?;
                Ok(Arrival::ssl(stream, address, tls))
            }
        }
    }

    /// The address that was asked for.
    #[must_use]
    pub fn remote(&self) -> &Remote {
        &self.remote
    }
}

impl Arrival {
    fn plain(connection: Connection) -> Self {
        Self {
            peer: connection.peer.clone(),
            kind: Kind::Plain(connection),
        }
    }

    fn ssl(stream: TcpStream, address: SocketAddr, tls: &Tls) -> Self {
        Self {
            peer: format!("ssl:{address}"),
            kind: Kind::Ssl(stream, tls.clone()),
        }
    }

    /// The peer, for log lines.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Whether a handshake comes first, which the peer can draw out.
    #[must_use]
    pub const fn has_handshake(&self) -> bool {
        matches!(self.kind, Kind::Ssl(..))
    }

    /// Makes the connection of it, within [`HANDSHAKE`].
    ///
    /// # Errors
    /// Why there can be none: the peer, or our own certificates.
    pub async fn establish(self) -> io::Result<Connection> {
        let (stream, tls) = match self.kind {
            Kind::Plain(connection) => return Ok(connection),
            Kind::Ssl(stream, tls) => (stream, tls),
        };
        stream.set_nodelay(true)?;
        let acceptor = tls.acceptor()?;
        let stream = within(TlsAcceptor::from(acceptor).accept(stream)).await?;
        let (id, other_names) = identity(stream.get_ref().1.peer_certificates());
        let (reader, writer) = tokio::io::split(stream);
        Ok(Connection {
            reader: half::reader(reader),
            writer: Writer::buffering(writer),
            peer: self.peer,
            id,
            other_names,
            user: None,
        })
    }
}

async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let listener = TcpListener::bind((host, port)).await?;
    let chosen = listener.local_addr()?.port();
    // Scripts that let the kernel choose find the port in this line.
    tracing::info!(target: "socket_util", "{port}:{host}: listening on port {chosen}");
    Ok(listener)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.socket {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn unsupported(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("not supported: {what}"))
}

/// The name of a user of this machine, or the number of one that has no name. Blocks for as long as the system looks it
/// up.
#[must_use]
pub fn user_name(number: u32) -> String {
    let user = nix::unistd::User::from_uid(number.into()).ok().flatten();
    user.map_or_else(|| number.to_string(), |user| user.name)
}

/// The text of an error as `strerror` has it, which scripts that read log lines expect.
#[must_use]
pub fn error_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    }
}
