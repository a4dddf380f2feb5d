//! Owns: the closed loops, and what they heard. Never: knows what the figures should be.

mod stream;
mod unary;

use crate::{
    Args, LoadError, Mode,
    stage::{AMOUNT_NANOS, Stage},
};
use hdrhistogram::Histogram;
use std::{sync::Arc, time::Duration};
use tallystick_client::{Client, Notch, Stopwatch, Tally, v1::Durability};
use tokio::task::JoinSet;

/// What one run heard.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) tally: Tally,
    /// Each debit's, from its message's sending to its answer, in microseconds.
    pub(crate) latencies_us: Histogram<u64>,
    pub(crate) elapsed: Duration,
    pub(crate) durability: Durability,
}

/// Says which debits one loop sends: in turn over its sessions, and over all payees.
#[derive(Clone, Debug)]
struct Share {
    stage: Arc<StageIds>,
    first: usize,
    step: usize,
    seconds: Duration,
}

/// Shares a run's ids among its loops.
#[derive(Debug)]
struct StageIds {
    payees: Vec<tallystick_client::PayeeId>,
    sessions: Vec<tallystick_client::SessionId>,
    label: String,
}

/// Counts approvals by place, without looking an id up for each.
#[derive(Debug)]
struct Counts {
    approved: Vec<u64>,
    latencies_us: Histogram<u64>,
    durability: Durability,
}

/// Runs all loops for as long as asked.
pub(crate) async fn load(args: &Args, uri: &str, stage: &Stage) -> Result<Heard, LoadError> {
    let ids = Arc::new(StageIds {
        payees: stage.payees.clone(),
        sessions: stage.sessions.clone(),
        label: stage.label.clone(),
    });
    let loops_per_connection = if args.mode == Mode::Unary { args.in_flight as usize } else { 1 };
    let step = args.connections as usize * loops_per_connection;
    let mut loops = JoinSet::new();
    let since_start = Stopwatch::start();
    for connection in 0..args.connections as usize {
        let client = Client::connect(uri).map_err(LoadError::call("connect"))?;
        for index in 0..loops_per_connection {
            let first = connection * loops_per_connection + index;
            let seconds = Duration::from_secs(args.seconds.into());
            let share = Share { stage: Arc::clone(&ids), first, step, seconds };
            match args.mode {
                Mode::Unary => loops.spawn(unary::run(client.clone(), share)),
                Mode::Stream | Mode::Batch => loops.spawn(stream::run(client.clone(), share, args.clone())),
            };
        }
    }
    let mut all = Counts::new(&ids)?;
    while let Some(done) = loops.join_next().await {
        // A panic in a loop is a bug; it goes on here.
        all.merge(done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?)?;
    }
    Ok(all.into_heard(&ids, since_start.elapsed()))
}

impl Share {
    /// Returns session and payee of the loop's nth debit, as places in the stage.
    fn place(&self, nth: usize) -> (usize, usize) {
        let sessions = self.stage.sessions.len();
        let own = sessions.saturating_sub(self.first % sessions).div_ceil(self.step).max(1);
        let session = self.first % sessions + nth % own * self.step;
        (session.min(sessions - 1), nth / own % self.stage.payees.len())
    }
}

impl Counts {
    fn new(stage: &StageIds) -> Result<Self, LoadError> {
        let latencies_us = Histogram::new_with_bounds(1, 3_600_000_000, 3)
            .map_err(|error| LoadError::Histogram(error.to_string()))?;
        let approved = vec![0; stage.sessions.len() * stage.payees.len()];
        Ok(Self { approved, latencies_us, durability: Durability::Unspecified })
    }

    fn approve(&mut self, stage: &StageIds, (session, payee): (usize, usize)) {
        self.approved[session * stage.payees.len() + payee] += 1;
    }

    fn merge(&mut self, other: Self) -> Result<(), LoadError> {
        for (sum, count) in self.approved.iter_mut().zip(other.approved) {
            *sum += count;
        }
        self.durability = other.durability;
        self.latencies_us.add(other.latencies_us).map_err(|error| LoadError::Histogram(error.to_string()))
    }

    fn into_heard(self, stage: &StageIds, elapsed: Duration) -> Heard {
        let mut tally = Tally::default();
        for (place, debit_count) in self.approved.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (session, payee) = (place / stage.payees.len(), place % stage.payees.len());
            let approved_nanos = u128::from(*debit_count) * u128::from(AMOUNT_NANOS);
            let notch = Notch { approved_nanos, debit_count: *debit_count };
            tally.add(&stage.sessions[session], &stage.payees[payee], notch);
        }
        Heard { tally, latencies_us: self.latencies_us, elapsed, durability: self.durability }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_client::{PayeeId, SessionId};

    #[test]
    fn loops_share_all_sessions_and_use_every_payee() {
        let stage = Arc::new(StageIds {
            payees: vec![PayeeId::new("pay_1"), PayeeId::new("pay_2")],
            sessions: (0..7).map(|n| SessionId::new(&format!("ses_{n}"))).collect(),
            label: String::new(),
        });
        let mut hits = vec![[0; 2]; 7];
        for first in 0..3 {
            let share = Share { stage: Arc::clone(&stage), first, step: 3, seconds: Duration::ZERO };
            for nth in 0..12 {
                let (session, payee) = share.place(nth);
                assert_eq!(session % 3, first, "a session belongs to one loop");
                hits[session][payee] += 1;
            }
        }
        assert!(hits.iter().flatten().all(|count| *count > 0), "{hits:?}");
    }
}
