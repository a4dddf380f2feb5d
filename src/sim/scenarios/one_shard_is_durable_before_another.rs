//! A record of one shard is ready to be written while another shard's earlier one is not on the disk: the later one is not
//! heard before the earlier one is there, and a crash in between leaves the earlier part and nothing else.

use tallystick_core::{EnvelopeId, PayeeId, SessionId};
use tallystick_sim::{
    asked::{Asked, Told},
    script::{Script, below, by_key, nanos},
    settings::Settings,
};

/// Begins a world in which each group is one run of one shard's records, with sessions in three partitions.
fn begun() -> (Script, Vec<SessionId>, PayeeId) {
    let script = Script::with(8, Settings { group_bytes: 1, ..Settings::quiet() });
    let payee = script.payee("payee");
    let mut sessions: Vec<SessionId> = Vec::new();
    for nth in 0.. {
        let account = script.account(&format!("payer {nth}"), 1_000);
        let session = script.opened(below(EnvelopeId::Account(account), "session", 500));
        if sessions.iter().all(|known| known.partition() % 8 != session.partition() % 8) {
            // The payee is known there before it matters.
            script.debit(by_key(session, payee, 1, "first"));
            sessions.push(session);
        }
        if sessions.len() == 3 {
            break;
        }
    }
    (script, sessions, payee)
}

#[test]
fn the_later_is_not_heard_before_the_earlier_is_there() {
    let (script, sessions, payee) = begun();
    let calls: Vec<_> =
        sessions.iter().map(|session| script.tell(Asked::Debit(by_key(*session, payee, 5, "x")))).collect();
    for durable in 0..=3 {
        // The latest asks first, and must not get ahead; who has heard does not ask again.
        for (at, call) in calls.iter().enumerate().rev() {
            let is_new = at + 1 == durable;
            assert_eq!(script.hear(*call).is_some(), is_new, "call {at} of 3, when {durable} are durable");
        }
        script.commit();
    }
    script.end();
}

#[test]
fn a_crash_in_between_leaves_the_earlier_part() {
    for durable in 0..=3 {
        let (script, sessions, payee) = begun();
        for session in &sessions {
            script.tell(Asked::Debit(by_key(*session, payee, 5, "x")));
        }
        (0..durable).for_each(|_| script.commit());
        script.restart(3, 0);
        let spent: Vec<u64> = sessions.iter().map(|session| script.shown(*session).spent.nanos()).collect();
        let expected: Vec<u64> = (0..3).map(|at| if at < durable { 6 } else { 1 }).collect();
        assert_eq!(spent, expected, "when {durable} were durable");
        script.end();
    }
}

#[test]
fn a_block_is_whole_or_comes_to_be() {
    // Home first, then every notice: a crash after any of the records, and nobody pays a payee whose block was heard of, or
    // whose home says that it is blocked.
    for durable in 0..6 {
        let (script, sessions, payee) = begun();
        let call = script.tell(Asked::BlockPayee(payee));
        (0..durable).for_each(|_| script.commit());
        let was_heard = script.hear(call).is_some();
        script.restart(5, 0);
        let Ok(Told::PayeeShown(home)) = script.ask(Asked::ShowPayee(payee)) else { panic!("no payee") };
        let is_blocked = home.status == tallystick_core::payee::PayeeStatus::Blocked;
        assert!(is_blocked || !was_heard, "it was heard after {durable} groups, and is gone");
        for session in &sessions {
            let answer = script.debit(by_key(*session, payee, 5, "after"));
            assert_eq!(answer.decline.is_some(), is_blocked, "after {durable} groups");
            assert!(answer.taken == nanos(5) || is_blocked);
        }
        script.end();
    }
}
