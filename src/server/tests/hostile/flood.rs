//! Owns: floods as they are measured: each is begun, held for a while, and let go, and its row says what it cost.
//! Never: how a row is shown.

mod table;

#[allow(unused_imports, reason = "one test has a table")]
pub use table::{Row, Table};

use super::{
    Scene,
    caller::{self, AUTHORIZE, Call, Caller, STREAM},
    is_old, open_files,
    raw::{self, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, Raw, SETTINGS, frame},
    session,
};
use crate::support::Stage;
use bytes::Bytes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use table::turned_away;
use tokio::task::JoinSet;

/// How many connect at once.
const HANDS: usize = 32;
const WINDOW: u32 = 65_535;
/// The most that a message may have.
const MESSAGE_BYTES: usize = 1 << 20;

/// Returns how many connections a flood has: few, or as many as `make flood` wants.
pub fn size() -> usize {
    std::env::var("FLOOD_CONNECTIONS")
        .map_or(200, |count| count.parse().expect("FLOOD_CONNECTIONS is a number"))
}

/// Returns for how long each flood is held, and the neighbour's rounds are measured.
pub fn seconds() -> Duration {
    let seconds =
        std::env::var("FLOOD_SECONDS").map_or(0.3, |text| text.parse().expect("FLOOD_SECONDS is a number"));
    Duration::from_secs_f64(seconds)
}

/// Takes as many open files as the system gives. Returns how many connections that allows, and says so when it is fewer.
pub fn files(wanted: usize) -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    // The server, a process of its own, needs 1,280 besides; we need less.
    let most = maximum.map_or(wanted, |most| usize::try_from(most).unwrap().saturating_sub(1_600));
    if most < wanted {
        println!("SCALED DOWN: the hard limit on open files allows {most} connections instead of {wanted}");
    }
    wanted.min(most)
}

/// Is a kind of flood, with its size.
#[derive(Debug, Clone, Copy)]
pub enum Attack {
    /// Connections that greet and do nothing.
    Greet(usize),
    /// The same, against a server with default bounds.
    GreetAsItComes(usize),
    /// Connections that never speak.
    Silent(usize),
    /// Connections that send the head of a call one byte at a time.
    Trickle(usize),
    /// Streams that say hello and are left.
    Abandon(usize),
    /// Messages of a mebibyte without their last byte.
    NeverFinish(usize),
    /// Streams that send batches and read nothing.
    NeverRead(usize),
    /// Connections of 100 debits, each reset at once.
    Reset(usize),
    /// Connections that send pings and settings for as long as they are taken, and read nothing.
    Chatter(usize),
}

/// Is what is held open until the flood is let go.
#[derive(Default)]
struct Held {
    raw: Vec<Raw>,
    callers: Vec<Caller>,
    calls: Vec<Call>,
    tasks: JoinSet<()>,
}

impl Attack {
    fn name(self) -> (&'static str, usize) {
        match self {
            Self::Greet(count) => ("connections that greet and do nothing", count),
            Self::GreetAsItComes(count) => ("the same, with default bounds", count),
            Self::Silent(count) => ("connections that never speak", count),
            Self::Trickle(count) => ("connections that send one byte at a time", count),
            Self::Abandon(count) => ("streams opened and abandoned", count),
            Self::NeverFinish(count) => ("messages of 1 MiB without their last byte", count),
            Self::NeverRead(count) => ("streams that send batches and read nothing", count),
            Self::Reset(count) => ("connections of 100 debits, each reset", count),
            Self::Chatter(count) => ("connections of pings and settings, unread", count),
        }
    }

    /// Measures the neighbour alone, then beside the flood, then lets the flood go.
    pub async fn run(self, scene: &Scene, time: Duration) -> Row {
        let (what, tried) = self.name();
        scene.neighbour.served(3).await;
        scene.neighbour.lap();
        tokio::time::sleep(time).await;
        scene.neighbour.served(3).await;
        let calm = scene.neighbour.lap();
        let (before, away_before) = (scene.resident(), turned_away(&scene.metrics().await));
        let files_before = open_files(scene.server.id());

        let worst = AtomicU64::new(before);
        let watch = async {
            loop {
                worst.fetch_max(scene.resident(), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let (mut others_are_served, mut began_in) = (true, Duration::ZERO);
        let flood = async {
            let began = Instant::now();
            let held = self.begin(scene).await;
            began_in = began.elapsed();
            tokio::time::sleep(time).await;
            if is_old() {
                others_are_served = scene.neighbour.is_served(5, Duration::from_secs(10)).await;
            } else {
                scene.neighbour.served(5).await;
            }
            held
        };
        let held = tokio::select! { held = flood => held, () = watch => unreachable!("it watches for ever") };
        worst.fetch_max(scene.resident(), Ordering::Relaxed);
        let beside = scene.neighbour.lap();
        let open = open_files(scene.server.id()).saturating_sub(files_before);
        drop(held);
        if is_old() {
            // Nothing tells when it is over.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        scene.until("connections_open", |open| open <= 2.0).await;
        scene.until("calls_open", |calls| calls <= 2.0).await;
        let away_after = turned_away(&scene.metrics().await);
        let turned_away =
            away_after.into_iter().zip(away_before).map(|((why, now), (_, then))| (why, now - then));
        let turned_away = turned_away.filter(|(_, count)| *count > 0).collect();
        let resident = [before, worst.into_inner(), scene.resident()];
        Row { what, tried, open, turned_away, resident, rounds: [calm, beside], others_are_served, began_in }
    }

    async fn begin(self, scene: &Scene) -> Held {
        let address = scene.server.address.as_str();
        let mut held = Held::default();
        match self {
            Self::Greet(count) | Self::GreetAsItComes(count) => {
                held.raw = connect(address, count, true).await;
            }
            Self::Silent(count) => held.raw = connect(address, count, false).await,
            Self::Trickle(count) => {
                for raw in connect(address, count, true).await {
                    held.tasks.spawn(trickle(raw));
                }
            }
            Self::Abandon(count) => abandon(&mut held, address, count).await,
            Self::NeverFinish(count) => never_finish(&mut held, address, count).await,
            Self::NeverRead(count) => never_read(&mut held, scene, count).await,
            Self::Reset(count) => reset(&scene.stage, address, count).await,
            Self::Chatter(count) => {
                for nth in 0..count {
                    let kind =
                        if nth % 2 == 0 { frame(PING, 0, 0, &[7; 8]) } else { frame(SETTINGS, 0, 0, &[]) };
                    let mut raw = Raw::greet(address).await.unwrap();
                    held.tasks.spawn(async move {
                        let many = kind.repeat(1_000);
                        while raw.send(&many).await.is_ok() {}
                    });
                }
            }
        }
        held
    }
}

async fn connect(address: &str, count: usize, greet: bool) -> Vec<Raw> {
    let mut hands = JoinSet::new();
    for hand in 0..HANDS {
        let (address, count) = (address.to_owned(), count / HANDS + usize::from(hand < count % HANDS));
        hands.spawn(async move {
            let mut held = Vec::with_capacity(count);
            for _ in 0..count {
                // One that is not let in is counted by the server.
                let raw = if greet { Raw::greet(&address).await } else { Raw::connect(&address).await };
                held.extend(raw);
            }
            held
        });
    }
    hands.join_all().await.into_iter().flatten().collect()
}

async fn trickle(mut raw: Raw) {
    let call = frame(HEADERS, END_HEADERS, 1, &raw::headers(AUTHORIZE));
    for byte in call {
        if raw.send(&[byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    std::future::pending::<()>().await;
}

async fn abandon(held: &mut Held, address: &str, count: usize) {
    for begun in (0..count).step_by(500) {
        let mut caller = Caller::connect(address, WINDOW).await.unwrap();
        for _ in begun..count.min(begun + 500) {
            let mut call = caller.open(STREAM).await.unwrap();
            call.send(caller::hello(""), false).unwrap();
            held.calls.push(call);
        }
        held.callers.push(caller);
    }
}

async fn never_finish(held: &mut Held, address: &str, count: usize) {
    let mut nearly = raw::message(&vec![0; MESSAGE_BYTES]);
    nearly.pop();
    let nearly = Bytes::from(nearly);
    for begun in (0..count).step_by(16) {
        let mut caller = Caller::connect(address, WINDOW).await.unwrap();
        for _ in begun..count.min(begun + 16) {
            let mut call = caller.open(AUTHORIZE).await.unwrap();
            call.body.send_data(nearly.clone(), false).unwrap();
            held.calls.push(call);
        }
        held.callers.push(caller);
    }
}

async fn never_read(held: &mut Held, scene: &Scene, count: usize) {
    for nth in 0..count {
        let session_id = session(&scene.channel, &scene.stage, &format!("never read {nth}")).await;
        let stage = Stage { session_id, ..scene.stage.clone() };
        let mut caller = Caller::connect(&scene.server.address, WINDOW).await.unwrap();
        let mut call = caller.open(STREAM).await.unwrap();
        call.send(caller::hello(""), false).unwrap();
        for batch_id in 0..8 {
            call.send(caller::batch(&stage, batch_id, 10_000), false).unwrap();
        }
        held.calls.push(call);
        held.callers.push(caller);
    }
}

async fn reset(stage: &Stage, address: &str, count: usize) {
    let debit = caller::debit(stage, "reset");
    let mut burst = Vec::new();
    for nth in 0..100_u32 {
        burst.extend(frame(HEADERS, END_HEADERS, 2 * nth + 1, &raw::headers(AUTHORIZE)));
        burst.extend(frame(DATA, END_STREAM, 2 * nth + 1, &debit));
        burst.extend(frame(RST_STREAM, 0, 2 * nth + 1, &[0, 0, 0, 8]));
    }
    for _ in 0..count {
        if let Ok(mut raw) = Raw::greet(address).await {
            let _ = raw.send(&burst).await;
            raw.goodbye_within(Duration::from_millis(20)).await;
        }
    }
}
