//! Are histories that have a name: each a script over a simulated world, in which every record is decided again, every
//! partition tested after it, and the end looked back on.

mod a_capture_comes_late;
mod a_cascade_waits_for_a_hold_deep_below;
mod a_child_is_opened_spent_and_closed_a_hundred_times;
mod a_clock_is_set_back_ten_minutes_at_restart;
mod a_crash_comes_between_a_closing_and_what_is_below;
mod a_deposit_is_returned_while_most_of_it_is_reserved;
mod a_hold_is_captured_as_its_time_ends;
mod a_hold_that_lapses_frees_room_for_anothers_debit;
mod a_key_is_retried_while_the_index_lags;
mod a_parent_settles_after_its_child;
mod a_stop_meets_what_was_promised;
mod a_stream_fails_and_its_intent_is_sent_as_a_call;
mod one_shard_is_durable_before_another;
mod ten_sessions_pay_one_payee_under_a_token;
