//! Is the reader of what the projection stores: one value of a sound index is the fuzzer's, and everything is asked; then
//! the follower goes on from there. An answer or a fault, never anything else.

use crate::{
    Target,
    bytes::Choices,
    seeds::{self, Followed},
};
use std::sync::OnceLock;
use tallystick_core::PayeeId;
use tallystick_projection::{Follower, Options};

pub(super) const TARGET: Target = Target {
    name: "index",
    // The index is copied, each question reads a chunk of it, and the follower reads the journal on.
    bytes_most: (2 << 20, 4_096),
    prepare: || _ = start(),
    read,
};

fn start() -> &'static Followed {
    static START: OnceLock<Followed> = OnceLock::new();
    START.get_or_init(|| seeds::followed(&seeds::ledger()))
}

fn read(bytes: &[u8]) {
    let start = start();
    let mut choices = Choices::new(bytes);
    let (nth, cursor_stays) = (choices.below(start.entries), choices.flag());
    let store = start.copy();
    store.tamper(|entries| {
        let place = entries.keys().nth(nth).cloned();
        if let Some(value) = place.and_then(|place| entries.get_mut(&place)) {
            *value = choices.rest().to_vec();
        }
    });
    let Ok(mut follower) = Follower::open(start.parts(&store), Options::default()) else { return };
    let lookups = follower.lookups();
    for (session, payee, seq) in &start.debits {
        let _: (_, &PayeeId) = (lookups.by_id(session.debit(*seq), 0), payee);
        let _ = lookups.list(*session, 0, 100, 0);
    }
    for (session, key) in &start.keys {
        let _ = lookups.by_key(*session, key, 0);
    }
    for (session, writer) in &start.numbers {
        let _ = lookups.by_number(*session, *writer, 1, 0);
    }
    for _ in 0..16 {
        if !cursor_stays
            || !matches!(follower.step(start.last_seq), Ok(tallystick_projection::Step::Followed))
        {
            break;
        }
    }
}
