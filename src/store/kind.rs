//! Owns: the list of what the index stores, one file for each kind, and the numbers that tell them apart.
//! Never: an open database. A number once used stays reserved when its kind retires.

pub(crate) mod command_key;
pub(crate) mod floor;
pub(crate) mod head;
pub(crate) mod projected;
pub(crate) mod row;
pub(crate) mod settlement;
pub(crate) mod settlement_seq;

/// Numbers a checkpoint's head. First byte of its key, and part of its checksum.
const HEAD: u8 = 1;
/// Numbers a checkpoint's row. First byte of its key, and part of its checksum.
const ROW: u8 = 2;
/// Numbers a settlement by id. Part of its checksum.
const SETTLEMENT: u8 = 3;
/// Numbers a settlement's place by seq. Part of its checksum.
const SETTLEMENT_SEQ: u8 = 4;
/// Numbers the durable floor. Part of its checksum.
const FLOOR: u8 = 5;
/// Numbers a command's key. Part of its checksum.
const COMMAND_KEY: u8 = 6;
/// Numbers an entry of a projection. Part of its checksum.
const PROJECTED: u8 = 7;
