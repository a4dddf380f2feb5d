//! One control word stops all that is below it, and nothing else; a late command is fenced by its epoch; what was promised is
//! kept, or given back where that was asked; and what was revoked is settled from the leaves up, to the last nano.
#![allow(clippy::unwrap_used, reason = "a test")]

mod ledger;

use ledger::{Ledger, USD, prepaid};
use tallystick_core::{
    Amount, DeclineCode, EnvelopeId, Next, Partition, Record, Refusal, SessionId, Time,
    books::Book,
    command::{Act, CreateAccount, Debit, OpenSession, TopUp},
    control::{ControlOf, Promises, State},
    decide::{self, Decided},
    session::{HoldEnd, Mode},
    settlement::Reason,
    tree::Step,
};

const HONOUR: State = State::Revoked(Promises::Honour);
const VOID: State = State::Revoked(Promises::Void);

/// What is asked of one control word, in turn, and what is answered: its state and epoch, "again" for a replay, or the refusal.
const EPOCHS: &str = "
asked            | answered
pause            | PAUSED 1
pause            | again PAUSED 1
pause at 0       | again PAUSED 1
resume at 0      | fenced 1
resume at 2      | fenced 1
resume           | epoch must be given
resume at 1      | OPEN 2
resume at 1      | again OPEN 2
pause at 1       | fenced 2
pause at 2       | PAUSED 3
resume at 1      | fenced 3
resume at 3      | OPEN 4
revoke at 3      | fenced 4
revoke           | REVOKED 5
revoke           | again REVOKED 5
revoke at 4      | again REVOKED 5
pause            | is REVOKED
resume at 5      | is REVOKED
void at 4        | fenced 5
void             | REVOKED 6
void             | again REVOKED 6
revoke           | again REVOKED 6
pause at 6       | is REVOKED
";

fn nanos(amount: u64) -> Amount {
    Amount::from_nanos(amount)
}

fn sound(ledger: &Ledger) {
    assert_eq!(ledger.partition.check_sound(), Ok(()));
}

/// An account of 1,000,000 that is the front-end `ours`'s, and payees.
fn world() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.payee("alice");
    ledger.payee("bob");
    let account = ledger.create_account(&CreateAccount { front_end: "ours", ..prepaid() }).unwrap();
    ledger.deposit(account, 1_000_000);
    ledger
}

/// Opens a session under `parent` that lasts from 0 to `ttl`. Returns it, or why it was declined.
fn open(
    ledger: &mut Ledger,
    parent: EnvelopeId,
    (cap, mode, ttl): (u64, Mode, u64),
) -> Result<SessionId, DeclineCode> {
    let key = ledger.draw().to_string();
    let asked = OpenSession { parent, mode, key: key.as_bytes(), ..ledger.opening(cap, ttl) };
    ledger.open(&asked).map_err(|no| no.code)
}

fn on(id: SessionId) -> ControlOf<'static> {
    ControlOf::Envelope(id.into())
}

fn the_account(ledger: &Ledger) -> EnvelopeId {
    ledger.account.unwrap().into()
}

/// Does something in a session under a new key. Returns the code and whose limit it is.
fn act(ledger: &mut Ledger, session: SessionId, amount: u64, act: Act) -> Option<(DeclineCode, EnvelopeId)> {
    let key = ledger.draw().to_string();
    let command = Debit { act, session, ..ledger.debit("alice", amount, USD, key.as_bytes()) };
    let (replay, hit) = ledger.decide(&command).unwrap();
    assert_eq!(replay, None);
    sound(ledger);
    hit.map(|hit| (hit.decline.code, hit.limit_of))
}

fn place(until: Time) -> Act {
    Act::Hold { tolerance: Amount::ZERO, until }
}

fn hold(ledger: &mut Ledger, session: SessionId, amount: u64, until: u64) -> u64 {
    let until = ledger.at(until);
    assert_eq!(act(ledger, session, amount, place(until)), None);
    ledger.seq
}

fn capture(ledger: &mut Ledger, session: SessionId, hold: u64, amount: u64) -> Option<DeclineCode> {
    act(ledger, session, amount, Act::Capture { hold, last: false }).map(|(code, _)| code)
}

fn top_up(ledger: &mut Ledger, session: SessionId) -> Option<DeclineCode> {
    let key = ledger.draw().to_string();
    let command = TopUp {
        session,
        key: key.as_bytes(),
        add: nanos(1),
        extend_by: tallystick_core::Span::from_ns(0),
        parent_proof: None,
    };
    let decided = decide::top_up(&ledger.partition, &command, None, ledger.now).unwrap();
    let Decided::Record(record) = decided else { panic!("a new key") };
    ledger.write(&record);
    match record {
        Record::CommandDeclined(no) => Some(no.decline.code),
        _ => None,
    }
}

/// Does one step of what the sweeper does about revocations. Returns it, and whether there was one.
fn unwind_one(ledger: &mut Ledger, from: &mut Option<u32>) -> Option<Step> {
    let step = ledger.partition.ready_step(ledger.now).or_else(|| {
        loop {
            // Two rows at a time, so that a look ends in the middle of things.
            let (step, next) = ledger.partition.look_for_revoked((*from)?, 2, ledger.now);
            *from = next;
            if step.is_some() {
                return step;
            }
        }
    })?;
    let record = match step {
        Step::Lapse(id) => decide::lapse(&ledger.partition, id, ledger.now),
        Step::Settle { session, cascading } => {
            decide::settle(&ledger.partition, session, ledger.now, cascading)
        }
        Step::Close(_) => panic!("nothing is closed for a revocation"),
    };
    ledger.write(&record.unwrap());
    sound(ledger);
    Some(step)
}

fn unwind(ledger: &mut Ledger) -> Vec<Step> {
    let mut from = Some(0);
    std::iter::from_fn(|| unwind_one(ledger, &mut from)).collect()
}

#[test]
fn a_late_command_is_fenced_and_what_is_so_already_is_a_replay() {
    let mut ledger = world();
    let account = the_account(&ledger);
    let session = open(&mut ledger, account, (10, Mode::Reserved, 1_000)).unwrap();
    for target in [ControlOf::Envelope(account), on(session)] {
        for row in EPOCHS.lines().filter(|line| line.contains('|')).skip(1) {
            let (asked, answered) = row.split_once('|').unwrap();
            let (word, epoch) = asked.trim().split_once(" at ").unwrap_or((asked.trim(), ""));
            let to = match word {
                "pause" => State::Paused,
                "resume" => State::Open,
                "revoke" => HONOUR,
                "void" => VOID,
                other => panic!("{other}"),
            };
            let seq = ledger.seq;
            let said = match ledger.control(target, to, epoch.parse().ok()) {
                Ok((control, again)) => {
                    assert_eq!(again, ledger.seq == seq, "{row}: a replay writes nothing");
                    let again = if again { "again " } else { "" };
                    assert_eq!((control.by, &*control.note), (7, "a test"));
                    format!("{again}{} {}", control.state.name(), control.epoch)
                }
                Err(Refusal::ControlFenced { epoch }) => format!("fenced {epoch}"),
                Err(Refusal::WrongState { state }) => format!("is {state}"),
                Err(Refusal::Malformed { field, .. }) => format!("{field} must be given"),
                Err(other) => panic!("{row}: {other:?}"),
            };
            assert_eq!(said, answered.trim(), "{asked} of {target:?}");
            sound(&ledger);
        }
    }
}

#[test]
fn all_that_is_below_is_stopped_at_every_level_and_what_is_beside_it_goes_on() {
    let mut ledger = world();
    let account = the_account(&ledger);
    let mut line = vec![account];
    for depth in 0..8 {
        let mode = if depth % 2 == 0 { Mode::Shared } else { Mode::Reserved };
        let parent = *line.last().unwrap();
        line.push(open(&mut ledger, parent, (10_000 - 1_000 * depth, mode, 1_000)).unwrap().into());
    }
    let beside = open(&mut ledger, account, (5_000, Mode::Shared, 1_000)).unwrap();
    let sessions: Vec<SessionId> = line
        .iter()
        .filter_map(|id| if let EnvelopeId::Session(id) = id { Some(*id) } else { None })
        .collect();
    for (at, stopped) in line.iter().enumerate() {
        let target = ControlOf::Envelope(*stopped);
        let (word, _) = ledger.control(target, State::Paused, None).unwrap();
        for (depth, session) in (1..).zip(&sessions) {
            let expected = (depth >= at).then_some((DeclineCode::Paused, *stopped));
            assert_eq!(act(&mut ledger, *session, 1, Act::Debit), expected, "{stopped:?} {depth}");
            assert_eq!(act(&mut ledger, *session, 1, place(Time::ZERO)), expected);
            assert_eq!(top_up(&mut ledger, *session), expected.map(|(code, _)| code));
            let child = open(&mut ledger, (*session).into(), (1, Mode::Shared, 0));
            match expected {
                Some((code, _)) => assert_eq!(child, Err(code)),
                None => assert!(child.is_ok() || child == Err(DeclineCode::TooDeep)),
            }
        }
        let expected = (at == 0).then_some((DeclineCode::Paused, account));
        assert_eq!(act(&mut ledger, beside, 1, Act::Debit), expected, "beside {stopped:?}");
        ledger.control(target, State::Open, Some(word.epoch)).unwrap();
        assert_eq!(act(&mut ledger, sessions[7], 1, Act::Debit), None, "resumed");
    }
    // A front-end's stop reaches its accounts, and is told apart from theirs.
    assert!(ledger.front_end("ours", State::Paused, 1));
    assert_eq!(act(&mut ledger, sessions[3], 1, Act::Debit), Some((DeclineCode::Paused, account)));
    assert!(!ledger.front_end("ours", State::Open, 1), "an older word, or the same, changes nothing");
    assert!(ledger.front_end("ours", State::Open, 4), "a newer one may come first");
    assert!(!ledger.front_end("ours", State::Paused, 3));
    assert_eq!(act(&mut ledger, sessions[3], 1, Act::Debit), None);
}

#[test]
fn a_resumed_pause_does_not_resume_another_above_or_below() {
    let mut ledger = world();
    let account = the_account(&ledger);
    let session = open(&mut ledger, account, (10, Mode::Shared, 1_000)).unwrap();
    ledger.control(on(session), State::Paused, None).unwrap();
    ledger.control(ControlOf::Envelope(account), State::Paused, None).unwrap();
    ledger.control(on(session), State::Open, Some(1)).unwrap();
    assert_eq!(act(&mut ledger, session, 1, Act::Debit), Some((DeclineCode::Paused, account)));
    ledger.control(ControlOf::Envelope(account), State::Open, Some(1)).unwrap();
    assert_eq!(act(&mut ledger, session, 1, Act::Debit), None);
    assert_eq!(ledger.partition.stops(), 0);
}

#[test]
fn a_decline_of_a_stop_is_remembered_under_its_key() {
    let mut ledger = world();
    let account = the_account(&ledger);
    open(&mut ledger, account, (10, Mode::Shared, 1_000)).unwrap();
    let session = on(ledger.session.unwrap());
    ledger.control(session, State::Paused, None).unwrap();
    let once = ledger.debit("alice", 1, USD, b"once");
    let (_, hit) = ledger.decide(&once).unwrap();
    assert_eq!(hit.map(|hit| hit.decline.next), Some(Next::NewKey));
    ledger.control(session, State::Open, Some(1)).unwrap();
    let (replay, _) = ledger.decide(&once).unwrap();
    assert_eq!(replay.unwrap().verdict.map(|(code, _)| code), Some(DeclineCode::Paused));
    let again = Debit { intent: tallystick_core::command::Intent::Key(b"again"), ..once };
    assert_eq!(ledger.decide(&again).unwrap(), (None, None), "a new key brings a new decision");
    // What was approved before a stop is told as approved while it lasts.
    ledger.control(session, State::Paused, None).unwrap();
    let (replay, _) = ledger.decide(&again).unwrap();
    assert_eq!(replay.unwrap().verdict, None);
}

#[test]
fn captures_pass_a_pause_and_an_honouring_revocation_until_their_time() {
    for state in [State::Paused, HONOUR] {
        let mut ledger = world();
        let account = the_account(&ledger);
        let session = open(&mut ledger, account, (100, Mode::Shared, 1_000)).unwrap();
        let (first, second) = (hold(&mut ledger, session, 30, 500), hold(&mut ledger, session, 20, 900));
        ledger.control(ControlOf::Envelope(account), state, None).unwrap();
        let stop = if state == State::Paused { DeclineCode::Paused } else { DeclineCode::Revoked };
        assert_eq!(act(&mut ledger, session, 1, Act::Debit), Some((stop, account)));
        assert_eq!(capture(&mut ledger, session, first, 10), None);
        assert_eq!(act(&mut ledger, session, 0, Act::Void { hold: second }), None, "a void passes");
        ledger.now = ledger.at(500);
        let record = decide::lapse(&ledger.partition, session, ledger.now).unwrap();
        ledger.write(&record);
        let ended = |ledger: &Ledger| ledger.session().holds().unwrap().find_ended(first).map(|(end, _)| end);
        assert_eq!(ended(&ledger), Some(HoldEnd::Expired));
        assert_eq!(capture(&mut ledger, session, first, 1), Some(stop), "what comes late is a debit");
        let steps = unwind(&mut ledger);
        if state == State::Paused {
            assert_eq!(steps, []);
            continue;
        }
        assert_eq!(steps, [Step::Settle { session, cascading: false }], "when the last hold has ended");
        let settled = ledger.partition.unfiled_settlement(session).unwrap();
        assert_eq!((settled.reason, settled.total), (Reason::Revoked, nanos(10)));
        let row = ledger.partition.account(ledger.account.unwrap()).unwrap();
        assert_eq!((row.available().nanos(), row.open_children, row.held_below.nanos()), (999_990, 0, 0));
    }
}

#[test]
fn a_voiding_revocation_declines_captures_at_once_and_gives_the_holds_back() {
    let mut ledger = world();
    let account = the_account(&ledger);
    let above = open(&mut ledger, account, (100, Mode::Reserved, 2_000)).unwrap();
    let session = open(&mut ledger, above.into(), (80, Mode::Shared, 1_000)).unwrap();
    let beside = open(&mut ledger, account, (80, Mode::Shared, 1_000)).unwrap();
    let (held, late) = (hold(&mut ledger, session, 30, 900), hold(&mut ledger, session, 20, 100));
    let theirs = hold(&mut ledger, beside, 30, 900);
    ledger.now = ledger.at(100);
    let record = decide::lapse(&ledger.partition, session, ledger.now).unwrap();
    ledger.write(&record);
    assert_eq!(capture(&mut ledger, session, held, 5), None);
    ledger.control(on(above), HONOUR, None).unwrap();
    assert_eq!(capture(&mut ledger, session, held, 5), None, "honoured so far");
    ledger.control(on(above), VOID, None).unwrap();
    for hold in [held, late] {
        let no = act(&mut ledger, session, 5, Act::Capture { hold, last: false });
        assert_eq!(no, Some((DeclineCode::Revoked, above.into())));
    }
    assert_eq!(capture(&mut ledger, beside, theirs, 5), None, "what is beside it keeps its promises");
    let steps = unwind(&mut ledger);
    let settle = |session| Step::Settle { session, cascading: false };
    assert_eq!(steps, [Step::Lapse(session), settle(session), settle(above)]);
    let row = ledger.partition.account(ledger.account.unwrap()).unwrap();
    assert_eq!(
        (row.spent_below.nanos(), row.held_below.nanos(), row.reserved_by_children.nanos()),
        (15, 25, 0)
    );
    assert_eq!(ledger.partition.books().get(USD, Book::Held), 25);
    assert_eq!(ledger.partition.stops(), 0, "a settled session is no stop any more");
}

#[test]
fn a_hold_given_back_before_its_time_was_voided_and_not_expired() {
    let mut ledger = world();
    let account = the_account(&ledger);
    let session = open(&mut ledger, account, (100, Mode::Reserved, 1_000)).unwrap();
    let held = hold(&mut ledger, session, 30, 900);
    let child = open(&mut ledger, session.into(), (10, Mode::Shared, 0)).unwrap();
    ledger.control(on(session), VOID, None).unwrap();
    let mut from = Some(0);
    let first = unwind_one(&mut ledger, &mut from);
    assert_eq!(first, Some(Step::Lapse(session)), "its own holds need not wait for what is below");
    let (end, row) = ledger.partition.session(session).unwrap().holds().unwrap().find_ended(held).unwrap();
    assert_eq!((end, row.left), (HoldEnd::Voided, nanos(30)));
    let rest: Vec<Step> = std::iter::from_fn(|| unwind_one(&mut ledger, &mut from)).collect();
    let settle = |session| Step::Settle { session, cascading: false };
    assert_eq!(rest, [settle(child), settle(session)]);
}

#[test]
fn whoever_settles_what_was_revoked_gives_the_same_reason_and_an_end_before_stays_an_end() {
    let mut ledger = world();
    let account = the_account(&ledger);
    let early = open(&mut ledger, account, (10, Mode::Reserved, 50)).unwrap();
    let late = open(&mut ledger, account, (10, Mode::Reserved, 1_000)).unwrap();
    ledger.now = ledger.at(100);
    ledger.control(ControlOf::Envelope(account), HONOUR, None).unwrap();
    for (session, reason) in [(early, Reason::Expired), (late, Reason::Revoked)] {
        for cascading in [false, true] {
            let Record::SessionSettled(settled) =
                decide::settle(&ledger.partition, session, ledger.now, cascading).unwrap()
            else {
                panic!("no settlement")
            };
            assert_eq!(settled.reason, reason);
        }
    }
    ledger.now = ledger.at(2_000);
    let Record::SessionSettled(settled) = decide::settle(&ledger.partition, late, ledger.now, false).unwrap()
    else {
        panic!("no settlement")
    };
    assert_eq!(settled.reason, Reason::Revoked, "its end has come since, but it was revoked before");
}

/// Cuts a partition and takes the cut up again: all that is derived is derived anew.
fn taken_up(ledger: &mut Ledger) {
    ledger.partition.copy_all_again();
    let (head, _) = ledger.partition.cut(ledger.seq);
    let mut rows: Vec<_> = std::iter::repeat_with(|| ledger.partition.copy(64))
        .take_while(|copied| !copied.is_empty())
        .flatten()
        .collect();
    rows.sort_by_key(|(slot, _)| *slot);
    let mut partition = Partition::new(7);
    rows.into_iter().try_for_each(|(slot, row)| partition.load_row(slot, row)).unwrap();
    partition.load_head(head).unwrap();
    assert_eq!(partition.stops(), ledger.partition.stops());
    ledger.partition = partition;
}

#[test]
fn a_tree_is_settled_from_the_leaves_wherever_a_restart_comes_between() {
    for restart_after in 0..16 {
        let mut ledger = world();
        let account = the_account(&ledger);
        let mut open_below = vec![account];
        for n in 0..12 {
            let (parent, mode) = (open_below[n / 2], if n % 3 == 0 { Mode::Shared } else { Mode::Reserved });
            let session = open(&mut ledger, parent, (10_000 >> n, mode, 1_000 - n as u64)).unwrap();
            assert_eq!(act(&mut ledger, session, 1, Act::Debit), None);
            open_below.push(session.into());
        }
        let spent = 12;
        ledger.control(ControlOf::Envelope(account), HONOUR, None).unwrap();
        let (mut from, mut done) = (Some(0), 0);
        loop {
            if done == restart_after {
                taken_up(&mut ledger);
                from = Some(0);
            }
            done += 1;
            let Some(step) = unwind_one(&mut ledger, &mut from) else { break };
            let Step::Settle { session, .. } = step else { panic!("{step:?}") };
            let settled = ledger.partition.unfiled_settlement(session);
            assert!(settled.is_some_and(|settled| settled.reason == Reason::Revoked));
        }
        assert_eq!(ledger.partition.open_sessions(), 0, "restart after {restart_after}");
        let row = ledger.partition.account(ledger.account.unwrap()).unwrap();
        assert_eq!(
            (row.spent_below.nanos(), row.reserved_by_children.nanos(), row.open_children),
            (spent, 0, 0)
        );
        assert_eq!(row.available().nanos(), 1_000_000 - spent);
        assert_eq!(ledger.partition.stops(), 1, "the account stays revoked");
    }
}
