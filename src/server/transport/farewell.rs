//! Owns: what a connection hears that is not let in: HTTP/2's own words for it, `GOAWAY` with `ENHANCE_YOUR_CALM` and the
//! reason, so that a client reports that and not a lost connection. Never: more of them at once than a few; whoever comes
//! when all are taken is closed without a word.

use super::counts::Why;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// How many are told at once.
const AT_ONCE: usize = 64;
/// How long one is given to take it.
const LINGER: Duration = Duration::from_secs(1);
/// How much of what it sent is read before it is closed; what is unread makes the system take our words back.
const READ_BYTES_MAX: usize = 64 << 10;

const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const GOAWAY: u8 = 7;
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// Tells those who are not let in.
#[derive(Debug)]
pub(super) struct Farewells(Arc<Semaphore>);

impl Default for Farewells {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Farewells {
    /// Tells one, in the background.
    pub(super) fn tell(&self, socket: TcpStream, why: Why) {
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else { return };
        tokio::spawn(async move {
            // Whoever does not take it is gone, or will see the end.
            let _ = timeout(LINGER, say(socket, why)).await;
            drop(permit);
        });
    }
}

async fn say(mut socket: TcpStream, why: Why) -> std::io::Result<()> {
    socket.write_all(&words(why)).await?;
    socket.shutdown().await?;
    let (mut read, mut buffer) = (0, [0; 1_024]);
    while read < READ_BYTES_MAX {
        match socket.read(&mut buffer).await? {
            0 => break,
            bytes => read += bytes,
        }
    }
    Ok(())
}

fn words(why: Why) -> Vec<u8> {
    let reason: &[u8] = match why {
        Why::AddressFull => b"too many connections of this address",
        Why::Full | Why::Handshake | Why::Unread | Why::HungUp => b"too many connections",
    };
    // Last stream, error, reason; no reason is longer than a byte can say.
    let length = u8::try_from(8 + reason.len()).unwrap_or(u8::MAX);
    let mut words = SETTINGS.to_vec();
    words.extend([0, 0, length, GOAWAY, 0, 0, 0, 0, 0]);
    words.extend(0_u32.to_be_bytes());
    words.extend(ENHANCE_YOUR_CALM.to_be_bytes());
    words.extend(reason);
    words
}
