//! Owns: what the face knows of a connection: whose it is, how many calls its address has, and how to hang up on it.
//! Never: the socket; whoever reads it asks `is_hung_up`.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

/// Is the other end of a connection. It travels in the extensions of each of its requests.
#[derive(Clone)]
pub struct Peer(Arc<Connection>);

struct Connection {
    address: SocketAddr,
    /// Calls of all connections of this address.
    calls: Arc<AtomicUsize>,
    is_hung_up: AtomicBool,
    // LOCK: held to exchange the waker, when the connection's task changes and when somebody hangs up; never for a message.
    reader: Mutex<Option<Waker>>,
}

impl Peer {
    /// Knows a connection. `calls` is shared by all connections of the same address.
    pub fn new(address: SocketAddr, calls: Arc<AtomicUsize>) -> Self {
        let (is_hung_up, reader) = (AtomicBool::new(false), Mutex::new(None));
        Self(Arc::new(Connection { address, calls, is_hung_up, reader }))
    }

    /// Returns where it comes from.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Ends the connection, with all its calls: it reads no more.
    pub fn hang_up(&self) {
        self.0.is_hung_up.store(true, Ordering::Release);
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Returns whether somebody hung up. *Cost*: a load.
    pub fn is_hung_up(&self) -> bool {
        self.0.is_hung_up.load(Ordering::Acquire)
    }

    /// Remembers whom to wake when somebody hangs up.
    pub fn wake_when_hung_up(&self, cx: &Context<'_>) {
        *self.0.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        // ORDER: after the waker is there: who hung up before has woken nobody.
        if self.is_hung_up() {
            cx.waker().wake_by_ref();
        }
    }

    pub(crate) fn calls(&self) -> &AtomicUsize {
        &self.0.calls
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.0.address).finish()
    }
}
