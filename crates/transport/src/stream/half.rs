//! The two halves of a connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::plain::{Direct, PlainWriter};

/// The receiving half of a connection.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// The sending half of a connection.
///
/// TLS takes bytes and may hold what it made of them: [`Writer::holds`] says so, and who is done with writing
/// goes on with [`Writer::send`], or flushes.
pub struct Writer {
    inner: Box<dyn AsyncWrite + Send + Unpin>,
    direct: Option<Direct>,
    buffers: bool,
    holds: bool,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("holds", &self.holds)
            .finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn plain(inner: PlainWriter) -> Self {
        Self {
            direct: Some(inner.direct()),
            inner: Box::new(inner),
            buffers: false,
            holds: false,
        }
    }

    pub(super) fn buffering(inner: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            inner: Box::new(inner),
            direct: None,
            buffers: true,
            holds: false,
        }
    }

    /// A way to send past this one; with TLS there is none.
    #[must_use]
    pub fn direct(&self) -> Option<Direct> {
        self.direct.clone()
    }

    /// Whether something that was written may not be on its way yet.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.holds
    }

    /// Sends a part of `output`; or, when that is empty, what is held. Cancelling loses nothing.
    ///
    /// # Errors
    /// What the system says; `WriteZero` when the peer takes nothing any more.
    pub async fn send(&mut self, output: &mut (impl Buf + Send)) -> io::Result<()> {
        if !output.has_remaining() {
            return self.flush().await;
        }
        match self.write_buf(output).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(()),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        self.holds = self.buffers;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(context, parts))?;
        self.holds = self.buffers;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(context))?;
        self.holds = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

pub(super) fn reader(inner: impl AsyncRead + Send + Unpin + 'static) -> Reader {
    Box::new(TlsReader(inner))
}

/// The end of the stream is the end, also without a farewell of TLS: messages have an end of their own, and
/// peers of Open vSwitch often leave without.
struct TlsReader<R>(R);

impl<R: AsyncRead + Unpin> AsyncRead for TlsReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(context, buffer)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(crate::tls::explain(error))),
            Ok(()) => Poll::Ready(Ok(())),
        }
    }
}
