//! Owns: taking connections: each is let in with a place of its own, or told why not. Never: waits for one of them.

use super::{
    connection::{Connection, Limits},
    counts::{Counts, Why},
    doors::Doors,
    farewell::Farewells,
};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Sleep, sleep},
};
use tokio_stream::Stream;

/// How long nothing is taken after the system could give nothing: asking again at once would take a core.
const REST: Duration = Duration::from_millis(100);

/// Takes connections from a listener.
#[derive(Debug)]
pub(crate) struct Incoming {
    listener: TcpListener,
    doors: Doors,
    limits: Limits,
    counts: Arc<Counts>,
    /// Nothing where HTTP/2 is not spoken.
    farewells: Option<Farewells>,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    pub(crate) fn new(
        listener: TcpListener,
        doors: Doors,
        limits: impl Into<Limits>,
        counts: Arc<Counts>,
    ) -> Self {
        let (limits, farewells) = (limits.into(), Some(Farewells::default()));
        Self { listener, doors, limits, counts, farewells, rest: None }
    }

    /// Closes those that are not let in without a word.
    pub(crate) fn without_words(self) -> Self {
        Self { farewells: None, ..self }
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn let_in(&self, socket: TcpStream, from: SocketAddr) -> Option<Connection> {
        match self.doors.enter(from) {
            Ok((place, peer)) => {
                self.counts.count_accepted();
                // Small answers go out at once instead of waiting to be gathered; without it they are only later.
                let _ = socket.set_nodelay(true);
                Some(Connection::new(socket, peer, place, self.limits, Arc::clone(&self.counts)))
            }
            Err(why) => {
                self.refuse(socket, why);
                None
            }
        }
    }

    fn refuse(&self, socket: TcpStream, why: Why) {
        self.counts.count(why);
        if let Some(farewells) = &self.farewells {
            farewells.tell(socket, why);
        }
    }
}

/// Returns whether a failure is of one connection, which is gone, and not of the system.
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::ConnectionAborted | Kind::ConnectionReset | Kind::ConnectionRefused)
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let me = &mut *self;
        loop {
            if let Some(rest) = &mut me.rest {
                ready!(rest.as_mut().poll(cx));
                me.rest = None;
            }
            match ready!(me.listener.poll_accept(cx)) {
                Ok((socket, from)) => {
                    if let Some(connection) = me.let_in(socket, from) {
                        return Poll::Ready(Some(Ok(connection)));
                    }
                }
                Err(error) if is_of_one(&error) => {}
                Err(error) => {
                    me.counts.count_failure();
                    tracing::debug!(%error, "no connection can be taken now");
                    me.rest = Some(Box::pin(sleep(REST)));
                }
            }
        }
    }
}
