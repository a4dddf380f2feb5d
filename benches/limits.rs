//! Answers: what do limits in time and caps for payees cost a debit that has them, and one that has not? Once for the rules alone,
//! as the engine takes a batch, and once for the whole engine over a journal in memory, its committer included.
//! And what does a debit cost that is not stopped itself, but has to look, since something else in its partition is?
//!
//! ```text
//! limits SESSIONS ROUNDS
//! ```
//!
//! Each round measures each mandate once, in turn, in processor time, so that neighbours on the machine are not in it. The ratio of
//! a mandate is that of each round; `nothing` is there twice, which shows how much is noise. Without arguments it runs little of it.
#![allow(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]
#![allow(clippy::print_stdout, reason = "its figures")]
#![allow(clippy::cast_precision_loss, reason = "figures to be read")]

use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use tallystick_benches::{Mandate, Memory, Payer, World};
use tallystick_core::{
    Amount, Span,
    velocity::{Measure, VelocityLimit},
};

/// As the server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAYEES: usize = 2;
/// Debits that are made before they are timed, at a time.
const STRETCH: usize = 4_096;
const STRETCHES: usize = 32;
const BATCH: usize = 100;
const BATCHES: usize = 1_000;
/// More than any run asks for.
const MOST: u64 = 1 << 50;

fn mandates() -> [(&'static str, Mandate); 6] {
    let rate = VelocityLimit::new(Measure::Count, 1_000_000, Span::from_ns(1_000_000_000)).with_burst(MOST);
    let window = VelocityLimit::new(Measure::Amount, MOST, Span::from_days(1));
    let (both, payee_cap) = (vec![rate, window], Amount::from_nanos(MOST));
    let each = both.iter().map(|limit| limit.for_each_payee()).collect();
    [
        ("nothing", Mandate::default()),
        ("nothing, again", Mandate::default()),
        ("caps for payees", Mandate { payee_cap, ..Mandate::default() }),
        ("a rate and a rolling window", Mandate { velocity: both.clone(), ..Mandate::default() }),
        ("both, and caps for payees", Mandate { velocity: both, payee_cap, ..Mandate::default() }),
        ("both for each payee, and caps", Mandate { velocity: each, payee_cap, ..Mandate::default() }),
    ]
}

fn processor_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let [seconds, nanos] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    seconds * 1_000_000_000 + nanos
}

/// Decides and applies, and returns what one debit took. *Units*: nanoseconds.
fn rules_alone(world: &mut World) -> f64 {
    let mut taken_ns = 0;
    for _ in 0..STRETCHES {
        let debits = world.next_debits(STRETCH);
        let began = processor_ns(ClockId::ThreadCPUTime);
        black_box(world.decide_and_apply(black_box(&debits)));
        taken_ns += processor_ns(ClockId::ThreadCPUTime) - began;
    }
    taken_ns as f64 / (STRETCHES * STRETCH) as f64
}

/// Sends batches and waits for each; what every thread took is in it.
fn whole_engine(memory: &mut Memory, payer: &mut Payer) -> f64 {
    let began = processor_ns(ClockId::ProcessCPUTime);
    (0..BATCHES).for_each(|_| payer.batch(BATCH));
    let taken_ns = processor_ns(ClockId::ProcessCPUTime) - began;
    memory.tidy();
    taken_ns as f64 / (BATCHES * BATCH) as f64
}

fn spread(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [figures[0], figures[figures.len() / 2], figures[figures.len() - 1]]
}

/// Measures each subject once a round, the other way round in every other one.
fn measure<T>(what: &str, rounds: usize, subjects: &mut [(&str, T)], cost_ns: impl Fn(&mut T) -> f64) {
    let mut costs: Vec<Vec<f64>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for nth in 0..subjects.len() {
            let at = if round % 2 == 0 { nth } else { subjects.len() - 1 - nth };
            let cost = cost_ns(&mut subjects[at].1);
            // The first round warms up.
            if round > 0 {
                costs[at].push(cost);
            }
        }
    }
    println!("{what}: ns a debit, and beside `{}`: median (least to most) of {rounds} rounds", subjects[0].0);
    for ((name, _), own) in subjects.iter().zip(&costs) {
        let ratios: Vec<f64> = own.iter().zip(&costs[0]).map(|(own, first)| own / first).collect();
        let ([least, ns, most], [from, ratio, to]) = (spread(own.clone()), spread(ratios));
        println!("  {name:<32} {ns:6.1} ({least:.1} to {most:.1})   {ratio:.3} x ({from:.3} to {to:.3})");
    }
}

fn main() {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let (sessions, rounds) = match args[..] {
        [sessions, rounds, ..] => (sessions, usize::try_from(rounds).expect("a count")),
        _ => (1_000, 3),
    };
    let world = |mandate| {
        let mut world = World::under(mandate, PAYEES);
        world.open(sessions);
        world
    };
    let mut worlds: Vec<_> = mandates().map(|(name, mandate)| (name, world(mandate))).into();
    let mut beside = world(Mandate::default());
    beside.stop_another();
    worlds.push(("nothing, beside what is stopped", beside));
    measure(&format!("rules alone, {sessions} sessions"), rounds, &mut worlds, rules_alone);
    drop(worlds);
    let mut engines = mandates().map(|(name, mandate)| {
        let memory = Memory::new();
        let payer = memory.payer_under(&mandate, "payer", sessions.min(10_000));
        (name, (memory, payer))
    });
    let of = sessions.min(10_000);
    let what = format!("the whole engine, batches of {BATCH}, {of} sessions");
    measure(&what, rounds, &mut engines, |(memory, payer)| whole_engine(memory, payer));
}
