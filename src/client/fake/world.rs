//! Owns: the fake's state and rules; each is the shortest form that the contract allows.
//! Never: waits or answers anyone.

use prost::Message as _;
use std::{
    collections::{BTreeMap, VecDeque},
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    path::Path,
};
use tallystick_proto::v1::{
    self, DeclineCode, Outcome, Refusal, authorize_request::Intent, debit_result_ext::refuse,
};

/// Breaks something at one batch, counted over all streams from 1.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "the stand-alone fake breaks nothing by itself")]
pub(crate) enum Fault {
    /// The stream ends before the batch is decided.
    DropBefore(u64),
    /// The batch is decided and the stream ends before anybody hears it.
    DropAfter(u64),
    /// The item of this place and the rest of its session are shed.
    Shed(u64, usize),
    /// The stream ends when the nth positions request comes.
    DropAtPositions(u64),
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) payees: BTreeMap<String, Payee>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) writers: BTreeMap<String, u32>,
    keys: BTreeMap<String, String>,
    pub(crate) seq: u64,
    log: Option<File>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) batches_seen: u64,
    pub(crate) positions_seen: u64,
    pub(crate) replays: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) deposited: u128,
    pub(crate) reserved: u128,
    pub(crate) spent: u128,
}

#[derive(Clone, Default)]
pub(crate) struct Payee {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) payable: u128,
}

#[derive(Default)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) cap: u64,
    pub(crate) spent: u64,
    default_payee_cap: u64,
    payee_caps: BTreeMap<String, u64>,
    pub(crate) lines: BTreeMap<String, (u64, u64)>,
    pub(crate) places: BTreeMap<String, Place>,
    keys: BTreeMap<String, Memory>,
    pub(crate) settled: bool,
}

/// Where one writer stands in a session, and what may still be asked again.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) last: u64,
    pub(crate) window: VecDeque<Memory>,
}

#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) number: u64,
    payee: String,
    amount: u64,
    outcome: Outcome,
    code: DeclineCode,
    seq: u64,
}
