//! I1, I4: what is debited anywhere counts in all that it stands under; the limit that says no is named, and so is what
//! would help. As text; `words/mod.rs` says how it reads.
#![allow(clippy::unwrap_used, reason = "a test")]

mod ledger;
mod words;

use words::{Words, holds};

#[test]
fn a_shared_session_spends_what_its_parent_has() {
    holds(
        "account A 300
         open P under A cap 100                -> open
         open S under P cap 80 shared          -> open
         pay P alice 50                        -> 50
         pay S alice 30                        -> 30
         look P                                -> 20 left, 50 spent, 30 below, 0 aside
         look S                                -> 50 left, 30 spent, 0 below, 0 aside
         # P is short: it is P that a top-up would help, by what A has left.
         pay S alice 21                        -> CAP at P, top up by at most 200
         # S is short itself, and the nearest is named; P could give nothing that S could spend.
         pay S alice 51                        -> CAP at S, at most 20
         top-up P by 100                       -> topped up
         pay S alice 51                        -> CAP at S, top up by at most 70
         pay S alice 50                        -> 50
         look P                                -> 70 left, 50 spent, 80 below, 0 aside
         settle S                              -> alice 80, 0 back
         look P                                -> 70 left, 50 spent, 80 below, 0 aside
         settle P                              -> alice 50, 70 back
         look A                                -> 170 left",
    );
}

#[test]
fn shared_all_the_way_up_spends_the_accounts_money() {
    holds(
        "account A 50
         open S under A cap 100 shared         -> open
         open T under S cap 100 shared         -> open
         pay T alice 30                        -> 30
         look A                                -> 20 left
         look S                                -> 70 left, 0 spent, 30 below, 0 aside
         # An account has no cap to top up: less would fit.
         pay T alice 21                        -> CAP at A, at most 20
         # A reserved session below shared ones is set aside in each of them.
         open R under T cap 15                 -> open
         look A                                -> 5 left
         look S                                -> 55 left, 0 spent, 30 below, 15 aside
         pay R bob 4                           -> 4
         settle R                              -> bob 4, 11 back
         look A                                -> 16 left
         look S                                -> 66 left, 0 spent, 34 below, 0 aside
         look T                                -> 66 left, 30 spent, 4 below, 0 aside
         open R2 under T cap 17                -> CAP at the account, at most 16",
    );
}

#[test]
fn a_payees_cap_counts_the_whole_subtree() {
    holds(
        "account A 1000
         open P under A cap 500 alice's cap 20 -> open
         open S under P cap 100 payee cap 15   -> open
         open T under S cap 50                 -> open
         pay T alice 8                         -> 8
         pay P alice 5                         -> 5
         # 15 - 8 in S, 20 - 13 in P: both are short of 8, and the nearest is named.
         pay T alice 8                         -> PAYEE_CAP at S, at most 7
         pay S alice 6                         -> 6
         # One left in both.
         pay T alice 2                         -> PAYEE_CAP at S, at most 1
         pay P alice 2                         -> PAYEE_CAP at P, at most 1
         pay T alice 1                         -> 1
         pay P alice 1                         -> PAYEE_CAP at P, nothing
         # Settling gives money back, and no room for the payee.
         settle T                              -> alice 9, 41 back
         settle S                              -> alice 6, 85 back
         pay P alice 1                         -> PAYEE_CAP at P, nothing
         # P has no cap for bob; S had one of 15.
         pay P bob 100                         -> 100",
    );
}

#[test]
fn the_payees_of_what_is_below_have_their_place_above() {
    let mut words = Words::new();
    words.line("account A 1000", 1);
    words.line("open P under A cap 500 payee cap 9 -> open", 2);
    words.line("open S under P cap 100 -> open", 3);
    for n in 0..64 {
        words.ledger.payee(&format!("payee{n}"));
        let below = if n % 2 == 0 { "S" } else { "P" };
        words.line(&format!("pay {below} payee{n} 1 -> 1"), 4);
    }
    // S itself has paid 32 of them; P must count them all.
    words.line("pay S alice 1 -> TOO_MANY_PAYEES at P, nothing", 5);
    words.line("pay S payee1 1 -> 1", 6);
    words.line("open T under A cap 100 -> open", 7);
    words.line("pay T alice 1 -> 1", 8);
}

#[test]
fn a_top_up_gives_room_time_or_both() {
    holds(
        "account A 150
         open S under A cap 100                -> open
         pay S alice 101                       -> CAP at S, top up by at most 50
         top-up S by 51                        -> CAP at the account, at most 50
         top-up S by 30 as key                 -> topped up
         top-up S by 30 as key                 -> as before
         top-up S by 31 as key                 -> refused: the key was used with another add_nanos
         top-up S by 30 longer 1 as key        -> refused: the key was used with another extend_by
         pay S alice 101                       -> 101
         look A                                -> 20 left
         at 999
         top-up S longer 500                   -> topped up
         at 1400
         pay S alice 9                         -> 9
         top-up S by 5 longer 100              -> topped up
         at 1599
         pay S alice 25                        -> 25
         at 1600
         pay S alice 1                         -> SESSION_ENDED at S, nothing
         top-up S by 1                         -> SESSION_ENDED at the session, nothing
         top-up S                              -> refused: add_nanos must be given, or extend_by, or both
         settle S                              -> alice 135, 0 back
         top-up S by 30 as key                 -> as before
         top-up S by 1                         -> refused: UnknownSession",
    );
}

#[test]
fn a_top_up_reaches_no_further_than_what_is_above() {
    holds(
        "account A 9223372036854775807
         open P under A cap 100                -> open
         open S under P cap 60                 -> open
         top-up S by 41                        -> CAP at the session, at most 40
         top-up S longer 1                     -> refused: extend_by must end the session no later than its parent
         top-up P longer 10                    -> topped up
         top-up S longer 10                    -> topped up
         top-up S longer 1                     -> refused: extend_by must end the session no later than its parent
         top-up P longer 2592000000000000      -> refused: extend_by must end the session within 30 days from now
         top-up P by 9223372036854775707       -> topped up
         top-up P by 1                         -> refused: add_nanos must keep the cap at most 2^63-1 nanos
         # A shared session's cap is only a ceiling: raising it asks nobody.
         open T under S cap 1 shared           -> open
         top-up T by 1000                      -> topped up
         pay T alice 61                        -> CAP at S, top up by at most 9223372036854775747",
    );
}

#[test]
fn less_will_do_if_that_is_said() {
    holds(
        "account A 300
         open P under A cap 100 alice's cap 60 -> open
         open S under P cap 90 shared min 5    -> open
         pay S alice 70 or less as first       -> 60
         pay S alice 70 or less as first       -> as before: 60
         pay S alice 70 as first               -> refused: the key was used with another accept_partial
         pay S alice 60 or less as first       -> refused: the key was used with another amount_nanos
         pay S alice 5 or less                 -> PAYEE_CAP at P, nothing
         pay S bob 26 or less                  -> 26
         # Fourteen left in P, four in S: less than its least debit. Ten more in S could be spent.
         pay S bob 6 or less                   -> CAP at S, top up by at most 10
         pay S bob 4 or less                   -> BELOW_DEBIT_MIN at S, nothing
         pay P bob 20 or less as last          -> 14
         pay P bob 20 or less as last          -> as before: 14
         pay P bob 1 or less                   -> CAP at P, top up by at most 200
         # What less would do for is bounded by the greatest debit all the same.
         open T under A cap 50 max 10          -> open
         pay T alice 11 or less                -> ABOVE_DEBIT_MAX at T, at most 10
         reverse last                          -> 14 back
         reverse last                          -> refused: amount_nanos must be at most what is left of the debit
         pay P bob 20 or less as last          -> as before: 14",
    );
}

#[test]
fn the_last_unit_is_known() {
    holds(
        "account A 30
         open S under A cap 100 shared min 4   -> open
         final S                               -> no
         pay S alice 26                        -> 26
         final S                               -> no
         pay S alice 4 as k                    -> 4
         final S                               -> yes
         reverse k by 3                        -> 3 back
         final S                               -> yes
         reverse k                             -> 1 back
         final S                               -> no
         open R under A cap 4                  -> open
         final S                               -> yes
         final R                               -> no",
    );
}

#[test]
fn a_reversal_gives_the_room_back_at_every_level() {
    holds(
        "account A 60
         open P under A cap 50 shared alice's cap 40 -> open
         open S under P cap 50 shared payee cap 40   -> open
         pay S alice 40 as k                   -> 40
         pay S alice 1                         -> PAYEE_CAP at S, nothing
         look A                                -> 20 left
         reverse k by 15 as r                  -> 15 back
         look A                                -> 35 left
         look P                                -> 25 left, 0 spent, 25 below, 0 aside
         look S                                -> 25 left, 25 spent, 0 below, 0 aside
         pay S alice 16                        -> PAYEE_CAP at S, at most 15
         reverse k by 26                       -> refused: amount_nanos must be at most what is left of the debit
         reverse k by 15 as r                  -> as before: 15 back
         reverse k by 16 as r                  -> refused: the key was used with another amount_nanos
         reverse k                             -> 25 back
         look A                                -> 60 left
         look P                                -> 50 left, 0 spent, 0 below, 0 aside
         pay S alice 40                        -> 40
         reverse k by 1                        -> refused: amount_nanos must be at most what is left of the debit
         # The session's end stops debits and not reversals; its settlement does.
         pay S bob 3 as b                      -> 3
         at 1000
         reverse b by 1 as last                -> 1 back
         settle S                              -> alice 40 and bob 2, 0 back
         reverse b by 1 as last                -> as before: 1 back
         reverse b by 1                        -> refused: UnknownSession
         look A                                -> 18 left",
    );
}

#[test]
fn nothing_begins_below_what_has_ended() {
    holds(
        "account A 300
         open P under A cap 200 for 500        -> open
         open S under P cap 100                -> open
         open T under S cap 40 shared          -> open
         pay T alice 1                         -> 1
         settle P                              -> refused: OpenChildren
         close P                               -> closing
         close P                               -> as before
         # A closing session is settled from the leaves: nothing below it begins, or the leaves would never end.
         pay P alice 1                         -> SESSION_ENDED at P, nothing
         pay S alice 1                         -> SESSION_ENDED at S, nothing
         pay T alice 1                         -> SESSION_ENDED at T, nothing
         open N under P cap 1                  -> SESSION_ENDED at the session, nothing
         open N under T cap 1                  -> SESSION_ENDED at the session, nothing
         top-up P by 1                         -> SESSION_ENDED at the session, nothing
         top-up T by 1                         -> SESSION_ENDED at the session, nothing
         # What stands beside it goes on.
         open Q under A cap 50                 -> open
         pay Q alice 1                         -> 1
         settle T                              -> alice 1, 0 back
         settle S                              -> nothing owed, 99 back
         settle P                              -> nothing owed, 199 back
         pay Q alice 1                         -> 1
         # An end that has come is the same.
         open P2 under A cap 200 for 500       -> open
         open S2 under P2 cap 100              -> open
         at 500
         pay S2 alice 1                        -> SESSION_ENDED at S2, nothing
         open N under P2 cap 1                 -> SESSION_ENDED at the session, nothing
         open N under S2 cap 1                 -> SESSION_ENDED at the session, nothing
         top-up S2 by 1                        -> SESSION_ENDED at the session, nothing",
    );
}
