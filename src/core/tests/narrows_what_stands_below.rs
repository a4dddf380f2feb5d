//! What narrows a mandate is intersected when a session opens: a child is never wider than its parent, the refusal names the
//! field, and what is not said is the parent's. As text; `words/mod.rs` says how it reads.
#![allow(clippy::unwrap_used, reason = "a test")]

mod ledger;
mod words;

use words::{Words, holds};

#[test]
fn a_refusal_names_the_field_that_is_wider() {
    holds(
        "account A 1000
         open P under A cap 500 for 400 from 100 only alice+bob min 5 max 50 -> open
         open S under P cap 10 in EUR          -> CURRENCY_MISMATCH at the session, nothing
         open S under P cap 10 for 401         -> refused: ttl must end the session no later than its parent
         open S under P cap 10 from 101 for 400 -> refused: ttl must end the session no later than its parent
         open S under P cap 10 from 500        -> refused: ttl must end the session after now
         open S under P cap 10 from 99         -> refused: not_before must not be before the parent session's
         open S under P cap 10 only alice+carol -> refused: payee_ids must be on the parent session's allow-list
         open S under P cap 10 only carol      -> refused: payee_ids must be on the parent session's allow-list
         open S under P cap 10 min 4           -> refused: debit_min_nanos must be at least the parent session's
         open S under P cap 10 min 51          -> refused: debit_min_nanos must be at most the parent session's debit_max_nanos
         open S under P cap 10 max 51          -> refused: debit_max_nanos must be at most the parent session's
         open S under P cap 10 max 4           -> refused: debit_max_nanos must be at least the parent session's debit_min_nanos
         open S under P cap 10 min 9 max 8     -> refused: debit_max_nanos must be at least debit_min_nanos
         open Q under A cap 100 only bob       -> open
         open S under Q cap 10 alice's cap 5   -> refused: payee_caps.payee_id must be on the parent session's allow-list
         open S under Q cap 10 only bob alice's cap 5 -> refused: payee_caps.payee_id must be on the allow-list payee_ids
         open S under Q cap 10 only alice alice's cap 5 -> refused: payee_ids must be on the parent session's allow-list
         # As wide as the parent is not wider.
         open S under P cap 500 for 400 from 100 only bob+alice min 5 max 50 -> open",
    );
}

#[test]
fn what_is_not_said_is_the_parents() {
    holds(
        "account A 1000
         open P under A cap 500 for 400 from 100 only alice+bob min 5 max 50 -> open
         open S under P cap 100                -> open
         pay S alice 10                        -> NOT_YET_VALID at S, wait until 100
         at 100
         pay S carol 10                        -> PAYEE_NOT_ALLOWED at S, nothing
         pay S alice 4                         -> BELOW_DEBIT_MIN at S, nothing
         pay S alice 51                        -> ABOVE_DEBIT_MAX at S, at most 50
         pay S alice 50                        -> 50
         pay S bob 5                           -> 5
         # And the same again, one deeper, with some of it narrowed.
         open T under S cap 40 shared min 6 only bob -> open
         pay T alice 10                        -> PAYEE_NOT_ALLOWED at T, nothing
         pay T bob 5                           -> BELOW_DEBIT_MIN at T, nothing
         pay T bob 51                          -> ABOVE_DEBIT_MAX at T, at most 40
         pay T bob 6                           -> 6
         at 499
         pay T bob 6                           -> 6
         pay S bob 5                           -> 5
         at 500
         pay T bob 6                           -> SESSION_ENDED at T, nothing
         pay S bob 5                           -> SESSION_ENDED at S, nothing",
    );
}

#[test]
fn a_childs_end_is_its_own_when_its_parents_moves() {
    holds(
        "account A 1000
         open P under A cap 500 for 100        -> open
         open S under P cap 50                 -> open
         top-up P longer 100                   -> topped up
         at 100
         pay S alice 1                         -> SESSION_ENDED at S, nothing
         open T under P cap 50                 -> open
         at 199
         pay T alice 1                         -> 1
         at 200
         pay T alice 1                         -> SESSION_ENDED at T, nothing",
    );
}

/// Its life was once counted from its parent's beginning, however long ago that was: this S ended before it opened, and T got
/// a tenth of what was asked.
#[test]
fn a_childs_life_is_counted_from_its_own_opening() {
    holds(
        "account A 1000
         open P under A cap 500 for 400 from 100 -> open
         # Its parent's beginning lies ahead.
         open R under P cap 50 for 50          -> open
         at 149
         pay R alice 1                         -> 1
         at 150
         pay R alice 1                         -> SESSION_ENDED at R, nothing
         at 190
         open S under P cap 50 for 90          -> open
         open T under P cap 50 for 100         -> open
         at 279
         pay S alice 1                         -> 1
         at 280
         pay S alice 1                         -> SESSION_ENDED at S, nothing
         at 289
         pay T alice 1                         -> 1
         at 290
         pay T alice 1                         -> SESSION_ENDED at T, nothing",
    );
}

#[test]
fn no_session_lies_deeper_than_eight() {
    let mut words = Words::new();
    words.line("account A 1000", 1);
    words.line("open S1 under A cap 500 -> open", 2);
    for depth in 2..=8 {
        let mode = if depth % 2 == 0 { "shared" } else { "" };
        words.line(&format!("open S{depth} under S{} cap {} {mode} -> open", depth - 1, 100 - depth), depth);
    }
    words.line("open S9 under S8 cap 1 -> TOO_DEEP at the session, nothing", 9);
    words.line("open S9 under S8 cap 1 shared -> TOO_DEEP at the session, nothing", 10);
    // Too much is named before too deep.
    words.line("open S9 under S8 cap 1000 -> CAP at the session, at most 92", 11);
    words.line("pay S8 alice 92 -> 92", 12);
    words.line("pay S8 alice 1 -> CAP at S8, top up by at most 1", 13);
    for depth in (1..=8).rev() {
        let answer = words.say(&format!("settle S{depth}"));
        assert!(answer.starts_with(if depth == 8 { "alice 92" } else { "nothing owed" }), "{answer}");
    }
    words.line("look A -> 908 left", 14);
}

#[test]
fn a_session_has_at_most_ten_thousand_open_below_it() {
    let mut words = Words::new();
    words.ledger.account(100_000);
    words.line("account A 100000", 1);
    words.line("open P under A cap 50000 -> open", 2);
    for n in 0..10_000 {
        assert_eq!(words.say(&format!("open S{n} under P cap 1 shared")), "open");
    }
    words.line("open S under P cap 1 shared -> TOO_MANY_CHILDREN at the session, nothing", 3);
    words.line("open S under P cap 1 -> TOO_MANY_CHILDREN at the session, nothing", 4);
    words.line("open S under P cap 50001 -> CAP at the session, at most 50000", 5);
    // Below one of them, or beside the parent, there is room; and where one has left.
    words.line("open T under S9 cap 1 -> open", 6);
    words.line("open U under A cap 1 -> open", 7);
    words.line("settle S8 -> nothing owed, 0 back", 8);
    words.line("open S under P cap 1 -> open", 9);
}
