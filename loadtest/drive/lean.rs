//! Owns: the lean driver: the same loads as through `tallystick-client`, at a fraction of what they cost the machine, since
//! generator and server share it. Never: repairs anything: a connection lost, a debit refused, an answer too many or too
//! few ends the run.
//!
//! NOTE: each connection is one task that owns it wholly: it reads what has come, adds up all answers in it, writes what may
//! begin, and sleeps. All that is done in one wake-up shares one reading of the clock, taken after what came was read
//! and before anything is written, so a wait in this program counts as latency too. Messages are written and read as
//! bytes, by field numbers of the contract; ids are encoded once, before the run.

mod answers;
mod course;
mod frames;
mod ids;
mod pace;
mod sheet;
mod stream;
mod timer;
mod unary;
mod wire;

use super::{Heard, Ledger, Measures, gather, share::Share};
use crate::{LoadArgs, LoadError, Mode, schedule::Schedule, stage::Stage};
use pace::Pace;
use sheet::Sheet;
use std::{sync::Arc, time::Duration};
use tallystick_client::{Stopwatch, v1::Durability};
use tokio::task::JoinSet;

/// How long after the last start every answer must have come.
const ANSWERS_LIMIT: Duration = Duration::from_secs(60);

/// Is what one connection's task knows from the start.
#[derive(Clone, Debug)]
struct Lane {
    share: Share,
    debits_per_message: u32,
    warmup: Duration,
    /// Started with the run.
    clock: Stopwatch,
}

/// Is what one connection's task heard.
struct Log {
    sheet: Sheet,
    durability: Durability,
    measures: Measures,
}

/// Runs one task a connection for as long as asked, and until every answer was heard.
pub(super) async fn load(
    mode: Mode,
    args: &LoadArgs,
    seed: u64,
    stage: &Arc<Stage>,
) -> Result<Heard, LoadError> {
    let warmup = Duration::from_secs(args.warmup_seconds.into());
    let until = warmup + Duration::from_secs(args.seconds.into());
    let step = args.connections as usize;
    let mut ends = Vec::new();
    for _ in 0..step {
        ends.push(match mode {
            Mode::Unary => End::Unary(Box::new(unary::Caller::open(&args.addr, args.numbered).await?)),
            Mode::Stream | Mode::Batch { .. } => End::Stream(Box::new(stream::Link::open(&args.addr).await?)),
        });
    }
    let clock = Stopwatch::start();
    let ledger = Arc::new(Ledger::new(stage));
    let mut tasks = JoinSet::new();
    for (first, end) in ends.into_iter().enumerate() {
        let pace = match args.rate {
            None => Pace::closed(args.in_flight, until),
            Some(rate) => {
                let schedule = Schedule::new(args.arrivals, rate, until, seed);
                Pace::open(schedule, first, step, (args.outstanding_max / args.connections).max(1))?
            }
        };
        let share = Share { stage: Arc::clone(stage), first, step };
        let lane = Lane { share, debits_per_message: mode.debits_per_message(), warmup, clock };
        let ledger = Arc::clone(&ledger);
        tasks.spawn(async move {
            let share = lane.share.clone();
            let running = end.run(lane, pace);
            let log = tokio::time::timeout(until + ANSWERS_LIMIT, running)
                .await
                .map_err(|_| LoadError::wire("hear every answer", "a minute after the last start"))??;
            log.sheet.enter(&share, &ledger);
            ledger.learn_durability(log.durability);
            Ok(log.measures)
        });
    }
    let measures = gather(tasks, Measures::new(warmup)?, mode, until).await?;
    Ok(Heard { ledger, measures })
}

/// Is one connection, ready to be loaded.
enum End {
    Unary(Box<unary::Caller>),
    Stream(Box<stream::Link>),
}

impl End {
    async fn run(self, lane: Lane, pace: Pace) -> Result<Log, LoadError> {
        match self {
            Self::Unary(caller) => caller.run(lane, pace).await,
            Self::Stream(link) => link.run(lane, pace).await,
        }
    }
}
