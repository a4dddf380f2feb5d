//! Owns: a connection's bytes, and when it has to end without HTTP/2 having a say: it never began to speak, it takes
//! nothing of what is sent to it, or somebody hung up. Never: looks into the bytes; adds to what reading costs but a test.

use super::{
    counts::{Counts, Why},
    doors::Place,
};
use crate::config::Network;
use std::{
    future::Future as _,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tallystick_rpc::Peer;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};
use tonic::transport::server::Connected;

/// Is what a caller of HTTP/2 sends first: 24 bytes that say so, and the head of its settings.
const HANDSHAKE_BYTES: usize = 24 + 9;

/// Says how long a connection may make us wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    handshake: Duration,
    unread: Duration,
}

impl Limits {
    /// Allows the same for both.
    pub(crate) const fn of(time: Duration) -> Self {
        Self { handshake: time, unread: time }
    }
}

impl From<&Network> for Limits {
    fn from(network: &Network) -> Self {
        Self { handshake: network.handshake_timeout, unread: network.stall_timeout }
    }
}

/// Is a connection that was let in.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    peer: Peer,
    _place: Place,
    counts: Arc<Counts>,
    /// How many bytes of its beginning have not come, and how long they may take; nothing once they have.
    handshake: Option<(usize, Pin<Box<Sleep>>)>,
    unread: Unread,
    /// Who is woken when somebody hangs up.
    reader: Option<Waker>,
}

/// Watches what is sent. Its timer runs on while bytes leave, and is set anew when it rings.
#[derive(Debug)]
struct Unread {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Grows with whatever leaves.
    sent: u64,
    /// What it was when the timer was set.
    sent_then: u64,
}

impl Connection {
    pub(super) fn new(
        socket: TcpStream,
        peer: Peer,
        place: Place,
        limits: Limits,
        counts: Arc<Counts>,
    ) -> Self {
        let handshake = Some((HANDSHAKE_BYTES, Box::pin(sleep(limits.handshake))));
        let unread = Unread { limit: limits.unread, timer: None, sent: 0, sent_then: 0 };
        Self { socket, peer, _place: place, counts, handshake, unread, reader: None }
    }

    /// Returns where it comes from.
    pub(crate) fn from(&self) -> SocketAddr {
        self.peer.address()
    }

    fn end(&self, why: Why) -> Poll<io::Result<()>> {
        self.counts.count(why);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why.name())))
    }

    /// Looks for a reason to end while there is nothing to read.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            self.peer.wake_when_hung_up(cx);
            self.reader = Some(cx.waker().clone());
        }
        let timer = self.handshake.as_mut().map(|(_, timer)| timer.as_mut());
        if timer.is_some_and(|timer| timer.poll(cx).is_ready()) {
            return self.end(Why::Handshake);
        }
        Poll::Pending
    }

    /// Takes what a write came to.
    fn sent<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.unread.sent += 1;
            return written;
        }
        if self.unread.poll_over(cx) {
            return self.end(Why::Unread).map(|ended| ended.and(Err(io::ErrorKind::TimedOut.into())));
        }
        Poll::Pending
    }
}

impl Unread {
    /// Returns whether nothing has left for too long.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let Some(timer) = &mut self.timer else {
                self.timer = Some(Box::pin(sleep(self.limit)));
                self.sent_then = self.sent;
                continue;
            };
            if timer.as_mut().poll(cx).is_pending() {
                return false;
            }
            if self.sent == self.sent_then {
                return true;
            }
            timer.as_mut().reset(Instant::now() + self.limit);
            self.sent_then = self.sent;
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self;
        if me.peer.is_hung_up() {
            return me.end(Why::HungUp);
        }
        let before = buffer.filled().len();
        match Pin::new(&mut me.socket).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                if let Some((missing, _)) = &mut me.handshake {
                    *missing = missing.saturating_sub(buffer.filled().len() - before);
                    if *missing == 0 {
                        me.handshake = None;
                    }
                }
                Poll::Ready(read)
            }
            Poll::Pending => me.poll_end(cx),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.sent(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.sent(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}
