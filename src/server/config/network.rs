//! Owns: what an operator may bound of the network, and how the bounds hang together. Never: a bound that is not kept.

use super::{
    key::{self, Value},
    sources::Reader,
};
use std::time::Duration;

/// Is the least that HTTP/2 lets a connection's window be.
const WINDOW_BYTES_MIN: usize = 65_535;
/// More than this, no connection needs.
const WINDOW_BYTES_MAX: usize = 16 << 20;
/// Room for a few full batches of one stream, so that a window update is never what a writer waits for.
const STREAM_WINDOW_BYTES_MAX: usize = 4 << 20;

/// Is how much of the server the network may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once of one address; of one /64 with IPv6.
    pub connections_per_address_max: usize,
    /// Calls of one connection at once.
    pub calls_per_connection_max: usize,
    /// Calls at once, over all connections.
    pub calls_max: usize,
    /// Bytes that HTTP/2 may hold unread, over all connections; each has its part as a window.
    pub receive_bytes_max: usize,
    /// Bytes of messages that have not come whole, over all calls.
    pub arriving_bytes_max: usize,
    /// Bytes of one message.
    pub message_bytes_max: usize,
    /// Bytes of a call's headers.
    pub header_bytes_max: usize,
    /// Calls of a connection that were reset before they were looked at.
    pub pending_resets_max: usize,
    /// How long a connection may take to say that it speaks HTTP/2.
    pub handshake_timeout: Duration,
    /// How long a message may take to come.
    pub arrival_timeout: Duration,
    /// After how long a silent connection is asked whether it is still there.
    pub keepalive_every: Duration,
    /// How long it has to answer.
    pub keepalive_timeout: Duration,
    /// How long answers may stand unread.
    pub stall_timeout: Duration,
    /// The same while other streams wait for room.
    pub stall_timeout_pressed: Duration,
}

impl Network {
    /// Reads every key, so that a problem with one does not hide the others'.
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let mut size = |key| reader.read(key).and_then(Value::size);
        let connections_max = size(&key::CONNECTIONS_MAX);
        let connections_per_address_max = size(&key::CONNECTIONS_PER_ADDRESS_MAX);
        let calls_per_connection_max = size(&key::CALLS_PER_CONNECTION_MAX);
        let calls_max = size(&key::CALLS_MAX);
        let receive_bytes_max = size(&key::RECEIVE_BYTES_MAX);
        let arriving_bytes_max = size(&key::ARRIVING_BYTES_MAX);
        let message_bytes_max = size(&key::MESSAGE_BYTES_MAX);
        let header_bytes_max = size(&key::HEADER_BYTES_MAX);
        let pending_resets_max = size(&key::PENDING_RESETS_MAX);
        let mut time = |key| reader.read(key).and_then(Value::millis);
        let handshake_timeout = time(&key::HANDSHAKE_TIMEOUT_MS);
        let arrival_timeout = time(&key::ARRIVAL_TIMEOUT_MS);
        let keepalive_every = time(&key::KEEPALIVE_EVERY_MS);
        let keepalive_timeout = time(&key::KEEPALIVE_TIMEOUT_MS);
        let stall_timeout = time(&key::STALL_TIMEOUT_MS);
        let stall_timeout_pressed = time(&key::STALL_TIMEOUT_PRESSED_MS);
        Some(Self {
            connections_max: connections_max?,
            connections_per_address_max: connections_per_address_max?,
            calls_per_connection_max: calls_per_connection_max?,
            calls_max: calls_max?,
            receive_bytes_max: receive_bytes_max?,
            arriving_bytes_max: arriving_bytes_max?,
            message_bytes_max: message_bytes_max?,
            header_bytes_max: header_bytes_max?,
            pending_resets_max: pending_resets_max?,
            handshake_timeout: handshake_timeout?,
            arrival_timeout: arrival_timeout?,
            keepalive_every: keepalive_every?,
            keepalive_timeout: keepalive_timeout?,
            stall_timeout: stall_timeout?,
            stall_timeout_pressed: stall_timeout_pressed?,
        })
    }

    /// Returns the window of a connection, and of each of its streams: half of it, so that one stream that is not read
    /// does not take all of its connection's.
    pub(crate) fn windows(&self) -> (u32, u32) {
        let part = self.receive_bytes_max / self.connections_max.max(1);
        let of_connection = part.clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX);
        let of_stream = (of_connection / 2).clamp(WINDOW_BYTES_MIN, STREAM_WINDOW_BYTES_MAX);
        (narrow(of_connection), narrow(of_stream))
    }
}

/// Makes a setting of HTTP/2's out of a bound; the rules of the keys keep them far below.
pub(crate) fn narrow(bound: usize) -> u32 {
    u32::try_from(bound).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, load};

    fn network(given: &[(&str, &str)]) -> Network {
        let given = given.iter().map(|(name, value)| (*name, (*value).to_owned()));
        load(&Flags::new(given.chain([("data", "/d".to_owned())])), |_| None).unwrap().config.network
    }

    #[test]
    fn windows_keep_the_sum_over_all_connections() {
        let default = network(&[]);
        let (of_connection, of_stream) = default.windows();
        assert_eq!((of_connection, of_stream), (1 << 20, 1 << 19));
        assert!(of_connection as usize * default.connections_max <= default.receive_bytes_max);
        let few = network(&[("connections_max", "16")]);
        assert_eq!(few.windows(), (16 << 20, 4 << 20));
        let many = network(&[("connections_max", "1000000")]);
        assert_eq!(many.windows(), (65_535, 65_535), "HTTP/2 allows no less");
    }
}
