//! Answers: what does the engine cost around the rules: locks, lanes, the committer and the wait, over a journal in memory?
//! With one, two and four threads that authorize at a time; on fewer cores than threads the rest is waiting.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::thread;
use tallystick_benches::{Memory, Payer};

/// Sessions of each payer.
const SESSIONS: u64 = 64;
const BATCH: usize = 100;
/// Asks of each thread in one round, so that starting a thread is a small part of it.
const ROUND: usize = 64;
const THREADS: [usize; 3] = [1, 2, 4];

/// Runs one round: each payer on a thread of its own, the first one on this.
fn round(payers: &mut [Payer], ask: impl Fn(&mut Payer) + Copy + Send) {
    let Some((first, others)) = payers.split_first_mut() else { return };
    thread::scope(|scope| {
        for payer in others {
            scope.spawn(move || (0..ROUND).for_each(|_| ask(payer)));
        }
        (0..ROUND).for_each(|_| ask(first));
    });
}

fn measure(criterion: &mut Criterion, name: &str, debits: usize, ask: impl Fn(&mut Payer) + Copy + Send) {
    let mut group = criterion.benchmark_group(name);
    for threads in THREADS {
        let mut memory = Memory::new();
        let mut payers: Vec<Payer> =
            (0..threads).map(|nth| memory.payer(&format!("payer {nth}"), SESSIONS)).collect();
        group.throughput(Throughput::Elements((threads * ROUND * debits) as u64));
        group.bench_function(format!("{threads} threads"), |bencher| {
            bencher.iter(|| {
                round(&mut payers, ask);
                memory.tidy();
            });
        });
    }
    group.finish();
}

fn batches(criterion: &mut Criterion) {
    measure(criterion, "authorize 64 batches of 100, each awaited", BATCH, |payer| payer.batch(BATCH));
}

fn singles(criterion: &mut Criterion) {
    measure(criterion, "authorize 64 single debits, each awaited", 1, |payer| {
        payer.single();
    });
}

/// Answers: what do the roles cost a debit? Nobody asks but the system; an agent, whose every debit is looked at; and an agent
/// of a front-end, whose every account is, too.
fn askers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authorize 64 batches of 100, on behalf of");
    group.throughput(Throughput::Elements((ROUND * BATCH) as u64));
    for (name, agent) in
        [("the system", None), ("an agent", Some(false)), ("a front-end's agent", Some(true))]
    {
        let mut memory = Memory::new();
        let payer = memory.payer("payer", SESSIONS);
        let mut payers = [match agent {
            Some(of_front_end) => payer.as_agent(of_front_end),
            None => payer,
        }];
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                round(&mut payers, |payer| payer.batch(BATCH));
                memory.tidy();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, batches, singles, askers);
criterion_main!(benches);
