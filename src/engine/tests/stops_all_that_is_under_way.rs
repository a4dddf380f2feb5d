//! I10: once a stop is acknowledged, nothing below it is approved that was decided later, in whichever partition and however many
//! debits are under way; a crash between the partitions of a front-end changes nothing of that; and what was revoked is settled in
//! the background, while others go on.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};
use tallystick_core::{
    AccountId, Amount, DeclineCode, EnvelopeId, PayeeId, Refusal, SessionId, Time,
    command::{Act, CreateAccount, Debit, Deposit, SetControl},
    control::{Control, ControlOf, Promises, State},
    session::Mode,
    settlement::Reason,
};
use tallystick_engine::{Answer, Fault, SessionShown};
use world::{Disk, HandClock, MORNING, SECOND, USD, World, audit, below, by_key, code, opening, quiet};

const HONOUR: State = State::Revoked(Promises::Honour);

fn set(world: &World, on: ControlOf<'_>, to: State, epoch: Option<u64>) -> Result<Answer<Control>, Fault> {
    world.engine().set_control(&SetControl { on, to, epoch, note: "a test" }).wait()
}

fn on(id: impl Into<EnvelopeId>) -> ControlOf<'static> {
    ControlOf::Envelope(id.into())
}

/// Creates an account of a front-end, in a partition that its key chooses.
fn account_of(world: &World, front_end: &str, key: &str, nanos: u64) -> AccountId {
    let create = CreateAccount { front_end, ..CreateAccount::prepaid(key.as_bytes(), USD) };
    let account = world.engine().create_account(&create).wait().unwrap().value.id;
    let amount = Amount::from_nanos(nanos);
    let deposit = Deposit { account, key: key.as_bytes(), amount, currency: USD, pending: false };
    world.engine().deposit(&deposit).wait().unwrap();
    account
}

fn shared(world: &World, parent: EnvelopeId, key: &str, cap: u64) -> SessionId {
    let mut asked = below(parent, key, cap);
    asked.mode = Mode::Shared;
    world.open(&asked)
}

/// Is what one of the writers heard: the seqs of what was approved, how many were declined, and how many of those before and
/// after the stop was heard.
#[derive(Default)]
struct Heard {
    approved: Vec<u64>,
    declined: u64,
    asked_late: u64,
}

/// Lets 64 writers debit and hold in `sessions`, and stops them by `stop` in the middle. Returns the stop's seq and what was heard.
fn race(
    world: &World,
    (sessions, payee): (&[SessionId], PayeeId),
    round: &str,
    stop: impl FnOnce() -> u64,
) -> (u64, Vec<Heard>) {
    const WRITERS: usize = 64;
    let (begun, stopped, tried) = (Barrier::new(WRITERS + 1), AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let write = |writer: usize| {
            let mut heard = Heard::default();
            begun.wait();
            let mut late = 0;
            for n in 0.. {
                let is_late = stopped.load(Ordering::SeqCst);
                late += u64::from(is_late);
                if late > 3 {
                    break;
                }
                let session = sessions[(writer + n) % sessions.len()];
                let key = format!("{round} {writer} {n}");
                let hold = Act::Hold { tolerance: Amount::ZERO, until: Time::ZERO };
                let act = if n % 4 == 3 { hold } else { Act::Debit };
                let command = Debit { act, ..by_key(session, payee, 1, &key) };
                let answer = world.engine().debit(&command).wait().unwrap();
                tried.fetch_add(1, Ordering::Relaxed);
                match code(&answer) {
                    None => {
                        assert!(
                            !is_late,
                            "{round}: approved after the stop was heard, at seq {}",
                            answer.seq
                        );
                        heard.approved.push(answer.seq);
                    }
                    Some(_) => heard.declined += 1,
                }
                heard.asked_late += u64::from(is_late);
            }
            heard
        };
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        begun.wait();
        while tried.load(Ordering::Relaxed) < 500 {
            thread::yield_now();
        }
        let seq = stop();
        stopped.store(true, Ordering::SeqCst);
        (seq, writers.into_iter().map(|writer| writer.join().unwrap()).collect())
    })
}

#[test]
fn no_debit_after_a_stop_is_approved_by_sixty_four_writers() {
    let world = World::new(16);
    let payee = world.payee("p");
    for round in 0..12 {
        let front_end = format!("shop-{round}");
        let accounts: Vec<AccountId> =
            (0..4).map(|n| account_of(&world, &front_end, &format!("{round} {n}"), 1_000_000)).collect();
        let key = format!("r{round}");
        let above: Vec<SessionId> =
            accounts.iter().map(|id| shared(&world, (*id).into(), &format!("{key}a"), 500_000)).collect();
        let mut leaves = Vec::new();
        for session in &above {
            leaves.extend((0..3).map(|n| shared(&world, (*session).into(), &format!("{key}{n}"), 400_000)));
        }
        // What is stopped in this round, and what is below it.
        let (target, below) = match round % 4 {
            0 => (on(leaves[0]), vec![leaves[0]]),
            1 => (on(above[0]), leaves[..3].to_vec()),
            2 => (on(accounts[0]), leaves[..3].to_vec()),
            _ => (ControlOf::FrontEnd(&front_end), leaves.clone()),
        };
        let to = if round % 2 == 0 { State::Paused } else { HONOUR };
        let (seq, heard) = race(&world, (&below, payee), &key, || set(&world, target, to, None).unwrap().seq);
        let approved: Vec<u64> = heard.iter().flat_map(|heard| heard.approved.iter().copied()).collect();
        let (declined, late) = heard.iter().fold((0, 0), |sum, h| (sum.0 + h.declined, sum.1 + h.asked_late));
        let after = approved.iter().filter(|approved| **approved > seq).count();
        println!(
            "{to:?} of {target:?}: {} approved before seq {seq}, {after} after; {declined} declined, {late} of them asked late",
            approved.len()
        );
        assert_eq!(after, 0, "approved after the stop");
        assert!(approved.len() > 100 && declined >= 64 * 3, "a race");
        if to == State::Paused {
            let epoch = set(&world, target, State::Paused, None).unwrap();
            assert!(epoch.replayed);
            set(&world, target, State::Open, Some(epoch.value.epoch)).unwrap();
            assert_eq!(code(&world.debit(below[0], payee, 1, "resumed")), None);
        }
    }
    world.engine().check_sound().unwrap();
    audit(&world.disk.survivors().journal);
}

#[test]
fn a_front_end_s_stop_that_a_crash_cut_short_is_finished_at_the_start() {
    let mut half_done = 0;
    for crash_after in [0, 1, 2, 5, 40, 128, 200, 254, 255, 256, 257] {
        for landed in [false, true] {
            let mut options = quiet(256);
            options.group_bytes = 1;
            let (clock, ids) = (HandClock::at(MORNING), std::sync::Arc::default());
            let world = World::start(Disk::new(), &clock, &ids, options).unwrap();
            let payee = world.payee("p");
            let accounts: Vec<AccountId> =
                (0..6).map(|n| account_of(&world, "shop", &format!("a{n}"), 1_000)).collect();
            let beside = world.open(&opening(world.account("theirs", 1_000), "s", 100));
            let sessions: Vec<SessionId> =
                accounts.iter().map(|account| world.open(&opening(*account, "s", 1_000))).collect();
            sessions.iter().for_each(|session| assert_eq!(code(&world.debit(*session, payee, 1, "k")), None));
            world.disk.lose_power_after(crash_after, landed);
            let heard = set(&world, ControlOf::FrontEnd("shop"), State::Paused, None).is_ok();
            let world = world.restart(4);
            let paused = code(&world.debit(sessions[0], payee, 1, "l")) == Some(DeclineCode::Paused);
            assert!(paused || !heard, "acknowledged and lost");
            half_done += u32::from(paused && !heard);
            for session in &sessions {
                let expected = paused.then_some(DeclineCode::Paused);
                assert_eq!(code(&world.debit(*session, payee, 1, "m")), expected, "{crash_after} {landed}");
                assert_eq!(code(&world.debit(*session, payee, 1, "k")), None, "a replay");
            }
            assert_eq!(code(&world.debit(beside, payee, 1, "m")), None, "another's account goes on");
            let stopped = set(&world, ControlOf::FrontEnd("shop"), State::Paused, None).unwrap();
            assert_eq!((stopped.replayed, stopped.value.epoch), (paused, 1));
            // And over one more start: it is in the partitions' heads, or in their records.
            world.running.checkpoint().unwrap();
            let world = world.restart(16);
            for session in &sessions {
                assert_eq!(code(&world.debit(*session, payee, 1, "n")), Some(DeclineCode::Paused));
            }
            set(&world, ControlOf::FrontEnd("shop"), State::Open, Some(1)).unwrap();
            let world = world.restart(3);
            assert_eq!(code(&world.debit(sessions[5], payee, 1, "o")), None);
            world.engine().check_sound().unwrap();
            audit(&world.disk.survivors().journal);
        }
    }
    assert!(half_done > 5, "the power went between the home and the others {half_done} times");
}

fn settled(world: &World, id: SessionId) -> Option<(Reason, u64)> {
    match world.engine().session(id).wait().unwrap() {
        SessionShown::Settled(settlement) => Some((settlement.reason, settlement.total.nanos())),
        SessionShown::Open(_) => None,
    }
}

/// How many sessions are opened straight on the account that is revoked: 100,000, unless the environment says otherwise.
fn child_count() -> usize {
    std::env::var("STOP_CHILDREN").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "its figures are printed, and nothing depends on them")]
fn an_account_with_a_hundred_thousand_children_is_stopped_at_once_and_settled_while_others_go_on() {
    let world = World::new(16);
    let payee = world.payee("p");
    let count = child_count();
    let (account, other) = (world.account("many", 1_000_000_000), world.account("other", 1_000_000));
    let keys: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    let opened: Vec<_> =
        keys.iter().map(|key| world.engine().open_session(&opening(account, key, 1_000))).collect();
    let last = opened.into_iter().next_back().unwrap().wait().unwrap();
    assert!(!last.replayed);
    let sessions: Vec<SessionId> = world
        .engine()
        .settlements_after(0, 1)
        .map(|none| {
            assert!(none.is_empty());
            list(&world, account)
        })
        .unwrap();
    assert_eq!(sessions.len(), count);
    // A tenth of them has spent; one has a child of its own, and one a hold.
    for session in sessions.iter().step_by(10) {
        drop(world.engine().debit(&by_key(*session, payee, 3, "k")));
    }
    let child = shared(&world, sessions[0].into(), "child", 10);
    let hold = Act::Hold { tolerance: Amount::ZERO, until: Time::ZERO };
    let held = Debit { act: hold, ..by_key(sessions[1], payee, 7, "hold") };
    assert_eq!(code(&world.engine().debit(&held).wait().unwrap()), None);
    let theirs = world.open(&opening(other, "s", 1_000));
    let mut brief = opening(other, "brief", 10);
    brief.ttl = tallystick_core::Span::from_ns(SECOND);
    let brief = world.open(&brief);

    let began = Instant::now();
    let stop = set(&world, on(account), State::Revoked(Promises::Void), None).unwrap();
    let took = began.elapsed();
    println!("{count} open children: revoked and acknowledged after {} us", took.as_micros());
    assert_eq!(code(&world.debit(sessions[count - 1], payee, 1, "late")), Some(DeclineCode::Revoked));

    // Another's session is due at the same time: it is settled in the first round, and not after a hundred thousand others.
    world.clock.pass(2 * SECOND);
    let (mut rounds, mut steps, began) = (0_u64, 0_usize, Instant::now());
    loop {
        let swept = world.engine().sweep(64);
        if rounds == 0 {
            assert_eq!(settled(&world, brief), Some((Reason::Expired, 0)), "not starved");
            assert!(settled(&world, sessions[count / 2]).is_none(), "a round is a small step");
        }
        if swept == 0 {
            break;
        }
        (rounds, steps) = (rounds + 1, steps + swept);
        assert_eq!(code(&world.debit(theirs, payee, 1, &rounds.to_string())), None, "others go on");
    }
    println!("settled in {rounds} rounds, {steps} steps, {} ms", began.elapsed().as_millis());

    assert_eq!(settled(&world, child), Some((Reason::Revoked, 0)));
    assert_eq!(settled(&world, sessions[1]), Some((Reason::Revoked, 0)));
    assert_eq!(settled(&world, sessions[10]), Some((Reason::Revoked, 3)));
    let row = world.engine().account(account).wait().unwrap();
    let spent = 3 * count.div_ceil(10) as u128;
    assert_eq!((row.open_children, row.reserved_by_children.nanos(), row.held_below.nanos()), (0, 0, 0));
    assert_eq!((row.spent_below.nanos(), row.available().nanos()), (spent, 1_000_000_000 - spent));
    assert_eq!(world.payable(payee), spent, "every line arrived; the others' session is open");
    world.engine().check_sound().unwrap();
    assert_eq!(set(&world, on(account), HONOUR, None).unwrap().value, stop.value, "so it stays");
    audit(&world.disk.survivors().journal);
}

/// Lists the ids of an account's open sessions.
fn list(world: &World, account: AccountId) -> Vec<SessionId> {
    let (mut ids, mut from) = (Vec::new(), tallystick_engine::Cursor::default());
    loop {
        let page = world.engine().sessions(account, from, 1_000).wait().unwrap();
        ids.extend(page.rows.iter().map(|view| view.id));
        match page.next {
            Some(next) => from = next,
            None => return ids,
        }
    }
}

#[test]
fn a_running_sweeper_settles_what_is_revoked_without_being_asked_and_goes_on_after_a_start() {
    let mut options = quiet(16);
    options.sweep_every = std::time::Duration::from_millis(1);
    let (clock, ids) = (HandClock::at(MORNING), std::sync::Arc::default());
    let world = World::start(Disk::new(), &clock, &ids, options.clone()).unwrap();
    world.engine().pause_sweeper(true);
    let payee = world.payee("p");
    let account = account_of(&world, "shop", "a", 1_000_000);
    let keys: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let sessions: Vec<SessionId> = keys.iter().map(|key| world.open(&opening(account, key, 100))).collect();
    assert_eq!(code(&world.debit(sessions[7], payee, 5, "k")), None);
    set(&world, ControlOf::FrontEnd("shop"), HONOUR, None).unwrap();
    world.engine().sweep(4);
    let some = world.engine().account(account).wait().unwrap().open_children;
    assert!(some > 0 && some < 2_000, "{some} are left");
    // The power goes in the middle; nobody asks again.
    let (disk, clock, ids) = (world.disk.survivors(), world.clock.clone(), world.ids.clone());
    drop(world.running);
    let world = World::start(disk, &clock, &ids, options).unwrap();
    while world.engine().account(account).wait().unwrap().open_children > 0 {
        thread::yield_now();
    }
    assert_eq!(settled(&world, sessions[7]), Some((Reason::Revoked, 5)));
    let row = world.engine().account(account).wait().unwrap();
    assert_eq!((row.spent_below.nanos(), row.available().nanos()), (5, 999_995));
    world.engine().check_sound().unwrap();
}

#[test]
fn what_is_asked_of_what_is_settled_or_never_was_is_told_so() {
    let world = World::new(4);
    let payee = world.payee("p");
    let account = world.account("a", 1_000);
    let (revoked, closed) =
        (world.open(&opening(account, "r", 100)), world.open(&opening(account, "c", 100)));
    assert_eq!(code(&world.debit(revoked, payee, 5, "k")), None);
    world.engine().settle(closed, false).wait().unwrap();
    let first = set(&world, on(revoked), HONOUR, None).unwrap();
    assert!(!first.replayed);
    world.engine().sweep(64);
    assert_eq!(settled(&world, revoked), Some((Reason::Revoked, 5)));
    let again = set(&world, on(revoked), HONOUR, None).unwrap();
    assert!(again.replayed && again.value.state == HONOUR);
    let state = |refused: Result<Answer<Control>, Fault>| match refused.unwrap_err() {
        Fault::Refused(Refusal::WrongState { state }) => state,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(set(&world, on(revoked), State::Paused, None)), "SETTLED");
    assert_eq!(state(set(&world, on(closed), HONOUR, None)), "SETTLED");
    let never = SessionId::new(tallystick_core::id::Place { partition: 3, slot: 900, generation: 0 }, 1);
    assert_eq!(
        set(&world, on(never), State::Paused, None).unwrap_err(),
        Fault::Refused(Refusal::UnknownSession)
    );
}
