//! A hold is a promise: whatever captures, its end, and a settlement race each other, what was acknowledged in time counts once,
//! no hold gives more than amount and tolerance, and no cap promises more than it has. A restart changes none of it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};
use tallystick_core::{
    Amount, DeclineCode, PayeeId, Refusal, SessionId, Time,
    command::{Act, Debit},
    session::HoldEnd,
};
use tallystick_engine::{DebitAnswer, DebitOutcome, Fault, SessionShown};
use world::{Dice, MORNING, SECOND, World, by_key, by_number, code, opening};

fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

/// Says who is asked for whom.
#[derive(Debug, Clone, Copy)]
struct Pair {
    session: SessionId,
    payee: PayeeId,
}

impl Pair {
    fn new(world: &World, cap: u64) -> Self {
        let account = world.account("a", 1_000_000);
        Self { payee: world.payee("p"), session: world.open(&opening(account, "s", cap)) }
    }

    fn command<'a>(&self, amount: u64, act: Act, key: &'a str) -> Debit<'a> {
        Debit { act, ..by_key(self.session, self.payee, amount, key) }
    }

    fn ask(&self, world: &World, amount: u64, act: Act, key: &str) -> Result<DebitAnswer, Fault> {
        world.engine().debit(&self.command(amount, act, key)).wait()
    }

    /// Places a hold that ends `seconds` after the morning. Returns its seq.
    fn hold(&self, world: &World, (amount, tolerance): (u64, u64), seconds: u64, key: &str) -> u64 {
        let until = Time::from_ns(MORNING + seconds * SECOND);
        let place = Act::Hold { tolerance: nanos(tolerance), until };
        let answer = self.ask(world, amount, place, key).unwrap();
        assert_eq!((code(&answer), answer.hold.unwrap().hold.left), (None, nanos(amount + tolerance)));
        answer.seq
    }

    fn shown(&self, world: &World) -> SessionShown {
        world.engine().session(self.session).wait().unwrap()
    }
}

fn capture(hold: u64) -> Act {
    Act::Capture { hold, last: false }
}

/// Is what one run of the race came to.
#[derive(Debug, Default)]
struct Counts {
    in_time: u64,
    late: u64,
    above_hold: u64,
    ended: u64,
    refused: u64,
    spent: u64,
    /// The last that came late and was approved.
    late_seq: u64,
}

impl Counts {
    fn hear(&mut self, amount: u64, answer: Result<DebitAnswer, Fault>) {
        match answer {
            Ok(answer) => match (code(&answer), answer.late) {
                (None, late) => {
                    *(if late { &mut self.late } else { &mut self.in_time }) += 1;
                    self.late_seq = self.late_seq.max(if late { answer.seq } else { 0 });
                    self.spent += amount;
                }
                (Some(DeclineCode::AboveHold | DeclineCode::HoldEnded), _) => self.above_hold += 1,
                (Some(DeclineCode::SessionEnded | DeclineCode::Cap), true) => self.ended += 1,
                other => panic!("{other:?}"),
            },
            Err(Fault::Refused(Refusal::SessionRetired)) => self.refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }

    fn add(mut self, other: &Self) -> Self {
        self.in_time += other.in_time;
        self.late += other.late;
        self.above_hold += other.above_hold;
        self.ended += other.ended;
        self.refused += other.refused;
        self.spent += other.spent;
        self.late_seq = self.late_seq.max(other.late_seq);
        self
    }
}

#[test]
fn captures_race_expiry_and_settle_and_each_counts_once() {
    const HOLDS: usize = 24;
    const THREADS: u64 = 8;
    let mut all = Counts::default();
    for run in 0..12 {
        let (world, settles) = (World::new(4), run % 2 == 0);
        let pair = Pair::new(&world, 10_000);
        let held: Vec<u64> = (0..HOLDS)
            .map(|nth| pair.hold(&world, (100, 20), 1 + nth as u64 % 3, &format!("hold {nth}")))
            .collect();
        let (is_over, held, closing_seq) = (AtomicBool::new(false), &held, AtomicU64::new(u64::MAX));
        let counts = thread::scope(|scope| {
            let callers: Vec<_> = (0..THREADS)
                .map(|no| {
                    let world = &world;
                    scope.spawn(move || {
                        let (mut counts, mut dice) = (Counts::default(), Dice::new(run * 100 + no));
                        for n in 0..120 {
                            let hold = held[usize::try_from(dice.below(HOLDS as u64)).unwrap()];
                            let (amount, key) = (1 + dice.below(9), format!("{no} {n}"));
                            // Each call takes time, so that the holds end while they are captured, however threads run.
                            world.clock.pass(SECOND / 240);
                            let first = pair.ask(world, amount, capture(hold), &key);
                            if let (Ok(first), 0) = (&first, dice.below(4)) {
                                match pair.ask(world, amount, capture(hold), &key) {
                                    Ok(again) => {
                                        assert!(again.replayed, "{key} was decided twice");
                                        let tells = |a: &DebitAnswer| (a.seq, a.taken, code(a), a.late);
                                        assert_eq!(tells(&again), tells(first));
                                    }
                                    Err(fault) => assert_eq!(fault, Refusal::SessionRetired.into()),
                                }
                            }
                            counts.hear(amount, first);
                        }
                        counts
                    })
                })
                .collect();
            scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    world.engine().sweep(4);
                    thread::yield_now();
                }
            });
            if settles {
                scope.spawn(|| {
                    while tallystick_core::Clock::now(&*world.clock).ns() < MORNING + 3 * SECOND / 2 {
                        thread::yield_now();
                    }
                    let closed = world.engine().settle(pair.session, false).wait().unwrap();
                    closing_seq.store(closed.seq, Ordering::Release);
                });
            }
            let counts =
                callers.into_iter().fold(Counts::default(), |sum, caller| sum.add(&caller.join().unwrap()));
            is_over.store(true, Ordering::Release);
            counts
        });
        world.clock.set(MORNING + 9 * SECOND);
        world.engine().sweep(10);
        assert_eq!(world.engine().check_sound(), Ok(()), "run {run}");
        if !settles {
            world.engine().settle(pair.session, false).wait().unwrap();
        }
        let SessionShown::Settled(settlement) = pair.shown(&world) else {
            panic!("run {run}: it waits still")
        };
        assert_eq!(settlement.total.nanos(), counts.spent, "run {run}: {counts:?}");
        assert_eq!(settlement.released.nanos(), 10_000 - counts.spent);
        assert_eq!(settlement.debit_count, counts.in_time + counts.late);
        let closing_seq = closing_seq.load(Ordering::Acquire);
        assert!(counts.late_seq < closing_seq, "run {run}: a late capture of a closing session was approved");
        all = all.add(&counts);
    }
    println!("{all:?}");
    assert!(all.in_time > 100 && all.late + all.ended + all.refused > 100, "{all:?}");
}

#[test]
fn many_captures_at_once_take_at_most_amount_and_tolerance() {
    let mut approved = 0;
    for run in 0..8 {
        let world = World::new(4);
        let pair = Pair::new(&world, 1_000);
        let hold = pair.hold(&world, (100, 40), 100, "hold");
        let took: u64 = thread::scope(|scope| {
            let callers: Vec<_> = (0..64)
                .map(|no| {
                    let (world, pair) = (&world, &pair);
                    scope.spawn(move || {
                        let answers = (0..3).map(|n| pair.ask(world, 7, capture(hold), &format!("{no} {n}")));
                        answers.filter(|answer| code(answer.as_ref().unwrap()).is_none()).count() as u64
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        assert_eq!(took, 140 / 7, "run {run}");
        let view = world.engine().hold(pair.session.hold(hold)).wait().unwrap();
        assert_eq!(
            (view.end, view.hold.captured, view.hold.capture_count),
            (Some(HoldEnd::Done), nanos(140), 20)
        );
        assert_eq!(world.engine().check_sound(), Ok(()));
        approved += took;
    }
    println!("of 1536 captures of 7 out of 8 holds of 140, {approved} were approved");
}

#[test]
fn sixty_four_writers_never_promise_more_than_the_cap() {
    const CAP: u64 = 1_000;
    for run in 0..8 {
        let world = World::new(4);
        let pair = Pair::new(&world, CAP);
        let placed: u64 = thread::scope(|scope| {
            let callers: Vec<_> = (0..64)
                .map(|_| {
                    let (world, pair) = (&world, &pair);
                    scope.spawn(move || {
                        let writer = world.engine().open_writer(None).wait().unwrap();
                        let place = Act::Hold { tolerance: nanos(3), until: Time::ZERO };
                        let holds = [1, 2, 3].map(|number| Debit {
                            act: place,
                            ..by_number(pair.session, pair.payee, 10, writer, number)
                        });
                        let done = world.engine().debit_batch(&holds).wait().unwrap();
                        done.into_iter().filter(|done| done.as_ref().unwrap().declined.is_none()).count()
                            as u64
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        assert_eq!(placed, CAP / 13, "run {run}");
        let SessionShown::Open(view) = pair.shown(&world) else { panic!() };
        assert_eq!((view.held.nanos(), view.remaining.nanos()), (placed * 13, CAP % 13));
        assert_eq!(world.engine().check_sound(), Ok(()));
    }
    println!(
        "of 192 holds of 13 by 64 writers on a cap of {CAP}, {} were placed, in each of 8 runs",
        CAP / 13
    );
}

/// What a batch says of what was asked, in the words of a unary answer.
fn in_short(answer: &DebitAnswer) -> DebitOutcome {
    DebitOutcome {
        seq: answer.seq,
        declined: code(answer),
        partial: Amount::ZERO,
        late: answer.late,
        hold: answer.hold.map(Box::new),
        remaining: answer.remaining,
        is_final: answer.is_final,
        replayed: answer.replayed,
    }
}

/// Asks for one of each, one after the other, in the way that `ask` says.
fn one_of_each(mut ask: impl FnMut(u64, Act) -> DebitOutcome) -> Vec<DebitOutcome> {
    let until = Time::from_ns(MORNING + 30 * SECOND);
    let mut all = vec![ask(50, Act::Hold { tolerance: nanos(10), until })];
    let first = all[0].seq;
    all.push(ask(20, capture(first)));
    all.push(ask(41, capture(first)));
    all.push(ask(5, Act::Capture { hold: first, last: true }));
    all.push(ask(1, capture(first)));
    all.push(ask(30, Act::Hold { tolerance: nanos(0), until: Time::ZERO }));
    let second = all[5].seq;
    all.push(ask(0, Act::Void { hold: second }));
    all.push(ask(0, Act::Void { hold: second }));
    all.push(ask(1_001, Act::Hold { tolerance: nanos(0), until }));
    all
}

#[test]
fn alone_and_in_a_batch_they_say_the_same_and_so_does_every_replay() {
    let alone = || {
        let world = World::new(4);
        let pair = Pair::new(&world, 1_000);
        let mut nth = 0;
        let said = one_of_each(|amount, act| {
            nth += 1;
            in_short(&pair.ask(&world, amount, act, &format!("key {nth}")).unwrap())
        });
        (world, pair, said)
    };
    let batched = || {
        let world = World::new(4);
        let pair = Pair::new(&world, 1_000);
        let writer = world.engine().open_writer(None).wait().unwrap();
        let mut nth = 0;
        let said = one_of_each(|amount, act| {
            nth += 1;
            let command = Debit { act, ..by_number(pair.session, pair.payee, amount, writer, nth) };
            world.engine().debit_batch(&[command]).wait().unwrap().remove(0).unwrap()
        });
        (world, pair, said, writer)
    };
    let (_, _, single) = alone();
    let (world, pair, said, writer) = batched();
    // The one record more is the writer's.
    let shift = said[0].seq - single[0].seq;
    for (one, other) in single.iter().zip(&said) {
        let hold = |done: &DebitOutcome| {
            done.hold.as_deref().map(|view| (view.end, view.hold.left, view.hold.captured))
        };
        assert_eq!((one.seq + shift, one.declined, hold(one)), (other.seq, other.declined, hold(other)));
        assert_eq!((one.remaining, one.is_final, one.late), (other.remaining, other.is_final, other.late));
    }
    // After a restart, every number says what it said, whatever has become of its hold.
    let world = world.restart(3);
    let mut nth = 0;
    let mut first = said.iter();
    one_of_each(|amount, act| {
        nth += 1;
        let command = Debit { act, ..by_number(pair.session, pair.payee, amount, writer, nth) };
        let again = world.engine().debit(&command).wait().unwrap();
        let first = first.next().unwrap();
        assert!(again.replayed);
        assert_eq!((again.seq, code(&again), again.late), (first.seq, first.declined, first.late));
        in_short(&again)
    });
    let (world, pair, single) = alone();
    let world = world.restart(5);
    let (mut nth, mut first) = (0, single.iter());
    one_of_each(|amount, act| {
        nth += 1;
        let again = pair.ask(&world, amount, act, &format!("key {nth}")).unwrap();
        let first = first.next().unwrap();
        assert!(again.replayed);
        assert_eq!((again.seq, code(&again), again.late), (first.seq, first.declined, first.late));
        in_short(&again)
    });
}

#[test]
fn what_is_held_over_a_restart_ends_to_the_nanosecond() {
    for checkpointed in [false, true] {
        let world = World::new(4);
        let pair = Pair::new(&world, 100);
        let (kept, gone) = (pair.hold(&world, (40, 0), 20, "kept"), pair.hold(&world, (50, 10), 10, "gone"));
        assert_eq!(code(&pair.ask(&world, 15, capture(gone), "captured").unwrap()), None);
        if checkpointed {
            world.running.checkpoint().unwrap();
        }
        let world = world.restart(7);
        assert_eq!(world.engine().check_sound(), Ok(()));
        world.clock.set(MORNING + 10 * SECOND - 1);
        assert_eq!(world.engine().sweep(10), 0);
        assert_eq!(code(&world.debit(pair.session, pair.payee, 1, "none left")), Some(DeclineCode::Cap));
        assert_eq!(code(&pair.ask(&world, 5, capture(gone), "in time").unwrap()), None);
        world.clock.pass(1);
        // No sweeper came by: the debit itself finds that there is room again.
        assert_eq!(code(&world.debit(pair.session, pair.payee, 40, "fits")), None);
        let late = pair.ask(&world, 1, capture(gone), "late").unwrap();
        assert_eq!((code(&late), late.late), (Some(DeclineCode::Cap), true));
        let again = pair.ask(&world, 1, capture(gone), "late").unwrap();
        assert!(again.late && again.replayed, "a replay says that it was late, too");
        let closing = world.engine().settle(pair.session, false).wait().unwrap().value;
        assert!(closing.settlement().is_none(), "it waits for {kept}");
        let world = world.restart(2);
        assert_eq!(code(&pair.ask(&world, 30, capture(kept), "while closing").unwrap()), None);
        world.clock.set(MORNING + 20 * SECOND - 1);
        assert_eq!(world.engine().sweep(10), 0, "nothing is due");
        world.clock.pass(1);
        assert_eq!(world.engine().sweep(10), 1);
        let SessionShown::Settled(settlement) = pair.shown(&world) else { panic!("it waits still") };
        assert_eq!((settlement.total, settlement.released), (nanos(90), nanos(10)));
    }
}

/// Whatever the clock says the next time it is read: each is decided by the time that was read for it.
#[test]
fn a_clock_that_runs_back_keeps_nobody_waiting() {
    let mut late = 0;
    for run in 0..60 {
        let world = World::new(1);
        let pair = Pair::new(&world, 100);
        let hold = pair.hold(&world, (100, 0), 10, "hold");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    world.clock.set(MORNING + 10 * SECOND);
                    world.clock.set(MORNING);
                }
            });
            let answer = pair.ask(&world, 200, capture(hold), "one").unwrap();
            let expected = if answer.late { DeclineCode::Cap } else { DeclineCode::AboveHold };
            assert_eq!(code(&answer), Some(expected), "run {run}");
            late += u64::from(answer.late);
            done.store(true, Ordering::Release);
        });
        assert_eq!(world.engine().check_sound(), Ok(()));
    }
    println!("{late} of 60 captures came late");
}

/// However early a hold was placed: the ended ones that are remembered are those that ended last.
#[test]
fn a_hold_that_ends_last_is_remembered_longest() {
    let world = World::new(1);
    let pair = Pair::new(&world, 100);
    let early = pair.hold(&world, (10, 0), 10, "early");
    for n in 0..1_000 {
        let hold = pair.hold(&world, (1, 0), 20, &format!("hold {n}"));
        assert_eq!(code(&pair.ask(&world, 0, Act::Void { hold }, &format!("void {n}")).unwrap()), None);
    }
    world.clock.set(MORNING + 10 * SECOND);
    world.engine().sweep(1);
    let late = pair.ask(&world, 10, capture(early), "late").unwrap();
    assert_eq!((code(&late), late.late, late.taken), (None, true, nanos(10)));
}
