//! Owns: the loops of one run, closed or open, from the first connection to the last answer. Never: knows what the figures
//! should be.

mod lean;
mod ledger;
mod measures;
mod pacer;
mod share;
mod source;
mod stream;
mod unary;

pub(crate) use ledger::Ledger;
#[cfg(test)]
pub(crate) use measures::Landed;
pub(crate) use measures::{Measures, ON_TIME};

use crate::{Driver, LoadArgs, LoadError, Mode, progress::Progress, schedule::Schedule, stage::Stage};
use pacer::Pacer;
use share::Share;
use source::Source;
use std::{sync::Arc, time::Duration};
use tallystick_client::{Client, Stopwatch, Writer, WriterOptions};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

/// A writer has no more debits on their way than about this, and more messages would wait in its hands.
const UNANSWERED_MAX: u32 = 65_536;
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// What one run heard.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) measures: Measures,
}

/// Is what one loop works with.
#[derive(Clone, Debug)]
struct Loop {
    client: Client,
    share: Share,
    ledger: Arc<Ledger>,
    debits_per_message: usize,
    warmup: Duration,
    /// Started with the run.
    clock: Stopwatch,
}

impl Loop {
    fn measures(&self) -> Result<Measures, LoadError> {
        Measures::new(self.warmup)
    }
}

/// Runs the load as the driver does that was asked for.
pub(crate) async fn load(
    mode: Mode,
    args: &LoadArgs,
    seed: u64,
    stage: &Arc<Stage>,
) -> Result<Heard, LoadError> {
    match args.driver {
        Driver::Lean => lean::load(mode, args, seed, stage).await,
        Driver::Client if args.numbered => Err(LoadError::Unfit("only the lean driver numbers single calls")),
        Driver::Client => load_through_client(mode, args, seed, stage).await,
    }
}

/// Runs all loops for as long as asked, and until every answer was heard.
async fn load_through_client(
    mode: Mode,
    args: &LoadArgs,
    seed: u64,
    stage: &Arc<Stage>,
) -> Result<Heard, LoadError> {
    let ends = connect(mode, args).await?;
    let warmup = Duration::from_secs(args.warmup_seconds.into());
    let until = warmup + Duration::from_secs(args.seconds.into());
    let mut sources: Vec<Source>;
    let clock = Stopwatch::start();
    let pacer = match args.rate {
        Some(rate) => {
            let room = Arc::new(Semaphore::new(args.outstanding_max as usize));
            let (lanes, inboxes): (Vec<_>, Vec<_>) =
                ends.iter().map(|_| mpsc::channel(args.outstanding_max as usize)).unzip();
            sources = inboxes.into_iter().map(Source::Open).collect();
            let schedule = Schedule::new(args.arrivals, rate, until, seed);
            let pacer = Pacer { schedule, lanes, room: Arc::clone(&room), clock };
            Some((pacer.spawn()?, room))
        }
        None => {
            sources = ends.iter().map(|end| Source::closed(end.places, clock, until)).collect();
            None
        }
    };
    let ledger = Arc::new(Ledger::new(stage));
    let mut loops = JoinSet::new();
    let step = ends.len();
    for (first, (end, source)) in ends.into_iter().zip(sources.drain(..)).enumerate() {
        let share = Share { stage: Arc::clone(stage), first, step };
        let debits_per_message = mode.debits_per_message() as usize;
        let End { client, writer, places } = end;
        let each = Loop { client, share, ledger: Arc::clone(&ledger), debits_per_message, warmup, clock };
        match (writer, args.rate) {
            (Some(writer), _) => loops.spawn(stream::run(each, writer, source, places as usize)),
            (None, Some(_)) => loops.spawn(unary::side_by_side(each, source)),
            (None, None) => loops.spawn(unary::one_by_one(each, source)),
        };
    }
    let measures = gather(loops, Measures::new(warmup)?, mode, until).await;
    if let Some((thread, room)) = pacer {
        // After the last arrival this changes nothing; after an error it lets the thread go.
        room.close();
        thread.join().map_err(|_| LoadError::Pacer)?;
    }
    Ok(Heard { ledger, measures: measures? })
}

/// Is what one loop speaks through.
struct End {
    client: Client,
    /// None with single calls.
    writer: Option<Writer>,
    /// What the loop may have outstanding.
    places: u32,
}

/// Makes the connections, and with streams the writers: one end for each loop.
async fn connect(mode: Mode, args: &LoadArgs) -> Result<Vec<End>, LoadError> {
    let uri = args.uri();
    let mut ends = Vec::new();
    for _ in 0..args.connections {
        let client = Client::connect(&uri).map_err(LoadError::call("connect"))?;
        match (mode, args.rate) {
            (Mode::Unary, None) => {
                let caller = || End { client: client.clone(), writer: None, places: 1 };
                ends.extend((0..args.in_flight).map(|_| caller()));
            }
            (Mode::Unary, Some(_)) => ends.push(End { client, writer: None, places: args.outstanding_max }),
            (Mode::Stream | Mode::Batch { .. }, rate) => {
                let places = rate.map_or(args.in_flight, |_| args.outstanding_max);
                let in_flight_max = places.min(UNANSWERED_MAX / mode.debits_per_message() + 1) as usize;
                let options = WriterOptions { in_flight_max, ..WriterOptions::default() };
                let writer = client.writer(options).await.map_err(LoadError::call("open a stream"))?;
                ends.push(End { client, writer: Some(writer), places });
            }
        }
    }
    Ok(ends)
}

/// Waits for all loops and shows how far they are.
async fn gather(
    mut loops: JoinSet<Result<Measures, LoadError>>,
    mut all: Measures,
    mode: Mode,
    until: Duration,
) -> Result<Measures, LoadError> {
    let mut progress = Progress::new(format!("loading, {}", mode.as_str()), millis(until));
    let clock = Stopwatch::start();
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            done = loops.join_next() => match done {
                // A panic in a loop is a bug; it goes on here.
                Some(done) => {
                    all.merge(&done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?)?;
                }
                None => return Ok(all),
            },
            _ = ticks.tick() => progress.at(millis(clock.elapsed()).min(millis(until))),
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
