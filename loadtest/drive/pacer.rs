//! Owns: the thread that keeps an open loop's schedule. Never: drops an arrival, or moves one.
//!
//! NOTE: a tokio timer wakes on whole milliseconds and only when a worker is free, so the schedule has a thread of its own,
//! which parks until the next intended start. The system wakes it some 60 us late on a quiet machine; whatever is due by
//! then is handed out at once, each arrival with its own intended start, so that what the wake-up cost is in the latency
//! and not hidden. It does not spin: on a machine shared with the server that would take the core that is measured.
//! At most `outstanding_max` are on their way; beyond that the pacer waits and the schedule does not: what could not
//! begin keeps its intended start, and so its wait is in its latency too.

use super::source::Start;
use crate::schedule::Schedule;
use std::{sync::Arc, thread, time::Duration};
use tallystick_client::Stopwatch;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, TryAcquireError, mpsc},
};

/// Hands starts to the loops in turn.
#[derive(Debug)]
pub(super) struct Pacer {
    pub(super) schedule: Schedule,
    pub(super) lanes: Vec<mpsc::Sender<Start>>,
    /// As many places as may be outstanding; closing it stops the pacer.
    pub(super) room: Arc<Semaphore>,
    /// Started with the run.
    pub(super) clock: Stopwatch,
}

impl Pacer {
    /// Starts the thread. It ends after the last arrival, or when nobody listens.
    ///
    /// *Errors*: the system gives no thread.
    pub(super) fn spawn(self) -> std::io::Result<thread::JoinHandle<()>> {
        let runtime = Handle::current();
        thread::Builder::new().name("pacer".to_owned()).spawn(move || self.run(&runtime))
    }

    fn run(self, runtime: &Handle) {
        let Self { schedule, lanes, room, clock } = self;
        let mut free = Duration::ZERO;
        for (intended, lane) in schedule.zip(lanes.iter().cycle()) {
            wait_until(clock, intended);
            let place = match Arc::clone(&room).try_acquire_owned() {
                Ok(place) => place,
                Err(TryAcquireError::Closed) => return,
                Err(TryAcquireError::NoPermits) => {
                    let Ok(place) = runtime.block_on(Arc::clone(&room).acquire_owned()) else { return };
                    free = clock.elapsed();
                    place
                }
            };
            // A lane has room for every place there is: this waits for nothing.
            if lane.blocking_send(Start { intended, free, place }).is_err() {
                return;
            }
        }
    }
}

fn wait_until(clock: Stopwatch, intended: Duration) {
    loop {
        let left = intended.saturating_sub(clock.elapsed());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arrivals;

    /// Paces `count` arrivals a second for a second and returns what the lanes got, with nothing answered before all
    /// places are taken.
    async fn paced(rate: u32, places: usize, lane_count: usize) -> Vec<Vec<(Duration, Duration)>> {
        let until = Duration::from_secs(1);
        let room = Arc::new(Semaphore::new(places));
        let (lanes, inboxes): (Vec<_>, Vec<_>) = (0..lane_count).map(|_| mpsc::channel(places)).unzip();
        let schedule = Schedule::new(Arrivals::Constant, rate, until, 0);
        let pacer = Pacer { schedule, lanes, room, clock: Stopwatch::start() };
        let thread = pacer.spawn().unwrap();
        let mut loops = Vec::new();
        for mut inbox in inboxes {
            loops.push(tokio::spawn(async move {
                let mut got = Vec::new();
                while let Some(Start { intended, free, place }) = inbox.recv().await {
                    got.push((intended, free));
                    drop(place);
                }
                got
            }));
        }
        let mut all = Vec::new();
        for one in loops {
            all.push(one.await.unwrap());
        }
        thread.join().unwrap();
        all
    }

    #[tokio::test]
    async fn every_arrival_comes_out_once_with_its_own_intended_start() {
        let lanes = paced(10_000, 10_000, 3).await;
        let mut intended: Vec<_> = lanes.iter().flatten().map(|(intended, _)| *intended).collect();
        intended.sort_unstable();
        let plan: Vec<_> = Schedule::new(Arrivals::Constant, 10_000, Duration::from_secs(1), 0).collect();
        assert_eq!(intended, plan);
        assert!(lanes.iter().all(|lane| lane.len() >= 3_333), "in turn");
    }

    #[tokio::test]
    async fn arrivals_beyond_the_bound_wait_and_keep_their_intended_start() {
        let room = Arc::new(Semaphore::new(1));
        let (lane, mut inbox) = mpsc::channel(1);
        let schedule = Schedule::new(Arrivals::Constant, 1_000, Duration::from_millis(3), 0);
        let clock = Stopwatch::start();
        let pacer = Pacer { schedule, lanes: vec![lane], room, clock };
        let thread = pacer.spawn().unwrap();
        let first = inbox.recv().await.unwrap();
        assert_eq!((first.intended, first.free), (Duration::ZERO, Duration::ZERO));
        let asked_at = Duration::from_millis(30);
        tokio::time::sleep(asked_at).await;
        assert!(inbox.try_recv().is_err(), "the only place is taken");
        drop(first.place);
        let second = inbox.recv().await.unwrap();
        assert_eq!(second.intended, Duration::from_millis(1));
        assert!(second.free >= asked_at, "it could not have begun before: {:?}", second.free);
        drop(second.place);
        let third = inbox.recv().await.unwrap();
        assert_eq!(third.intended, Duration::from_millis(2));
        drop(third);
        assert!(inbox.recv().await.is_none(), "and that was all");
        thread.join().unwrap();
    }

    #[tokio::test]
    async fn closing_the_room_or_the_lane_stops_it() {
        for close_room in [true, false] {
            let room = Arc::new(Semaphore::new(1));
            let (lane, inbox) = mpsc::channel(1);
            let schedule = Schedule::new(Arrivals::Constant, 1_000, Duration::from_secs(3_600), 0);
            let lanes = vec![lane];
            let pacer = Pacer { schedule, lanes, room: Arc::clone(&room), clock: Stopwatch::start() };
            let thread = pacer.spawn().unwrap();
            if close_room {
                room.close();
            } else {
                drop(inbox);
            }
            thread.join().unwrap();
        }
    }
}
