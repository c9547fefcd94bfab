//! Sockets without TLS. What is sent goes out at once if there is room, by whoever has it.
//!
//! Invariant: one reads and one writes. Who writes past the writer, with [`Direct`], does so only while the writer
//! has nothing to send.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// How much is read at least at once from a unix socket, and at most.
const LEAST: usize = 4 << 10;
const MOST: usize = 64 << 10;

/// A socket. A unix socket tells its owner that there is room whenever its peer has read something, which costs more
/// than sending does; so it is asked for that only while there is none.
#[derive(Debug)]
enum Socket {
    Unix(AsyncFd<StdUnixStream>),
    Tcp(TcpStream),
}

/// Both halves of a unix socket.
pub(super) fn unix(stream: UnixStream) -> io::Result<(PlainReader, PlainWriter)> {
    let stream = registered(stream.into_std()?, Interest::READABLE)?;
    Ok(halves(Socket::Unix(stream)))
}

#[allow(
    deprecated,
    reason = "what takes its place is unsafe, because a type could lie about its descriptor; this one does not"
)]
fn registered(stream: StdUnixStream, interest: Interest) -> io::Result<AsyncFd<StdUnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

/// Both halves of a TCP connection.
pub(super) fn tcp(stream: TcpStream) -> (PlainReader, PlainWriter) {
    halves(Socket::Tcp(stream))
}

fn halves(socket: Socket) -> (PlainReader, PlainWriter) {
    let socket = Arc::new(socket);
    let reader = PlainReader {
        socket: Arc::clone(&socket),
        next: LEAST,
    };
    (reader, PlainWriter { socket, room: None })
}

impl Socket {
    /// Sends what there is room for.
    fn try_send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            let sent = match self {
                Self::Unix(stream) => stream.get_ref().write_vectored(parts),
                Self::Tcp(stream) => stream.try_write_vectored(parts),
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent,
            }
        }
    }

    fn end_sending(&self) {
        // Whoever has left already need not be told.
        let _ = match self {
            Self::Unix(stream) => stream.get_ref().shutdown(Shutdown::Write),
            Self::Tcp(stream) => {
                let how = nix::sys::socket::Shutdown::Write;
                nix::sys::socket::shutdown(stream.as_raw_fd(), how).map_err(Into::into)
            }
        };
    }
}

/// A way to send that does not wait. It is for who knows that the [`Writer`](super::Writer) of the same connection
/// has nothing to send.
#[derive(Debug, Clone)]
pub struct Direct(Arc<Socket>);

impl Direct {
    /// Sends what there is room for, and says how many bytes that was.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room; what the system says.
    pub fn try_send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_send(parts)
    }
}

/// The receiving half.
pub(super) struct PlainReader {
    socket: Arc<Socket>,
    /// How much is read next from a unix socket: as much as comes.
    next: usize,
}

impl AsyncRead for PlainReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &*this.socket {
            Socket::Unix(stream) => poll_read_unix(stream, &mut this.next, context, buffer),
            Socket::Tcp(stream) => poll_read_tcp(stream, context, buffer),
        }
    }
}

fn poll_read_unix(
    stream: &AsyncFd<StdUnixStream>,
    next: &mut usize,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        let mut ready = ready!(stream.poll_read_ready(context))?;
        let room = buffer.initialize_unfilled_to(buffer.remaining().min(*next));
        let length = room.len();
        let Ok(read) = ready.try_io(|stream| stream.get_ref().read(room)) else {
            continue;
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
            Ok(read) => {
                if (1..length).contains(&read) {
                    // That was all; what comes now is told.
                    ready.clear_ready();
                }
                *next = if read == length { 2 * *next } else { *next / 2 }.clamp(LEAST, MOST);
                buffer.advance(read);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn poll_read_tcp(
    stream: &TcpStream,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(context))?;
        match stream.try_read_buf(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read.map(drop)),
        }
    }
}

/// The sending half. Dropping it says to the peer that nothing more comes.
pub(super) struct PlainWriter {
    socket: Arc<Socket>,
    /// Who waits for room in a unix socket.
    room: Option<AsyncFd<StdUnixStream>>,
}

impl PlainWriter {
    pub(super) fn direct(&self) -> Direct {
        Direct(Arc::clone(&self.socket))
    }

    /// Waits for room.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = match &*self.socket {
            Socket::Tcp(stream) => return stream.poll_write_ready(context),
            Socket::Unix(stream) => stream.get_ref(),
        };
        let room = match &self.room {
            Some(room) => room,
            None => {
                let waiting = registered(stream.try_clone()?, Interest::WRITABLE)?;
                self.room.insert(waiting)
            }
        };
        // What is there is looked at after this, and what comes later is told again.
        ready!(room.poll_write_ready(context))?.clear_ready();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PlainWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.socket.try_send(parts) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_room(context))?;
                }
                sent => {
                    self.room = None;
                    return Poll::Ready(sent);
                }
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.end_sending();
        Poll::Ready(Ok(()))
    }
}

impl Drop for PlainWriter {
    fn drop(&mut self) {
        self.socket.end_sending();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair() -> io::Result<((PlainReader, PlainWriter), (PlainReader, PlainWriter))> {
        let (a, b) = UnixStream::pair()?;
        Ok((unix(a)?, unix(b)?))
    }

    /// More than a socket holds, written past and with the writer, comes whole and in order.
    #[tokio::test]
    async fn a_full_socket_is_waited_for() -> io::Result<()> {
        let ((_reader, mut writer), (mut reader, _writer)) = pair()?;
        let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 251) as u8).collect();
        let direct = writer.direct();
        let mut sent = 0;
        loop {
            match direct.try_send(&[IoSlice::new(&bytes[sent..])]) {
                Ok(some) => sent += some,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        assert!((1..bytes.len()).contains(&sent), "{sent}");
        let rest = bytes[sent..].to_vec();
        let write = async move {
            writer.write_all(&rest).await?;
            assert!(writer.room.is_none());
            io::Result::Ok(())
        };
        let mut got = Vec::new();
        let read = async {
            while got.len() < bytes.len() {
                reader.read_buf(&mut got).await?;
            }
            // The writer is gone.
            assert_eq!(reader.read_buf(&mut got).await?, 0);
            io::Result::Ok(())
        };
        tokio::try_join!(write, read)?;
        assert!(got == bytes);
        Ok(())
    }

    #[tokio::test]
    async fn who_has_left_is_noticed() -> io::Result<()> {
        let ((_reader, mut writer), (reader, other)) = pair()?;
        drop((reader, other));
        let error = writer.write_all(b"x").await.expect_err("nobody is there");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        Ok(())
    }
}
