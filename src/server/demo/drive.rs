//! Owns: streaming every payment of the plan and keeping every answer. Never: knows why an answer took long.

use super::{
    Scene,
    error::DemoError,
    plan::{Payment, Plan},
};
use hdrhistogram::Histogram;
use std::{collections::VecDeque, sync::Arc};
use tallystick_client::{Client, Debit, Stopwatch, Tally, Ticket, Writer, WriterOptions, v1::Durability};
use tokio::task::JoinSet;

/// What was heard, by one writer or by all.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) tally: Tally,
    pub(super) durability: Durability,
    /// Each debit's, from its batch's sending to its answer, in microseconds.
    pub(super) latencies_us: Histogram<u64>,
    /// The same without the batches that were on their way while the server was down.
    pub(super) calm_latencies_us: Histogram<u64>,
}

/// Streams everything over several writers at the same time, each with a connection of its own.
pub(super) async fn stream_all(scene: &Arc<Scene>, uri: &str) -> Result<Heard, DemoError> {
    let mut lanes = JoinSet::new();
    for lane in 0..scene.args.writers {
        let client = Client::connect(uri).map_err(DemoError::call("connect"))?;
        lanes.spawn(run_lane(Arc::clone(scene), client, lane));
    }
    let mut all = Heard::new()?;
    while let Some(done) = lanes.join_next().await {
        // A panic in a lane is a bug; it goes on here.
        let heard = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        all.merge(heard)?;
    }
    Ok(all)
}

/// One batch on its way.
struct Flight {
    debits: Vec<Debit>,
    ticket: Ticket,
    sent: Stopwatch,
    outages_seen: u32,
}

/// Streams one writer's share, keeping as many batches on their way as allowed.
async fn run_lane(scene: Arc<Scene>, client: Client, lane: u32) -> Result<Heard, DemoError> {
    let in_flight_max = scene.args.in_flight as usize;
    let options = WriterOptions { in_flight_max, ..WriterOptions::default() };
    let writer = client.writer(options).await.map_err(DemoError::call("open a stream"))?;
    let mut heard = Heard { durability: writer.durability(), ..Heard::new()? };
    let mut feed = Feed::new(&scene.plan, lane, scene.args.writers);
    let mut flights = VecDeque::with_capacity(in_flight_max);
    loop {
        while flights.len() < in_flight_max {
            let Some(flight) = take_off(&scene, &writer, &mut feed).await? else { break };
            flights.push_back(flight);
        }
        // Answers come in the order of the batches, so the oldest is always the next.
        let Some(flight) = flights.pop_front() else { return Ok(heard) };
        land(&scene, &mut heard, flight).await?;
    }
}

async fn take_off(scene: &Scene, writer: &Writer, feed: &mut Feed<'_>) -> Result<Option<Flight>, DemoError> {
    let debit = |(agent, payment): (usize, Payment)| {
        Debit::new(&scene.stage.sessions[agent], &scene.stage.payees[payment.payee], payment.amount_nanos)
    };
    let debits: Vec<Debit> = feed.take(scene.args.batch as usize).map(debit).collect();
    if debits.is_empty() {
        return Ok(None);
    }
    let (sent, outages_seen) = (Stopwatch::start(), scene.progress.outages());
    let ticket = writer.submit(debits.clone()).await.map_err(DemoError::call("send a batch"))?;
    Ok(Some(Flight { debits, ticket, sent, outages_seen }))
}

async fn land(scene: &Scene, heard: &mut Heard, flight: Flight) -> Result<(), DemoError> {
    let Flight { debits, ticket, sent, outages_seen } = flight;
    let answers = ticket.await.map_err(DemoError::call("hear a batch's answers"))?;
    let latency_us = sent.elapsed_us();
    let count = debits.len() as u64;
    heard.latencies_us.saturating_record_n(latency_us, count);
    if outages_seen % 2 == 0 && scene.progress.outages() == outages_seen {
        heard.calm_latencies_us.saturating_record_n(latency_us, count);
    }
    for (debit, answer) in debits.iter().zip(&answers) {
        heard.tally.hear(&debit.session, &debit.payee, debit.amount_nanos, answer);
    }
    scene.progress.answered(answers.len() as u64);
    Ok(())
}

impl Heard {
    fn new() -> Result<Self, DemoError> {
        let histogram = || {
            Histogram::new_with_bounds(1, 3_600_000_000, 3)
                .map_err(|error| DemoError::Workload { problem: format!("no histogram: {error}") })
        };
        Ok(Self {
            tally: Tally::default(),
            durability: Durability::Unspecified,
            latencies_us: histogram()?,
            calm_latencies_us: histogram()?,
        })
    }

    fn merge(&mut self, other: Self) -> Result<(), DemoError> {
        let failed = |error| DemoError::Workload { problem: format!("cannot add histograms: {error}") };
        self.tally.merge(other.tally);
        self.durability = other.durability;
        self.latencies_us.add(other.latencies_us).map_err(failed)?;
        self.calm_latencies_us.add(other.calm_latencies_us).map_err(failed)
    }
}

type Payments<'a> = Box<dyn Iterator<Item = Payment> + Send + 'a>;

/// Hands out one lane's payments, a token of each of its agents in turn: they all work at the same time.
struct Feed<'a>(VecDeque<(usize, Payments<'a>)>);

impl<'a> Feed<'a> {
    fn new(plan: &'a Plan, lane: u32, lanes: u32) -> Self {
        let agents = plan.agents.iter().enumerate().skip(lane as usize).step_by(lanes as usize);
        Self(agents.map(|(index, agent)| (index, Box::new(agent.payments()) as Payments<'a>)).collect())
    }
}

impl Iterator for &mut Feed<'_> {
    type Item = (usize, Payment);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((agent, mut payments)) = self.0.pop_front() {
            if let Some(payment) = payments.next() {
                self.0.push_back((agent, payments));
                return Some((agent, payment));
            }
        }
        None
    }
}
