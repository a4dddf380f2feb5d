//! Owns: the keys that bound the network. Never: what follows from them; `config::network` says that.

use super::{Key, number};
use tallystick_rpc::Limits;

pub(in super::super) const CONNECTIONS_MAX: Key = Key {
    name: "connections_max",
    flag: "connections-max",
    help: "Connections at once; one more is told so and closed",
    rule: number(1, 1_000_000, ""),
    default: || Some("4096".into()),
};
pub(in super::super) const CONNECTIONS_PER_ADDRESS_MAX: Key = Key {
    name: "connections_per_address_max",
    flag: "connections-per-address-max",
    help: "Connections at once of one address (one /64 with IPv6), so that one cannot take them all",
    rule: number(1, 1_000_000, ""),
    default: || Some("1024".into()),
};
pub(in super::super) const CALLS_PER_CONNECTION_MAX: Key = Key {
    name: "calls_per_connection_max",
    flag: "calls-per-connection-max",
    help: "Calls of one connection at once, streams included; more wait at the caller's",
    rule: number(1, 65_536, ""),
    default: || Some("1024".into()),
};
pub(in super::super) const CALLS_MAX: Key = Key {
    name: "calls_max",
    flag: "calls-max",
    help: "Calls at once over all connections, streams included; beyond it, or a quarter of it for one address, they are refused",
    rule: number(4, 10_000_000, ""),
    default: || Some(Limits::default().calls_max.to_string()),
};
pub(in super::super) const RECEIVE_BYTES_MAX: Key = Key {
    name: "receive_bytes_max",
    flag: "receive-bytes-max",
    help: "What HTTP/2 may hold unread over all connections; each has its part as a window, never below 64 KiB",
    rule: number(1_048_576, 1_099_511_627_776, " bytes"),
    default: || Some("4294967296".into()),
};
pub(in super::super) const ARRIVING_BYTES_MAX: Key = Key {
    name: "arriving_bytes_max",
    flag: "arriving-bytes-max",
    help: "Messages that have not come whole, over all calls; beyond it they are refused",
    rule: number(1_048_576, 68_719_476_736, " bytes"),
    default: || Some(Limits::default().arriving_bytes_max.to_string()),
};
pub(in super::super) const MESSAGE_BYTES_MAX: Key = Key {
    name: "message_bytes_max",
    flag: "message-bytes-max",
    help: "One request message",
    rule: number(65_536, 4_194_304, " bytes"),
    default: || Some(Limits::default().message_bytes_max.to_string()),
};
pub(in super::super) const HEADER_BYTES_MAX: Key = Key {
    name: "header_bytes_max",
    flag: "header-bytes-max",
    help: "The headers of one call",
    rule: number(1_024, 1_048_576, " bytes"),
    default: || Some("16384".into()),
};
pub(in super::super) const PENDING_RESETS_MAX: Key = Key {
    name: "pending_resets_max",
    flag: "pending-resets-max",
    help: "Calls of a connection reset before they were looked at; beyond it the connection is told to calm down, and closed",
    rule: number(1, 10_000, ""),
    default: || Some("20".into()),
};
pub(in super::super) const HANDSHAKE_TIMEOUT_MS: Key = Key {
    name: "handshake_timeout_ms",
    flag: "handshake-timeout-ms",
    help: "How long a connection may take to say that it speaks HTTP/2",
    rule: number(100, 600_000, " milliseconds"),
    default: || Some("10000".into()),
};
pub(in super::super) const ARRIVAL_TIMEOUT_MS: Key = Key {
    name: "arrival_timeout_ms",
    flag: "arrival-timeout-ms",
    help: "How long a message may take to come whole; a stream may rest between messages",
    rule: number(100, 600_000, " milliseconds"),
    default: || Some(Limits::default().arrival_timeout.as_millis().to_string()),
};
pub(in super::super) const KEEPALIVE_EVERY_MS: Key = Key {
    name: "keepalive_every_ms",
    flag: "keepalive-every-ms",
    help: "After how long a silent connection is asked whether it is still there",
    rule: number(100, 3_600_000, " milliseconds"),
    default: || Some("20000".into()),
};
pub(in super::super) const KEEPALIVE_TIMEOUT_MS: Key = Key {
    name: "keepalive_timeout_ms",
    flag: "keepalive-timeout-ms",
    help: "How long it has to answer that",
    rule: number(100, 600_000, " milliseconds"),
    default: || Some("20000".into()),
};
pub(in super::super) const STALL_TIMEOUT_MS: Key = Key {
    name: "stall_timeout_ms",
    flag: "stall-timeout-ms",
    help: "How long a stream's answers may stand unread before it is ended, and a connection's before it is closed",
    rule: number(100, 600_000, " milliseconds"),
    default: || Some(Limits::default().stall_timeout.as_millis().to_string()),
};
pub(in super::super) const STALL_TIMEOUT_PRESSED_MS: Key = Key {
    name: "stall_timeout_pressed_ms",
    flag: "stall-timeout-pressed-ms",
    help: "The same for streams while other streams wait for room",
    rule: number(100, 600_000, " milliseconds"),
    default: || Some(Limits::default().stall_timeout_pressed.as_millis().to_string()),
};
