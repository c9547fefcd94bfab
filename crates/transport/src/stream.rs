//! Connecting and listening.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::Remote;

/// The receiving half of a connection.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// The sending half of a connection.
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// A stream of bytes to a peer.
pub struct Connection {
    /// What the peer sends.
    pub reader: Reader,
    /// What goes to the peer.
    pub writer: Writer,
    /// The peer, for log lines.
    pub peer: String,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connection").field(&self.peer).finish()
    }
}

impl Connection {
    /// Connects to an active address.
    ///
    /// # Errors
    /// What the system says; `Unsupported` for `ssl:` and for passive addresses.
    pub async fn connect(remote: &Remote) -> io::Result<Self> {
        let peer = remote.to_string();
        match remote {
            Remote::Unix(path) => Ok(Self::unix(UnixStream::connect(path).await?, peer)),
            Remote::Tcp(host, port) => {
                Self::tcp(TcpStream::connect((host.as_str(), *port)).await?, peer)
            }
            Remote::Ssl(..) => Err(unsupported("ssl")),
            _ => Err(unsupported("connecting to a passive address")),
        }
    }

    fn unix(stream: UnixStream, peer: String) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader: Box::new(reader),
            writer: Box::new(writer),
            peer,
        }
    }

    fn tcp(stream: TcpStream, peer: String) -> io::Result<Self> {
        // Requests and replies are small and are waited for.
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self {
            reader: Box::new(reader),
            writer: Box::new(writer),
            peer,
        })
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
}

impl Listener {
    /// Listens at a passive address, in place of a socket that a dead process left.
    ///
    /// # Errors
    /// What the system says; `Unsupported` for `pssl:` and for active addresses.
    pub async fn bind(remote: &Remote) -> io::Result<Self> {
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
            Remote::PassiveTcp(host, port) => {
                let host = if host.is_empty() { "0.0.0.0" } else { host };
                let listener = TcpListener::bind((host, *port)).await?;
                let chosen = listener.local_addr()?.port();
                // Scripts that let the kernel choose find the port in this line.
                tracing::info!(target: "socket_util", "{port}:{host}: listening on port {chosen}");
                Socket::Tcp(listener)
            }
            Remote::PassiveSsl(..) => return Err(unsupported("ssl")),
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
            Socket::Tcp(listener) => listener.local_addr().ok().map(|address| address.port()),
        }
    }

    /// The next peer that connects. Cancelling loses none.
    ///
    /// # Errors
    /// What the system says; most often that there are no descriptors left.
    pub async fn accept(&self) -> io::Result<Connection> {
        match &self.socket {
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let serial = self
                    .accepted
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                // Peers of a unix socket have no name, so they are numbered, as OVS does.
                Ok(Connection::unix(stream, format!("unix#{serial}")))
            }
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Connection::tcp(stream, format!("tcp:{address}"))
            }
        }
    }

    /// The address that was asked for.
    #[must_use]
    pub fn remote(&self) -> &Remote {
        &self.remote
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.socket {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn unsupported(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("not supported: {what} yet"),
    )
}

/// The text of an error as `strerror` has it, which scripts that read log lines expect.
#[must_use]
pub fn error_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    }
}
