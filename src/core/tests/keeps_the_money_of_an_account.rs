//! What comes into an account and goes out of it: deposits and their states, withdrawals, credit lines, external authorities.
//! As text; `words/mod.rs` says how it reads.
#![allow(clippy::unwrap_used, reason = "a test")]

mod ledger;
mod words;

use words::holds;

#[test]
fn a_deposit_goes_its_way_and_not_back() {
    holds(
        "account A 1
         deposit A 100 pending as d            -> PENDING
         look A                                -> 1 left, 100 pending
         open S under A cap 50                 -> CAP at the account, at most 1
         return d                              -> refused: it is PENDING
         confirm d                             -> AVAILABLE
         confirm d                             -> as before
         look A                                -> 101 left
         fail d                                -> refused: it is AVAILABLE
         return d                              -> RETURNED
         return d                              -> as before
         confirm d                             -> refused: it is RETURNED
         fail d                                -> refused: it is RETURNED
         deposit A 30 pending as e             -> PENDING
         fail e                                -> FAILED
         confirm e                             -> refused: it is FAILED
         return e                              -> refused: it is FAILED
         deposit A 30 as f                     -> AVAILABLE
         deposit A 30 as f                     -> as before
         deposit A 31 as f                     -> refused: the key was used with another amount_nanos
         deposit A 30 pending as f             -> refused: the key was used with another pending
         look A                                -> 31 left",
    );
}

#[test]
fn a_deposit_returned_leaves_a_deficit_that_admits_nothing() {
    holds(
        "account A 10
         deposit A 90 as d                     -> AVAILABLE
         open R under A cap 90                 -> open
         open S under A cap 50 shared          -> open
         pay R alice 20                        -> 20
         pay S alice 4                         -> 4
         return d                              -> RETURNED
         look A                                -> 0 left, 84 in deficit
         pay S alice 1                         -> CAP at A, nothing
         open N under A cap 1                  -> CAP at the account, nothing
         top-up R by 1                         -> CAP at the account, nothing
         withdraw A 1                          -> CAP at the account, nothing
         # What was set aside before stays so.
         pay R alice 10                        -> 10
         # Sixty come back, and the deficit shrinks to what is really missing.
         settle R                              -> alice 30, 60 back
         look A                                -> 0 left, 24 in deficit
         deposit A 30 as e                     -> AVAILABLE
         look A                                -> 6 left
         pay S alice 7                         -> CAP at A, at most 6
         pay S alice 6                         -> 6
         settle S                              -> alice 10, 0 back
         look A                                -> 0 left",
    );
}

#[test]
fn only_what_is_available_is_withdrawn() {
    holds(
        "account A 100
         open S under A cap 60                 -> open
         withdraw A 41                         -> CAP at the account, at most 40
         withdraw A 30 as w                    -> done
         withdraw A 30 as w                    -> as before
         withdraw A 29 as w                    -> refused: the key was used with another amount_nanos
         open T under A cap 11                 -> CAP at the account, at most 10
         open T under A cap 10                 -> open
         withdraw A 1                          -> CAP at the account, nothing
         pay S alice 25                        -> 25
         settle S                              -> alice 25, 35 back
         withdraw A 35                         -> done
         look A                                -> 0 left
         settle T                              -> nothing owed, 10 back
         withdraw A 11                         -> CAP at the account, at most 10
         limit A 10                            -> refused: account_id must be a credit line's
         repay A 10                            -> refused: account_id must be a credit line's",
    );
}

#[test]
fn a_credit_line_is_filled_and_repaid() {
    holds(
        "account C credit line 100
         look C                                -> 100 left
         open R under C cap 70                 -> open
         open S under C cap 70 shared          -> open
         pay S alice 31                        -> CAP at C, at most 30
         pay S alice 30                        -> 30
         pay R bob 50                          -> 50
         look C                                -> 0 left, 30 outstanding
         pay S alice 1                         -> CAP at C, nothing
         settle R                              -> bob 50, 20 back
         look C                                -> 20 left, 80 outstanding
         repay C 81                            -> refused: amount_nanos must be at most what is outstanding
         repay C 60 as r                       -> done
         repay C 60 as r                       -> as before
         repay C 59 as r                       -> refused: the key was used with another amount_nanos
         look C                                -> 80 left, 20 outstanding
         pay S alice 41                        -> CAP at S, top up by at most 40
         pay S alice 40                        -> 40
         settle S                              -> alice 70, 0 back
         repay C 60                            -> done
         repay C 1                             -> refused: amount_nanos must be at most what is outstanding
         look C                                -> 100 left
         deposit C 10 as d                     -> refused: account_id must be a prepaid account's
         withdraw C 10                         -> refused: account_id must be a prepaid account's",
    );
}

#[test]
fn a_lower_limit_leaves_a_deficit_that_admits_nothing() {
    holds(
        "account C credit line 100
         open R under C cap 40                 -> open
         open S under C cap 60 shared          -> open
         pay S alice 30                        -> 30
         limit C 50                            -> done
         look C                                -> 0 left, 20 in deficit, 30 outstanding
         pay S alice 1                         -> CAP at C, nothing
         open N under C cap 1                  -> CAP at the account, nothing
         pay R alice 10                        -> 10
         repay C 25                            -> done
         look C                                -> 5 left, 5 outstanding
         pay S alice 5                         -> 5
         limit C 200                           -> done
         look C                                -> 150 left, 10 outstanding",
    );
}

#[test]
fn under_an_external_authority_sessions_end_a_margin_before() {
    holds(
        "at 100
         account E authority 500 until 100     -> refused: external_authority.usable_until must lie ahead by more than the margin
         account E authority 500 until 50      -> refused: external_authority.usable_until must lie ahead by more than the margin
         account E authority 500 until 150 margin 50 -> refused: external_authority.usable_until must lie ahead by more than the margin
         account E authority 500 until 1000 margin 200
         look E                                -> 500 left
         open S under E cap 100 for 701        -> refused: ttl must end the session the authority's margin before it can no longer be used
         open S under E cap 100 for 600        -> open
         top-up S longer 101                   -> refused: extend_by must end the session the authority's margin before it can no longer be used
         top-up S longer 100                   -> topped up
         open T under S cap 50                 -> open
         top-up T longer 1                     -> refused: extend_by must end the session no later than its parent
         pay S alice 50                        -> 50
         pay S alice 1                         -> CAP at S, top up by at most 400
         open N under E cap 401 for 600        -> CAP at the account, at most 400
         at 799
         pay T alice 50                        -> 50
         at 800
         pay T alice 1                         -> SESSION_ENDED at T, nothing
         open N under E cap 1 for 1            -> refused: ttl must end the session the authority's margin before it can no longer be used
         settle T                              -> alice 50, 0 back
         settle S                              -> alice 50, 0 back
         look E                                -> 400 left
         repay E 1                             -> refused: account_id must be a credit line's
         deposit E 1 as d                      -> refused: account_id must be a prepaid account's",
    );
}
