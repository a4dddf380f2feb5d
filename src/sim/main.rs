//! Is `tallystick-sim`: lives one seed or many, and says which of them failed and how to live them again.
//! Never: a world of more than one thread; many seeds are lived in processes of their own, so that one that aborts is named.

mod crowd;

use clap::Parser;
use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};
use tallystick_sim::{
    log::Trace,
    seed::{self, Outcome},
};

/// Simulates payers, agents, operators, disks and crashes around the real engine, from a seed.
#[derive(Debug, Clone, Parser)]
#[command(name = "tallystick-sim", version)]
struct Args {
    /// Live this seed, exactly as it always is.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Live so many seeds.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them; drawn from the clock's and the process's numbers if not given.
    #[arg(long)]
    from: Option<u64>,
    /// Steps of the first phase, in which things go wrong.
    #[arg(long, default_value_t = 1_500)]
    steps: u64,
    /// Print each event, one a line, with its simulated time.
    #[arg(long)]
    trace: bool,
    /// Live each seed twice: every event must be the same.
    #[arg(long)]
    twice: bool,
    /// How many processes live seeds at a time.
    #[arg(long, default_value_t = 1)]
    jobs: u64,
    /// What of the code this is, as it is printed.
    #[arg(long, env = "TALLYSTICK_REVISION", default_value = "unknown")]
    revision: String,
    /// Tell what comes of each seed to the process that asked.
    #[arg(long, hide = true)]
    child: bool,
}

fn say(text: &str) {
    let mut out = io::stdout();
    // Whoever reads may have gone away.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.child {
        return child(&args);
    }
    let is_well = match (args.seed, args.seeds) {
        (Some(seed), _) => alone(&args, seed),
        (None, Some(count)) => crowd::live(&args, count),
        (None, None) => {
            say("say --seed or --seeds");
            return ExitCode::from(2);
        }
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lives one seed, and tells all of it.
fn alone(args: &Args, seed: u64) -> bool {
    say(&format!(
        "seed {seed}, revision {}, steps {}, {:?}",
        args.revision,
        args.steps,
        seed::settings(seed)
    ));
    let trace = if args.trace { Trace::Print } else { Trace::Off };
    let outcome = lived(args, seed, trace);
    say(&told(&outcome));
    outcome.failure.is_none()
}

/// Lives a seed, twice if asked.
fn lived(args: &Args, seed: u64, trace: Trace) -> Outcome {
    let outcome = seed::live(seed, args.steps, trace);
    if !args.twice || outcome.failure.is_some() {
        return outcome;
    }
    let again = seed::live(seed, args.steps, Trace::Off);
    if again == outcome {
        return outcome;
    }
    let failure =
        Some(format!("the same seed was another world: {:016x} and {:016x}", outcome.hash, again.hash));
    Outcome { failure, ..outcome }
}

fn told(outcome: &Outcome) -> String {
    let Outcome { seed, counts, hash, events, failure } = outcome;
    let end = failure.as_ref().map_or_else(|| "well".into(), |failure| format!("FAILED: {failure}"));
    format!("seed {seed} ends {end}; {events} events, hash {hash:016x}, {counts:?}")
}

/// Lives seeds for another process: a line before each and one after.
fn child(args: &Args) -> ExitCode {
    // A panic is told as what came of the seed.
    std::panic::set_hook(Box::new(|_| {}));
    let (from, count) = (args.from.unwrap_or(0), args.seeds.unwrap_or(0));
    for seed in from..from.saturating_add(count) {
        say(&format!("begin {seed}"));
        let outcome = Arc::new(lived(args, seed, Trace::Off));
        let failure = outcome.failure.as_deref().unwrap_or("").replace('\n', " ");
        say(&format!("end {seed} {} {} {failure}", outcome.counts.steps, outcome.counts.records));
    }
    ExitCode::SUCCESS
}
