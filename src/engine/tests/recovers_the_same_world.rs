//! I2, I3, I7: whatever write the power goes at, every answer that was heard is still true afterwards, every retry tells
//! the same, and the world that comes back is the one that the journal's records make.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use tallystick_core::{
    AccountId, Amount, Decline, DeclineCode, PayeeId, Refusal, SessionId, Span, Time, WriterId,
    command::{Act, CreateAccount, CreatePayee, Debit, Deposit, OpenSession},
    payee::PayeeStatus,
    settlement::Settlement,
};
use tallystick_engine::{DebitAnswer, Fault, OpenAnswer};
use tallystick_journal::{Journal as _, TrimStep};
use world::{
    Dice, Disk, HandClock, MORNING, SECOND, USD, World, audit, by_key, by_number, code, opening, quiet,
    replayed, stored, values,
};

/// Is an opening and what came of it: account, key, cap, span, and the session or the decline.
type Opening = (AccountId, String, u64, u64, Result<SessionId, Decline>);

/// Is what was heard of a debit.
#[derive(Debug)]
struct HeardDebit {
    seq: u64,
    nanos: u64,
    code: Option<DeclineCode>,
}

/// Is all that one caller heard, and what it does not know.
#[derive(Debug, Default)]
struct Heard {
    accounts: Vec<(String, AccountId)>,
    deposits: Vec<(AccountId, String, u64, u64)>,
    payees: Vec<(String, PayeeId)>,
    opened: Vec<Opening>,
    debits: Vec<(SessionId, PayeeId, String, HeardDebit)>,
    numbered: Vec<(SessionId, PayeeId, u64, HeardDebit)>,
    /// Holds, captures and voids.
    acts: Vec<(SessionId, PayeeId, String, Act, HeardDebit)>,
    settled: Vec<Settlement>,
    /// Sessions whose settling was asked for, heard or not.
    closing: Vec<SessionId>,
    blocked: Vec<PayeeId>,
    writer: Option<(WriterId, u32)>,
}

fn pick<'a, T>(dice: &mut Dice, from: &'a [T]) -> Option<&'a T> {
    let count = u64::try_from(from.len()).unwrap();
    if count == 0 { None } else { from.get(usize::try_from(dice.below(count)).unwrap()) }
}

impl Heard {
    fn sessions(&self) -> Vec<SessionId> {
        self.opened.iter().filter_map(|(.., outcome)| outcome.as_ref().ok().copied()).collect()
    }

    /// Does one thing, and remembers the answer if there was one. *Errors*: the journal failed.
    fn step(&mut self, world: &World, dice: &mut Dice, name: &str, n: u64) -> Result<(), Fault> {
        let (engine, key) = (world.engine(), format!("{name}-{n}"));
        let payees: Vec<PayeeId> = self.payees.iter().map(|(_, id)| *id).collect();
        match dice.below(30) {
            0 => {
                let create = CreateAccount::prepaid(key.as_bytes(), USD);
                let id = engine.create_account(&create).wait()?.value.id;
                self.accounts.push((key, id));
            }
            1 => {
                let id =
                    engine.create_payee(&CreatePayee { key: key.as_bytes(), name: &key }).wait()?.value.id;
                self.payees.push((key, id));
            }
            2 | 3 => {
                let Some((_, account)) = pick(dice, &self.accounts).cloned() else { return Ok(()) };
                let nanos = 1 + dice.below(1_000);
                let (amount, currency) = (Amount::from_nanos(nanos), USD);
                let seq = engine
                    .deposit(&Deposit { account, key: key.as_bytes(), amount, currency, pending: false })
                    .wait()?
                    .seq;
                self.deposits.push((account, key, nanos, seq));
            }
            4..8 => {
                let Some((_, account)) = pick(dice, &self.accounts).cloned() else { return Ok(()) };
                let cap = 1 + dice.below(500);
                let ttl = (1 + dice.below(60)) * SECOND;
                let asked = OpenSession { ttl: Span::from_ns(ttl), ..opening(account, &key, cap) };
                let answer = engine.open_session(&asked).wait()?;
                let outcome = match answer.value {
                    OpenAnswer::Opened(view) => Ok(view.id),
                    OpenAnswer::Declined(decline) => Err(decline),
                    // Another caller may have moved the clock beyond its end, and swept, before it was shown.
                    OpenAnswer::Settled(settlement) => Ok(settlement.session),
                };
                self.opened.push((account, key, cap, ttl, outcome));
            }
            8..14 => {
                let (sessions, payee) = (self.sessions(), pick(dice, &payees).copied());
                let (Some(session), Some(payee)) = (pick(dice, &sessions).copied(), payee) else {
                    return Ok(());
                };
                let asked = by_key(session, payee, 1 + dice.below(120), &key);
                match engine.debit(&asked).wait() {
                    Ok(answer) => {
                        let heard =
                            HeardDebit { seq: answer.seq, nanos: answer.amount.nanos(), code: code(&answer) };
                        self.debits.push((session, payee, key, heard));
                    }
                    Err(Fault::Refused(Refusal::SessionRetired)) => {}
                    Err(fault) => return Err(fault),
                }
            }
            14..19 => {
                let writer = match self.writer {
                    Some(writer) => writer,
                    None => *self.writer.insert(engine.open_writer(None).wait()?),
                };
                let (sessions, payee) = (self.sessions(), pick(dice, &payees).copied());
                let (Some(session), Some(payee)) = (pick(dice, &sessions).copied(), payee) else {
                    return Ok(());
                };
                // After a crash the last number may have been decided unheard: the session says where the writer stands.
                let next = match engine.position(session, writer.0, writer.1).wait() {
                    Ok(last) => last + 1,
                    Err(Fault::Refused(Refusal::SessionRetired)) => return Ok(()),
                    Err(fault) => return Err(fault),
                };
                let heard = self.numbered.iter().filter(|(at, ..)| *at == session).count() as u64;
                assert!(next > heard, "{heard} numbers were heard, {next} is the next");
                let batch = [0, 1].map(|n| by_number(session, payee, 1 + dice.below(50), writer, next + n));
                let asked = (next..).zip(batch.map(|debit| debit.amount.nanos()));
                for ((n, nanos), result) in asked.zip(engine.debit_batch(&batch).wait()?) {
                    match result {
                        Ok(done) => {
                            let heard = HeardDebit { seq: done.seq, nanos, code: done.declined };
                            self.numbered.push((session, payee, n, heard));
                        }
                        Err(refusal) => assert_eq!(refusal, Refusal::SessionRetired),
                    }
                }
            }
            19 | 20 => {
                let sessions = self.sessions();
                let Some(session) = pick(dice, &sessions).copied() else { return Ok(()) };
                self.closing.push(session);
                self.settled.extend(engine.settle(session, false).wait()?.value.settlement().cloned());
            }
            21 if dice.below(4) == 0 => {
                let Some(payee) = pick(dice, &payees).copied() else { return Ok(()) };
                engine.block_payee(payee).wait()?;
                self.blocked.push(payee);
            }
            22 => {
                world.clock.pass(dice.below(4) * SECOND);
                engine.sweep(100);
            }
            24..30 => self.do_with_holds(world, dice, key)?,
            _ => {
                let Ok(summary) = world.running.checkpoint() else { return Ok(()) };
                while world.disk.trim(summary.floor_seq.min(summary.covered_seq + 1)) == Ok(TrimStep::More) {}
            }
        }
        Ok(())
    }

    /// Places a hold, captures out of one, or voids one.
    fn do_with_holds(&mut self, world: &World, dice: &mut Dice, key: String) -> Result<(), Fault> {
        let payees: Vec<PayeeId> = self.payees.iter().map(|(_, id)| *id).collect();
        let sessions = self.sessions();
        let placed = |(_, _, _, act, heard): &&(SessionId, PayeeId, String, Act, HeardDebit)| {
            matches!(act, Act::Hold { .. }) && heard.code.is_none()
        };
        let placed: Vec<_> = self.acts.iter().filter(placed).map(|(s, p, _, _, h)| (*s, *p, h.seq)).collect();
        let (session, payee, act) = match (dice.below(3), pick(dice, &placed).copied()) {
            (0, _) | (_, None) => {
                let found = (pick(dice, &sessions).copied(), pick(dice, &payees).copied());
                let (Some(session), Some(payee)) = found else { return Ok(()) };
                let later = Time::from_ns(clock_ns(&world.clock) + (1 + dice.below(9)) * SECOND);
                let until = if dice.below(2) == 0 { Time::ZERO } else { later };
                (session, payee, Act::Hold { tolerance: Amount::from_nanos(dice.below(9)), until })
            }
            (1, Some((session, payee, hold))) => {
                (session, payee, Act::Capture { hold, last: dice.below(2) == 0 })
            }
            (_, Some((session, payee, hold))) => (session, payee, Act::Void { hold }),
        };
        let amount = if matches!(act, Act::Void { .. }) { 0 } else { 1 + dice.below(40) };
        let asked = Debit { act, ..by_key(session, payee, amount, &key) };
        match world.engine().debit(&asked).wait() {
            Ok(answer) => {
                let heard = HeardDebit { seq: answer.seq, nanos: amount, code: code(&answer) };
                self.acts.push((session, payee, key, act, heard));
            }
            // Another caller may have moved the clock beyond the hold's end meanwhile.
            Err(Fault::Refused(Refusal::SessionRetired | Refusal::Malformed { .. })) => {}
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// Asks everything again.
    fn is_still_true(&self, world: &World, story: &str) {
        let engine = world.engine();
        for (key, id) in &self.accounts {
            let create = CreateAccount::prepaid(key.as_bytes(), USD);
            let again = engine.create_account(&create).wait().unwrap();
            assert_eq!((again.value.id, again.replayed), (*id, true), "{story}: account {key}");
        }
        for (account, key, nanos, seq) in &self.deposits {
            let amount = Amount::from_nanos(*nanos);
            let again =
                Deposit { account: *account, key: key.as_bytes(), amount, currency: USD, pending: false };
            let again = engine.deposit(&again).wait().unwrap();
            assert_eq!((again.seq, again.replayed), (*seq, true), "{story}: deposit {key}");
        }
        for (key, id) in &self.payees {
            let again = engine.create_payee(&CreatePayee { key: key.as_bytes(), name: key }).wait().unwrap();
            assert_eq!((again.value.id, again.replayed), (*id, true), "{story}: payee {key}");
        }
        for (account, key, cap, ttl, outcome) in &self.opened {
            let asked = OpenSession { ttl: Span::from_ns(*ttl), ..opening(*account, key, *cap) };
            let again = engine.open_session(&asked).wait().unwrap();
            assert!(again.replayed, "{story}: session {key}");
            let now = match again.value {
                OpenAnswer::Opened(view) => Ok(view.id),
                OpenAnswer::Settled(settlement) => Ok(settlement.session),
                OpenAnswer::Declined(decline) => Err(decline),
            };
            assert_eq!(now, *outcome, "{story}: session {key}");
        }
        for (session, payee, key, answer) in &self.debits {
            let again = engine.debit(&by_key(*session, *payee, answer.nanos, key)).wait();
            self.same(again, answer, &format!("{story}: debit {key}"));
        }
        for (session, payee, number, answer) in &self.numbered {
            let writer = self.writer.unwrap();
            let again = engine.debit(&by_number(*session, *payee, answer.nanos, writer, *number)).wait();
            self.same(again, answer, &format!("{story}: number {number} of {session}"));
        }
        for (session, payee, key, act, answer) in &self.acts {
            let asked = Debit { act: *act, ..by_key(*session, *payee, answer.nanos, key) };
            self.same(engine.debit(&asked).wait(), answer, &format!("{story}: {act:?} {key}"));
        }
        for settlement in &self.settled {
            assert_eq!(engine.settlement(settlement.id()).wait().as_ref(), Ok(settlement), "{story}");
            assert_eq!(
                engine.settle(settlement.session, false).wait().unwrap().value.settlement().cloned().unwrap(),
                *settlement,
                "{story}"
            );
            let approved = self.debits.iter().map(|(at, .., a)| (at, a));
            let approved = approved.chain(self.numbered.iter().map(|(at, .., a)| (at, a)));
            let captured = self.acts.iter().filter(|(_, _, _, act, _)| matches!(act, Act::Capture { .. }));
            let approved = approved.chain(captured.map(|(at, .., a)| (at, a)));
            let sum: u64 = approved
                .filter(|(at, a)| **at == settlement.session && a.code.is_none())
                .map(|(_, a)| a.nanos)
                .sum();
            assert!(sum <= settlement.total.nanos(), "{story}: heard {sum} in {settlement:?}");
        }
        for payee in &self.blocked {
            assert_eq!(engine.payee(*payee).wait().unwrap().status, PayeeStatus::Blocked, "{story}");
        }
    }

    fn same(&self, again: Result<DebitAnswer, Fault>, first: &HeardDebit, what: &str) {
        match again {
            Ok(again) => {
                assert!(again.replayed, "{what} is decided twice");
                assert_eq!(
                    (again.seq, again.amount.nanos(), code(&again)),
                    (first.seq, first.nanos, first.code),
                    "{what}"
                );
            }
            // Its keys go with a session that is settled; that it is must have a reason.
            Err(fault) => assert_eq!(fault, Fault::Refused(Refusal::SessionRetired), "{what}"),
        }
    }
}

/// Starts, or starts again with power when the power goes while starting.
fn started(disk: Disk, clock: &Arc<HandClock>, ids: &Arc<world::CountedIds>, shards: usize) -> World {
    World::start(disk, clock, ids, quiet(shards)).unwrap()
}

/// Compares the engine's own last checkpoint with what the whole journal makes.
fn is_what_the_journal_says(world: World, story: &str) {
    let disk = world.disk.clone();
    world.running.stop().unwrap();
    audit(&disk.archive);
    for (mut partition, stored) in replayed(&disk.archive).into_iter().zip(stored(&disk.index)) {
        assert_eq!(values(&mut partition), stored, "{story}: partition {}", partition.number());
    }
}

#[test]
fn whatever_write_the_power_goes_at() {
    for seed in 0..90 {
        let (landed, crash_after) = (seed % 2 == 0, 3 + seed * 2);
        let story = format!("seed {seed}, power gone after {crash_after} writes, the last landed: {landed}");
        let (clock, ids) = (HandClock::at(MORNING), Arc::default());
        let world = started(Disk::new(), &clock, &ids, 7);
        world.disk.lose_power_after(crash_after, landed);
        let (mut heard, mut dice) = (Heard::default(), Dice::new(seed));
        let ended = (0..1_000).find_map(|n| heard.step(&world, &mut dice, "x", n).err());
        assert_eq!(ended, Some(Fault::JournalFailed), "{story}");
        // A second crash while starting again, at each of its first writes.
        let disk = world.disk.survivors();
        drop(world);
        disk.lose_power_after(seed % 4, landed);
        let again = Arc::new(disk);
        let parts = tallystick_engine::Parts {
            journal: again.clone(),
            checkpoints: again.clone(),
            tables: again.clone(),
            journal_needed_from: Arc::default(),
            clock: clock.clone(),
            ids: ids.clone(),
            events: Arc::new(tallystick_engine::Silent),
        };
        drop(tallystick_engine::Running::start(parts, quiet(3)));
        clock.set(clock_ns(&clock) - SECOND);
        let world = started(again.survivors(), &clock, &ids, 16);
        assert_eq!(world.engine().check_sound(), Ok(()), "{story}");
        heard.is_still_true(&world, &story);
        // And it goes on.
        for n in 1_000..1_040 {
            heard.step(&world, &mut dice, "x", n).unwrap();
        }
        heard.is_still_true(&world, &story);
        is_what_the_journal_says(world, &story);
    }
}

fn clock_ns(clock: &HandClock) -> u64 {
    tallystick_core::Clock::now(clock).ns()
}

#[test]
fn with_many_callers_and_checkpoints_all_along() {
    for seed in 0..8 {
        let (clock, ids) = (HandClock::at(MORNING), Arc::default());
        let world = started(Disk::new(), &clock, &ids, 4);
        world.disk.lose_power_after(150 + seed * 60, seed % 2 == 0);
        let done = AtomicBool::new(false);
        let all: Vec<Heard> = thread::scope(|scope| {
            let callers: Vec<_> = (0..6)
                .map(|no| {
                    let world = &world;
                    scope.spawn(move || {
                        let (mut heard, mut dice) = (Heard::default(), Dice::new(seed * 50 + no));
                        let name = format!("caller {no}");
                        let ended = (0..100_000).find_map(|n| heard.step(world, &mut dice, &name, n).err());
                        assert_eq!(ended, Some(Fault::JournalFailed));
                        heard
                    })
                })
                .collect();
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let _ = world.running.checkpoint();
                    thread::yield_now();
                }
            });
            let all = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
            done.store(true, Ordering::Release);
            all
        });
        let story = format!("seed {seed}");
        let world = world.restart(9);
        assert_eq!(world.engine().check_sound(), Ok(()), "{story}");
        all.iter().for_each(|heard| heard.is_still_true(&world, &story));
        is_what_the_journal_says(world, &story);
    }
}
