//! Numbered writers: a client that lost its connection asks where it stood and goes on exactly there; nobody else can
//! speak for it, and an older self is not heard.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use tallystick_core::{
    Amount, PayeeId, Refusal, SessionId, WriterId,
    command::{Debit, Intent},
    id::Place,
};
use tallystick_engine::{DebitAnswer, DebitOutcome, Fault};
use world::{World, by_key, by_number, code, opening};

struct Scene {
    world: World,
    session: SessionId,
    other: SessionId,
    payee: PayeeId,
    writer: WriterId,
}

fn scene() -> Scene {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 10_000), world.payee("p"));
    let session = world.open(&opening(account, "s", 1_000));
    let other = world.open(&opening(account, "t", 1_000));
    let (writer, epoch) = world.engine().open_writer(None).wait().unwrap();
    assert_eq!(epoch, 1);
    Scene { world, session, other, payee, writer }
}

impl Scene {
    fn asked(&self, epoch: u32, number: u64, nanos: u64) -> Debit<'static> {
        by_number(self.session, self.payee, nanos, (self.writer, epoch), number)
    }

    fn say(&self, epoch: u32, number: u64, nanos: u64) -> Result<DebitAnswer, Refusal> {
        refused(self.world.engine().debit(&self.asked(epoch, number, nanos)).wait())
    }

    fn batch(&self, commands: &[Debit<'_>]) -> Vec<Result<DebitOutcome, Refusal>> {
        self.world.engine().debit_batch(commands).wait().unwrap()
    }

    fn position(&self, writer: WriterId, epoch: u32) -> Result<u64, Refusal> {
        refused(self.world.engine().position(self.session, writer, epoch).wait())
    }
}

fn refused<T>(result: Result<T, Fault>) -> Result<T, Refusal> {
    result.map_err(|fault| match fault {
        Fault::Refused(refusal) => refusal,
        other => panic!("{other}"),
    })
}

fn stranger() -> WriterId {
    WriterId::new(Place { partition: 9, slot: 0, generation: 0 }, 77)
}

const NEVER_GIVEN: Refusal = Refusal::Malformed { field: "epoch", rule: "must be one that was given out" };

#[test]
fn numbers_are_decided_in_order_and_answered_again() {
    let s = scene();
    assert_eq!(s.say(1, 2, 5), Err(Refusal::NumberGap { expected: 1 }));
    let first = s.say(1, 1, 5).unwrap();
    let second = s.say(1, 2, 2_000).unwrap();
    assert!(code(&first).is_none() && code(&second).is_some(), "a decline takes its number, too");
    assert_eq!(s.say(1, 4, 5), Err(Refusal::NumberGap { expected: 3 }));
    for (first, number, nanos) in [(first, 1, 5), (second, 2, 2_000)] {
        let again = s.say(1, number, nanos).unwrap();
        assert!(again.replayed);
        assert_eq!((again.seq, again.amount, code(&again)), (first.seq, first.amount, code(&first)));
    }
    assert_eq!(s.say(1, 1, 6), Err(Refusal::KeyReused { field: "amount_nanos" }));
    assert_eq!(s.position(s.writer, 1), Ok(2));
}

#[test]
fn what_was_acknowledged_is_below_the_window() {
    let s = scene();
    for number in 1..=6 {
        s.say(1, number, number).unwrap();
    }
    let mut seventh = s.asked(1, 7, 7);
    let Intent::Number(at) = &mut seventh.intent else { panic!("a number") };
    at.acked_through = 4;
    s.world.engine().debit(&seventh).wait().unwrap();
    assert_eq!(s.say(1, 4, 4), Err(Refusal::BelowWindow));
    assert!(s.say(1, 5, 5).unwrap().replayed);
    let s = Scene { world: s.world.restart(7), ..s };
    assert_eq!(s.say(1, 4, 4), Err(Refusal::BelowWindow));
    assert!(s.say(1, 5, 5).unwrap().replayed);
    let mut ahead = s.asked(1, 8, 1);
    let Intent::Number(at) = &mut ahead.intent else { panic!("a number") };
    at.acked_through = 8;
    assert!(matches!(refused(s.world.engine().debit(&ahead).wait()), Err(Refusal::Malformed { .. })));
}

#[test]
fn a_newer_epoch_resumes_and_fences_the_older() {
    let s = scene();
    s.say(1, 1, 5).unwrap();
    s.say(1, 2, 5).unwrap();
    assert_eq!(s.world.engine().open_writer(Some(s.writer)).wait(), Ok((s.writer, 2)));
    // From here on the older self is not heard, alone or in a batch, even before the newer one has spoken.
    assert_eq!(s.say(1, 3, 5), Err(Refusal::WriterFenced { epoch: 2 }));
    assert_eq!(s.batch(&[s.asked(1, 3, 5)]), [Err(Refusal::WriterFenced { epoch: 2 })]);
    assert_eq!(s.position(s.writer, 1), Err(Refusal::WriterFenced { epoch: 2 }));
    assert_eq!(s.position(s.writer, 2), Ok(2));
    assert!(s.say(2, 2, 5).unwrap().replayed, "the older self's answers are the newer one's");
    let third = s.say(2, 3, 5).unwrap();
    let s = Scene { world: s.world.restart(3), ..s };
    assert_eq!(s.say(1, 4, 5), Err(Refusal::WriterFenced { epoch: 2 }));
    assert_eq!(s.position(s.writer, 2), Ok(3));
    assert_eq!(s.say(2, 3, 5).unwrap().seq, third.seq);
    assert!(!s.say(2, 4, 5).unwrap().replayed);
}

/// Found by reading: batches and positions took any writer's name and any epoch, so that anyone could fence anyone.
#[test]
fn nobody_speaks_with_an_epoch_that_was_never_given() {
    let s = scene();
    s.say(1, 1, 5).unwrap();
    for epoch in [2, u32::MAX] {
        assert_eq!(s.say(epoch, 2, 5), Err(NEVER_GIVEN));
        assert_eq!(s.batch(&[s.asked(epoch, 2, 5)]), [Err(NEVER_GIVEN)]);
        assert_eq!(s.position(s.writer, epoch), Err(NEVER_GIVEN));
    }
    let strange = by_number(s.session, s.payee, 5, (stranger(), 1), 1);
    assert_eq!(refused(s.world.engine().debit(&strange).wait()), Err(Refusal::UnknownWriter));
    assert_eq!(s.batch(&[strange]), [Err(Refusal::UnknownWriter)]);
    assert_eq!(s.position(stranger(), 1), Err(Refusal::UnknownWriter));
    assert_eq!(
        s.world.engine().open_writer(Some(stranger())).wait(),
        Err(Fault::Refused(Refusal::UnknownWriter))
    );
    assert!(!s.say(1, 2, 5).unwrap().replayed, "the owner goes on undisturbed");
}

#[test]
fn after_a_refused_number_the_rest_of_that_writer_and_session_is_not_attempted() {
    let s = scene();
    let second = s.world.engine().open_writer(None).wait().unwrap().0;
    let mut bad = s.asked(1, 2, 1);
    bad.amount = Amount::ZERO;
    let unknown = PayeeId::new(Place { partition: 3, slot: 900, generation: 0 }, 1);
    let with = |writer, number| by_number(s.session, s.payee, 1, (writer, 1), number);
    let elsewhere = by_number(s.other, s.payee, 1, (s.writer, 1), 1);
    let results = s.batch(&[
        s.asked(1, 1, 1),
        bad,
        s.asked(1, 3, 1),
        elsewhere,
        with(second, 2),
        s.asked(1, 4, 1),
        with(second, 1),
        by_key(s.session, s.payee, 1, "a key"),
        by_number(s.other, unknown, 1, (s.writer, 1), 2),
        by_number(s.other, s.payee, 1, (s.writer, 1), 3),
    ]);
    assert!(results[0].is_ok());
    assert!(matches!(results[1], Err(Refusal::Malformed { field: "amount_nanos", .. })));
    assert_eq!(results[2], Err(Refusal::NotAttempted { expected: 2 }));
    assert!(results[3].is_ok(), "another session");
    assert_eq!(results[4], Err(Refusal::NumberGap { expected: 1 }), "another writer's own mistake");
    assert_eq!(results[5], Err(Refusal::NotAttempted { expected: 2 }));
    assert!(results[6].is_ok(), "another writer's next number");
    assert!(results[7].is_ok(), "a key has no order");
    assert_eq!(results[8], Err(Refusal::UnknownPayee));
    assert_eq!(results[9], Err(Refusal::NotAttempted { expected: 2 }));
    assert_eq!(s.position(s.writer, 1), Ok(1));
    assert_eq!(s.world.engine().check_sound(), Ok(()));
}

#[test]
fn a_batch_over_many_sessions_is_answered_in_its_order() {
    let s = scene();
    let account = s.world.account("b", 100_000);
    let sessions: Vec<SessionId> =
        (0..30).map(|n| s.world.open(&opening(account, &format!("s{n}"), 100))).collect();
    let asked: Vec<Debit<'_>> = (0..1_000u64)
        .map(|n| {
            let session = sessions[usize::try_from(n % 30).unwrap()];
            by_number(session, s.payee, 1 + n % 9, (s.writer, 1), 1 + n / 30)
        })
        .collect();
    let first = s.batch(&asked);
    let mut left = [100; 30];
    for (n, result) in first.iter().enumerate() {
        let (done, left) = (result.as_ref().unwrap(), &mut left[n % 30]);
        let nanos = asked[n].amount.nanos();
        let fits = nanos <= *left;
        *left -= if fits { nanos } else { 0 };
        let expected = (fits, Amount::from_nanos(*left), false);
        assert_eq!((done.declined.is_none(), done.remaining, done.replayed), expected, "debit {n}");
    }
    for (first, again) in first.iter().zip(s.batch(&asked)) {
        let (first, again) = (first.as_ref().unwrap(), again.unwrap());
        assert!(again.replayed);
        assert_eq!((again.seq, again.declined), (first.seq, first.declined));
    }
}
