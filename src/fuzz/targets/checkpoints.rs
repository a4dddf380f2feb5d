//! Is taking a partition up from a checkpoint: a head and rows that were read well and may lie all the same. What is taken
//! up is sound, or refused.

use crate::{
    Target,
    bytes::Choices,
    ledger::{NUMBERS, Stored, load, stored},
    seeds,
    targets::rows::TABLES,
};
use std::sync::OnceLock;
use tallystick_core::Time;

pub(super) const TARGET: Target = Target {
    name: "checkpoints",
    // As for `rows`, for each of up to 256 pieces; a table grows by pages of 8,192 rows, and an index of its rows beside it.
    bytes_most: (64 << 20, 8_192),
    prepare: || _ = start(),
    read,
};

/// Is a partition with a little of everything: most changes of nothing are nothing.
fn start() -> &'static Stored {
    static START: OnceLock<Stored> = OnceLock::new();
    START.get_or_init(|| {
        let [first, _] = seeds::ledger().checkpoints();
        first
    })
}

/// The first byte says whether all is the fuzzer's, or one thing of a sound checkpoint is.
fn read(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let start = start();
    let mut forged = Stored { head: Vec::new(), rows: Vec::new(), settlements: Vec::new(), keys: Vec::new() };
    if choices.flag() {
        forged.head = choices.long_piece().to_vec();
        while !choices.is_over() {
            let (table, slot) = (TABLES[choices.below(TABLES.len())], choices.byte());
            forged.rows.push((table, slot.into(), choices.long_piece().to_vec()));
        }
    } else {
        forged.head.clone_from(&start.head);
        forged.rows.clone_from(&start.rows);
        let at = choices.below(start.rows.len() + 1);
        match forged.rows.get_mut(at) {
            Some((_, _, row)) => *row = choices.rest().to_vec(),
            None => forged.head = choices.rest().to_vec(),
        }
    }
    let Ok(mut partition) = load(NUMBERS[0], &forged) else { return };
    assert_eq!(partition.check_sound(), Ok(()));
    look_at_everything(&partition);
    let seq = partition.seq();
    partition.copy_all_again();
    let again = load(NUMBERS[0], &stored(&mut partition, seq));
    assert_eq!(again.map(|again| again.check_sound()), Ok(Ok(())));
}

fn look_at_everything(partition: &tallystick_core::Partition) {
    let now = Time::from_ns(crate::ledger::MORNING);
    let _ = (partition.due_session(now), partition.open_sessions(), partition.slot_counts());
    for account in partition.accounts_from(0, 256) {
        let _ = (account.available(), account.deficit(), account.outstanding());
        for session in partition.sessions_from(account.id, 0, 256) {
            let _ = (partition.view(session, now), partition.spendable(session), session.due_at());
        }
    }
}
