//! A checkpoint whose rows can be read may lie all the same. What is taken up is sound, or refused by name: never a panic, and
//! never a state that panics later.
#![allow(clippy::unwrap_used, reason = "a test")]

mod ledger;

use ledger::{Ledger, USD};
use tallystick_core::{
    Partition, SessionId, Total,
    cut::RowValue,
    deposit::Deposit,
    id::Place,
    partition::Head,
    session::{Plain, Session},
    table::Slot,
};

const NUMBER: u16 = 7;

/// Copies a partition with an account, a deposit, a payee, a session and a debit.
fn checkpoint() -> (Head, Vec<(u32, RowValue)>) {
    let mut ledger = Ledger::new();
    ledger.account(1_000);
    ledger.payee("acme");
    ledger.open(&ledger.opening(100, 1_000_000)).unwrap();
    assert_eq!(ledger.pay("acme", 10, USD), None);
    let (head, _) = ledger.partition.cut(ledger.seq);
    let mut rows = Vec::new();
    loop {
        let copied = ledger.partition.copy(100);
        if copied.is_empty() {
            return (head, rows);
        }
        rows.extend(copied);
    }
}

/// Takes it up, each row and the head changed.
fn take_up(
    change: impl Fn(&mut RowValue),
    change_head: impl FnOnce(&mut Head),
) -> Result<Partition, &'static str> {
    let (mut head, mut rows) = checkpoint();
    rows.iter_mut().for_each(|(_, row)| change(row));
    change_head(&mut head);
    let mut partition = Partition::new(NUMBER);
    rows.into_iter().try_for_each(|(slot, row)| partition.load_row(slot, row))?;
    partition.load_head(head)?;
    Ok(partition)
}

fn refused(change: impl Fn(&mut RowValue)) -> &'static str {
    take_up(change, |_| {}).map(|_| "sound").unwrap_or_else(|why| why)
}

/// Changes the session.
fn session(change: impl Fn(&mut Plain)) -> &'static str {
    refused(|row| {
        if let RowValue::Session(Slot::Taken { row, .. }) = row {
            let mut plain = Plain::from(row.clone());
            change(&mut plain);
            *row = Session::from(plain);
        }
    })
}

fn deposit(change: impl Fn(&mut Deposit)) -> &'static str {
    refused(|row| {
        if let RowValue::Deposit(Slot::Taken { row, .. }) = row {
            change(row);
        }
    })
}

#[test]
fn what_was_not_changed_is_taken_up() {
    assert_eq!(take_up(|_| {}, |_| {}).unwrap().check_sound(), Ok(()));
}

/// Found by fuzzing: whoever asked such a session what it can spend stopped the process.
#[test]
fn a_session_on_no_account_is_refused() {
    assert_eq!(session(|s| s.account = 99), "a session stands on no account");
}

#[test]
fn a_row_that_says_it_is_elsewhere_is_refused() {
    let elsewhere = [
        Place { partition: NUMBER, slot: 5, generation: 0 },
        Place { partition: NUMBER + 1, slot: 0, generation: 0 },
    ];
    for place in elsewhere {
        assert_eq!(session(|s| s.id = SessionId::new(place, 1)), "a row's id says that it is elsewhere");
    }
}

#[test]
fn numbers_at_their_edge_are_refused_and_overflow_nothing() {
    assert_eq!(session(|s| s.depth = u8::MAX), "a session straight on its account is not at depth 1");
    let counts = session(|s| {
        let part = s.payees[0];
        s.payees.push(tallystick_core::session::PayeePart {
            payee: part.payee + 1,
            debit_count: u64::MAX,
            spent: tallystick_core::Amount::ZERO,
            ..part
        });
    });
    assert_eq!(counts, "a session's payees do not count its debits");
    for edge in [Total::MAX.nanos() + 1, u128::MAX] {
        let account = refused(|row| {
            if let RowValue::Account(Slot::Taken { row, .. }) = row {
                row.deposited = Total::from_nanos(edge);
                row.withdrawn = Total::from_nanos(edge);
            }
        });
        assert_eq!(account, "a total is greater than the greatest there is");
    }
}

#[test]
fn a_deposit_in_no_account_is_refused() {
    assert_eq!(deposit(|d| d.account = 99), "a deposit is in no account");
}
