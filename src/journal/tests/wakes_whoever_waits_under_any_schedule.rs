//! The watermark alone, under schedules that a seed draws: whoever waits for a seq, in a task or in a thread, is woken when it
//! is durable or never will be, however waiting and moving overtake each other. `make shuttle`.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, reason = "a test")]

use shuttle::{
    Config, Runner,
    future::block_on,
    scheduler::{PctScheduler, RandomScheduler},
    thread,
};
use std::{env, future::poll_fn, sync::Arc};
use tallystick_journal::{JournalFailed, Watermark};

const SEED: u64 = 0x7461_6c6c_7973_7469;

/// A schedule here takes microseconds: ten times as many as of a whole engine.
fn explore(test: fn()) {
    let text = env::var("ITERATIONS").unwrap_or_else(|_| "100".into());
    let iterations = 10 * text.parse::<usize>().unwrap();
    let mut config = Config::new();
    // What is not modelled is said in the engine's tests of this kind.
    config.silence_warnings = true;
    Runner::new(RandomScheduler::new_from_seed(SEED, iterations), config.clone()).run(test);
    Runner::new(PctScheduler::new_from_seed(SEED, 3, iterations), config).run(test);
}

/// Waits for 2 in a thread and in a task, and tells what each heard and what was durable then.
fn waiting(mark: &Arc<Watermark>) -> [thread::JoinHandle<(Result<(), JournalFailed>, u64)>; 2] {
    let (blocked, polled) = (Arc::clone(mark), Arc::clone(mark));
    [
        thread::spawn(move || (blocked.wait(2), blocked.durable())),
        thread::spawn(move || (block_on(poll_fn(|cx| polled.poll(2, cx))), polled.durable())),
    ]
}

#[test]
fn whoever_waits_is_woken_once_it_is_durable() {
    explore(|| {
        let mark = Arc::new(Watermark::new(0));
        let waiting = waiting(&mark);
        mark.advance(1);
        mark.advance(2);
        for waiting in waiting {
            assert_eq!(waiting.join().unwrap(), (Ok(()), 2));
        }
    });
}

#[test]
fn whoever_waits_is_woken_when_the_journal_fails() {
    explore(|| {
        let mark = Arc::new(Watermark::new(0));
        let waiting = waiting(&mark);
        mark.advance(1);
        mark.fail();
        for waiting in waiting {
            assert_eq!(waiting.join().unwrap(), (Err(JournalFailed), 1));
        }
    });
}
