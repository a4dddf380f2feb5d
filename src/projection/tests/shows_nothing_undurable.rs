//! A record in the journal is not seen before the watermark has passed it; a look-up says how far it holds, and can wait.
#![allow(clippy::unwrap_used, reason = "a test")]

mod past;

use past::{Past, ask, small};
use std::{
    pin::pin,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};
use tallystick_journal::{StorageFault, Watermark, memory::MemoryProjection};
use tallystick_projection::{
    Events, Follower, Following, Listed, Lookup, Options, Parts, Step, Stepped, Stopped,
};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_watermark_alone_says_what_is_there() {
    let mut past = Past::new(31);
    past.live(20);
    let store = Arc::default();
    let mut follower = past.follower(&store, small(1_000_000));
    let ends = past.ends.clone();
    for pair in ends.windows(2) {
        // Between two groups' ends, the later one is not durable as a whole.
        for durable in [pair[0], pair[1] - 1] {
            while follower.step(durable).unwrap() == Step::Followed {}
            assert_eq!(follower.cursor(), pair[0]);
            past.check(&follower.lookups(), pair[0]);
        }
    }
}

#[test]
fn who_is_behind_says_so_and_finds_it_later() {
    let mut past = Past::new(32);
    past.live(10);
    let store = Arc::default();
    let mut follower = past.follower(&store, small(1_000_000));
    let lookups = follower.lookups();
    let (middle, end) = (past.ends[5], past.last_seq());
    while follower.step(middle).unwrap() == Step::Followed {}
    let last = past.debits.last().unwrap();
    for (form, found) in ask(&lookups, last, last.info.seq) {
        assert_eq!(found, Lookup::Behind { cursor: middle }, "{form}");
    }
    let session = last.info.session;
    assert_eq!(lookups.list(session, 0, 10, end).unwrap(), Listed::Behind { cursor: middle });
    assert_eq!(lookups.lag(end), end - middle);
    assert_eq!(lookups.wait_for(end, Duration::from_millis(1)), Ok(false));
    while follower.step(end).unwrap() == Step::Followed {}
    assert_eq!(lookups.wait_for(end, LONG), Ok(true));
    for (form, found) in ask(&lookups, last, end) {
        let Lookup::Found { debit, as_of_seq } = found else { panic!("{form}: {found:?}") };
        assert_eq!((*debit, as_of_seq), (last.info.clone(), end));
    }
    assert_eq!(lookups.lag(end), 0);
}

#[test]
fn a_thread_follows_and_who_waits_is_woken() {
    let mut past = Past::new(33);
    past.live(50);
    let store: Arc<MemoryProjection> = Arc::default();
    let watermark = Arc::new(Watermark::new(0));
    // A pause that would outlast the test: only those who wait end it.
    let options = Options { pause: LONG, ..small(1) };
    let following = Following::start(past.follower(&store, options), Arc::clone(&watermark)).unwrap();
    let lookups = following.lookups().clone();
    let waiting: Vec<_> = past
        .ends
        .iter()
        .map(|end| {
            let (lookups, end) = (lookups.clone(), *end);
            thread::spawn(move || lookups.wait_for(end, LONG))
        })
        .collect();
    past.ends.iter().for_each(|end| watermark.advance(*end));
    assert!(waiting.into_iter().all(|waiter| waiter.join().unwrap() == Ok(true)));
    assert_eq!(following.lag(), 0);
    following.stop().unwrap();
    assert_eq!(store.unsynced(), 0, "the last cursor is durable");
    past.check(&lookups, past.last_seq());
    // What it has is there for good; more will not come.
    assert_eq!(lookups.wait_for(past.last_seq(), LONG), Ok(true));
    assert_eq!(lookups.wait_for(past.last_seq() + 1, LONG), Err(Stopped));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(pin!(lookups.reach(past.last_seq() + 1)).poll(&mut cx), Poll::Ready(Err(Stopped)));
    assert_eq!(pin!(lookups.reach(past.last_seq())).poll(&mut cx), Poll::Ready(Ok(())));
}

/// Moves the watermark in each step, as an engine at work does, and says so.
#[derive(Debug)]
struct Onwards {
    watermark: Arc<Watermark>,
    ends: Vec<u64>,
    stepped: SyncSender<u64>,
}

impl Events for Onwards {
    fn stepped(&self, step: &Stepped) {
        let next = self.ends.iter().find(|end| **end > step.cursor);
        next.into_iter().for_each(|end| self.watermark.advance(*end));
        self.stepped.send(step.cursor).unwrap();
    }
}

#[test]
fn what_became_durable_during_a_step_gathers_unless_somebody_waits() {
    let mut past = Past::new(37);
    past.live(10);
    let store: Arc<MemoryProjection> = Arc::default();
    let watermark = Arc::new(Watermark::new(past.ends[0]));
    let (stepped, steps) = sync_channel(past.ends.len());
    let events = Onwards { watermark: Arc::clone(&watermark), ends: past.ends.clone(), stepped };
    let parts = Parts { events: Arc::new(events), ..past.parts(&store) };
    let options = Options { pause: LONG, ..Options::default() };
    let following = Following::start(Follower::open(parts, options).unwrap(), watermark).unwrap();
    assert_eq!(steps.recv(), Ok(past.ends[0]));
    assert_eq!(steps.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout));
    assert_eq!(following.lag(), past.ends[1] - past.ends[0]);
    assert_eq!(following.lookups().wait_for(past.last_seq(), LONG), Ok(true));
    following.stop().unwrap();
    let rest: Vec<u64> = steps.iter().collect();
    assert_eq!(rest, past.ends[1..]);
}

#[test]
fn a_stop_follows_to_the_end_of_what_is_durable() {
    let mut past = Past::new(34);
    past.live(200);
    let store: Arc<MemoryProjection> = Arc::default();
    let watermark = Arc::new(Watermark::new(past.ends[150]));
    let following = Following::start(past.follower(&store, small(1)), watermark).unwrap();
    let lookups = following.lookups().clone();
    following.stop().unwrap();
    assert_eq!(lookups.cursor(), past.ends[150]);
    past.check(&lookups, past.ends[150]);
}

#[test]
fn a_failed_journal_ends_it_at_what_was_durable() {
    let mut past = Past::new(35);
    past.live(20);
    let store: Arc<MemoryProjection> = Arc::default();
    let watermark = Arc::new(Watermark::new(past.ends[10]));
    let following = Following::start(past.follower(&store, small(1)), Arc::clone(&watermark)).unwrap();
    let lookups = following.lookups().clone();
    watermark.fail();
    assert_eq!(lookups.wait_for(past.last_seq(), LONG), Err(Stopped));
    following.stop().unwrap();
    past.check(&lookups, past.ends[10]);
}

#[test]
fn a_full_disk_ends_it_and_tells_those_who_wait() {
    let mut past = Past::new(36);
    past.live(20);
    let store: Arc<MemoryProjection> = Arc::default();
    let follower = past.follower(&store, small(1));
    store.fail_after(3);
    let watermark = Arc::new(Watermark::new(past.last_seq()));
    let following = Following::start(follower, watermark).unwrap();
    assert_eq!(following.lookups().wait_for(past.last_seq(), LONG), Err(Stopped));
    assert!(matches!(following.stop(), Err(StorageFault::Io(_))));
}
