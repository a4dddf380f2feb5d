//! Owns: many seeds, lived in processes of their own a stretch at a time, and what came of them all.
//! Never: a world; a wall clock inside one.

use crate::{Args, say};
use std::{
    io::{self, BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How many seeds one process lives.
const STRETCH: u64 = 50;
/// A seed that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// How many failed seeds are told at length.
const TOLD_MOST: usize = 20;

/// Is what came of a stretch of seeds.
#[derive(Debug, Default)]
struct Tally {
    seeds: u64,
    steps: u64,
    records: u64,
    failed: Vec<(u64, String)>,
}

fn now() -> Duration {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long many worlds took, and where they begin; none reads it"
    )]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Lives `count` seeds. Returns whether all ended well.
pub(crate) fn live(args: &Args, count: u64) -> bool {
    let began = now();
    let from = args.from.unwrap_or_else(|| {
        // Seeds of two runs hardly ever meet.
        (began.as_secs() ^ u64::from(std::process::id())) % 1_000_000 * 1_000_000
    });
    say(&format!(
        "seeds {from} to {}, revision {}, steps {}",
        from + count.max(1) - 1,
        args.revision,
        args.steps
    ));
    let jobs = args.jobs.clamp(1, 64);
    let mut all = Tally::default();
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..jobs).map(|job| scope.spawn(move || stretches(args, (from, count), job))).collect();
        for worker in workers {
            match worker.join() {
                Ok(tally) => all.add(tally),
                Err(_) => all.failed.push((from, "a worker panicked".into())),
            }
        }
    });
    let seconds = now().saturating_sub(began).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate, to be read")]
    let rate = all.seeds as f64 / seconds.max(0.001);
    for (seed, failure) in all.failed.iter().take(TOLD_MOST) {
        say(&format!("seed {seed} FAILED: {failure}"));
        say(&format!(
            "  live it again: make sim SEED={seed}, or tallystick-sim --seed {seed} --steps {} --trace",
            args.steps
        ));
    }
    let (seeds, steps, records, failed) = (all.seeds, all.steps, all.records, all.failed.len());
    say(&format!(
        "{seeds} seeds, {steps} steps, {records} records, {failed} failed, in {seconds:.1} s: {rate:.1} seeds a second"
    ));
    all.failed.is_empty()
}

/// Lives every `jobs`th stretch.
fn stretches(args: &Args, (from, count): (u64, u64), job: u64) -> Tally {
    let (mut tally, mut at) = (Tally::default(), job * STRETCH);
    let stride = STRETCH * args.jobs.clamp(1, 64);
    while at < count {
        let end = (at + STRETCH).min(count);
        let mut next = from + at;
        while next < from + end {
            next = match stretch(args, next, from + end - next, &mut tally) {
                Ok(next) => next,
                Err(fault) => {
                    tally.failed.push((next, format!("no process to live it in: {fault}")));
                    from + end
                }
            };
        }
        at += stride;
    }
    tally
}

/// Lives a stretch in one process. Returns the first seed that it did not come to.
fn stretch(args: &Args, from: u64, count: u64, tally: &mut Tally) -> io::Result<u64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--child", "--from", &from.to_string(), "--seeds", &count.to_string()]);
    command.args(["--steps", &args.steps.to_string()]);
    if args.twice {
        command.arg("--twice");
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let lines = read(&mut child);
    let mut current = None;
    let ended = loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => tally.line(&line, &mut current),
            Err(RecvTimeoutError::Disconnected) => break "its process ended",
            Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                break "it hangs";
            }
        }
    };
    let status = child.wait()?;
    match current {
        Some(seed) => {
            tally.seeds += 1;
            tally.failed.push((seed, format!("{ended}: {status}")));
            Ok(seed + 1)
        }
        None => Ok(from + count),
    }
}

fn read(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = sync_channel(64);
    if let Some(out) = child.stdout.take() {
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.records += other.records;
        self.failed.extend(other.failed);
        self.failed.sort();
    }

    /// Takes one line of a process that lives seeds.
    fn line(&mut self, line: &str, current: &mut Option<u64>) {
        let mut words = line.splitn(5, ' ');
        let (kind, seed) = (words.next(), words.next().and_then(|seed| seed.parse().ok()));
        match (kind, seed) {
            (Some("begin"), Some(seed)) => *current = Some(seed),
            (Some("end"), Some(seed)) => {
                let mut number = || words.next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
                self.seeds += 1;
                self.steps += number();
                self.records += number();
                let failure = words.next().unwrap_or("");
                if !failure.is_empty() {
                    self.failed.push((seed, failure.into()));
                }
                *current = None;
            }
            _ => {}
        }
    }
}
