//! Owns: `make compare`: the same debits on Redis, PostgreSQL and Tallystick, in turns, and what came of it. Never: two
//! contenders at a time, or a rate without its audit.

mod args;
mod disk;
mod error;
mod figures;
mod heard;
mod ours;
mod plan;
mod postgres;
mod process;
mod redis;
mod report;

use args::Args;
use clap::Parser as _;
use error::CompareError;
use figures::{Spread, Turn};
use ours::Tallystick;
use plan::{Batches, Pace, Peer, WORKS, Work};
use postgres::Postgres;
use redis::{Redis, Shape};
use report::{Contender, Report, Shapes, Turns};
use std::{fmt::Display, fs::Permissions, os::unix::fs::PermissionsExt as _};
use std::{path::Path, process::ExitCode, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

const REDIS_CALLS: Shape = Shape { clients: 64, pipeline: 1 };
const REDIS_PIPELINED: Shape = Shape { clients: 50, pipeline: 64 };
const REDIS_BATCHES: Batches = Batches { clients: 50, debits: 100 };
const POSTGRES_CLIENTS: u32 = 64;
const POSTGRES_BATCHES: Batches = Batches { clients: 2, debits: 1_000 };

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // Dropping the comparison stops every process that it started and removes its folder.
    let done = tokio::select! {
        done = compare(&args) => done,
        stopped = stopped() => Err(stopped),
    };
    match done.and_then(|report| report.write(&args.report).map(|()| report)) {
        Ok(report) => {
            say(&mut std::io::stdout().lock(), &report.text());
            if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            say(&mut std::io::stderr().lock(), &format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Gives each contender its turn at each work, round by round, with one server running at a time.
async fn compare(args: &Args) -> Result<Report, CompareError> {
    let ours = Tallystick::find(args.server.as_deref()).await?;
    let redis = Redis::find().await?;
    let folder = tempfile::Builder::new().prefix("tallystick-compare.").tempdir();
    let folder = folder.map_err(CompareError::io("make a temporary folder"))?;
    let folder = folder.path();
    // PostgreSQL's own account must reach what is its own in there.
    let open = std::fs::set_permissions(folder, Permissions::from_mode(0o711));
    open.map_err(CompareError::io("open a temporary folder"))?;
    let postgres = Postgres::make(folder).await?;
    let contenders = contenders(&ours, &redis, &postgres);
    let field = Field { args, folder, ours, redis, postgres };

    let mut turns = Turns::default();
    let mut syncs = Vec::new();
    for round in 1..=args.rounds {
        syncs.push(disk::syncs_per_s(folder)?);
        for work in WORKS {
            let turn = field.ours(work, round).await?;
            tell(args, round, "Tallystick", work, &turn);
            turns.ours.entry(work).or_default().push(turn);
            for peer in work.peers() {
                let turn = field.theirs(peer, work, round).await?;
                tell(args, round, peer.as_str(), work, &turn);
                turns.theirs.entry((peer, work)).or_default().push(turn);
            }
        }
    }
    let shapes = Shapes { ours: ours::shape, theirs: load_of };
    Ok(Report::new(args, &turns, &shapes, contenders, Spread::of(syncs.into_iter())))
}

/// Is everyone who takes part. Folders are removed together, at the very end: on many disks removing one stalls the syncs of
/// another.
struct Field<'a> {
    args: &'a Args,
    folder: &'a Path,
    ours: Tallystick,
    redis: Redis,
    postgres: Postgres,
}

impl Field<'_> {
    async fn ours(&self, work: Work, round: u32) -> Result<Turn, CompareError> {
        let folder = self.folder.join(format!("tallystick-{round}-{work:?}"));
        self.ours.turn(&folder, work, self.args.sessions, self.pace()).await
    }

    async fn theirs(&self, peer: Peer, work: Work, round: u32) -> Result<Turn, CompareError> {
        let (sessions, pace) = (self.args.sessions, self.pace());
        let folder = self.folder.join(format!("redis-{round}-{work:?}"));
        match (peer, work) {
            (Peer::Redis, Work::Calls) => self.redis.calls(&folder, sessions, REDIS_CALLS, pace).await,
            (Peer::Redis, Work::Pipelined) => {
                self.redis.calls(&folder, sessions, REDIS_PIPELINED, pace).await
            }
            (Peer::Redis, Work::Hundreds | Work::Thousands) => {
                self.redis.batches(&folder, sessions, REDIS_BATCHES, pace).await
            }
            (Peer::Postgres, Work::Calls | Work::Pipelined) => {
                self.postgres.calls(sessions, POSTGRES_CLIENTS, pace).await
            }
            (Peer::Postgres, Work::Hundreds | Work::Thousands) => {
                self.postgres.batches(sessions, POSTGRES_BATCHES, pace).await
            }
        }
    }

    fn pace(&self) -> Pace {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Pace { warmup: seconds(self.args.warmup_seconds), measured: seconds(self.args.seconds) }
    }
}

/// Says how a peer's load is sent, for people.
fn load_of(peer: Peer, work: Work) -> String {
    let by_bench = |shape: Shape| {
        format!(
            "redis-benchmark EVALSHA debit.lua, {} clients, {} in a pipeline",
            shape.clients, shape.pipeline
        )
    };
    let of = |batches: Batches| format!("{} clients, {} debits each", batches.clients, batches.debits);
    match (peer, work) {
        (Peer::Redis, Work::Calls) => by_bench(REDIS_CALLS),
        (Peer::Redis, Work::Pipelined) => by_bench(REDIS_PIPELINED),
        (Peer::Redis, Work::Hundreds | Work::Thousands) => {
            format!("EVALSHA batch.lua, {}", of(REDIS_BATCHES))
        }
        (Peer::Postgres, Work::Calls | Work::Pipelined) => {
            format!("pgbench debit.sql, prepared, {POSTGRES_CLIENTS} clients")
        }
        (Peer::Postgres, Work::Hundreds | Work::Thousands) => {
            format!("batch.sql, prepared, {}", of(POSTGRES_BATCHES))
        }
    }
}

fn contenders(ours: &Tallystick, redis: &Redis, postgres: &Postgres) -> Vec<Contender> {
    vec![
        Contender {
            name: "Tallystick",
            version: ours.version.clone(),
            settings: "durability fsync; else the defaults".to_owned(),
        },
        Contender { name: "Redis", version: redis.version.clone(), settings: redis::settings() },
        Contender { name: "PostgreSQL", version: postgres.version.clone(), settings: postgres::settings() },
    ]
}

/// Returns once we are asked to stop.
async fn stopped() -> CompareError {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else {
        // Without them the comparison still runs; it then ends only by itself.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    CompareError::Stopped
}

fn tell(args: &Args, round: u32, name: &str, work: Work, turn: &Turn) {
    let (work, rate, rounds) = (work.as_str(), turn.debits_per_s, args.rounds);
    let line = format_args!("round {round} of {rounds}: {name}, {work}: {rate} debits/s").to_string();
    say(&mut std::io::stderr().lock(), &line);
}

fn say(to: &mut impl std::io::Write, text: &impl Display) {
    // Nobody to read it is no reason to fail differently.
    drop(writeln!(to, "{text}"));
}
