//! A stream of numbered debits fails. Its client looks the last number up before it sends the same intent as a single call
//! under a key: what was decided is not decided again, and what was not is decided once.

use tallystick_core::{EnvelopeId, PayeeId, Refusal, SessionId, WriterId};
use tallystick_engine::{Fault, Known};
use tallystick_projection::Lookup;
use tallystick_sim::{
    asked::{Asked, Told},
    script::{Script, below, by_key, by_number, code, nanos},
};

struct Stream {
    script: Script,
    session: SessionId,
    payee: PayeeId,
    writer: (WriterId, u32),
}

fn begun() -> Stream {
    let script = Script::begin(3);
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let session = script.opened(below(EnvelopeId::Account(account), "session", 500));
    let writer = script.writer();
    for number in 1..=3 {
        assert_eq!(code(&script.debit(by_number((session, payee), 10, writer, number))), None);
    }
    Stream { script, session, payee, writer }
}

impl Stream {
    fn looked_up(&self, number: u64) -> Known {
        let (session, writer) = (self.session, self.writer.0);
        match self.script.ask(Asked::LookUpNumber { session, writer, number }) {
            Ok(Told::Known(known)) => known,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_decided_is_not_sent_again() {
    let stream = begun();
    let (session, payee, writer) = (stream.session, stream.payee, stream.writer);
    stream.script.tell(Asked::Debit(by_number((session, payee), 25, writer, 4)));
    stream.script.commit();
    // The stream fails here: it was durable, and nobody heard.
    stream.script.restart(5, 0);
    let Known::Decided(debit, to) = stream.looked_up(4) else { panic!("it is not known") };
    assert_eq!((debit.taken, to), (nanos(25), payee));
    // The same number again is the same answer; another intent under it is not.
    let again = stream.script.debit(by_number((session, payee), 25, writer, 4));
    assert!(again.replayed && again.taken == nanos(25), "{again:?}");
    let other = stream.script.ask(Asked::Debit(by_number((session, payee), 26, writer, 4)));
    assert_eq!(other, Err(Fault::Refused(Refusal::KeyReused { field: "amount_nanos" })));
    assert_eq!(stream.script.settle(session, false).total, nanos(55));
    stream.script.follow();
    let found = stream.script.indexed_number(session, writer.0, 4);
    assert!(matches!(found, Lookup::Found { .. }), "{found:?}");
    stream.script.end();
}

#[test]
fn what_was_not_is_decided_once_under_its_key() {
    let stream = begun();
    let (session, payee, writer) = (stream.session, stream.payee, stream.writer);
    stream.script.tell(Asked::Debit(by_number((session, payee), 25, writer, 4)));
    // The process dies before the commit.
    stream.script.restart(5, 0);
    assert_eq!(stream.looked_up(4), Known::NeverSeen);
    let called = Asked::Debit(by_key(session, payee, 25, "number 4"));
    let Ok(Told::Debit(first)) = stream.script.ask(called.clone()) else { panic!("it is not decided") };
    let Ok(Told::Debit(again)) = stream.script.ask(called) else { panic!("it is not decided") };
    assert!(!first.replayed && again.replayed && first.seq == again.seq);
    // A late number 4 of the old stream is fenced by the epoch that its client took when it gave the stream up.
    let resumed = stream.script.ask(Asked::OpenWriter(Some(writer.0)));
    let Ok(Told::Writer { epoch, .. }) = resumed else { panic!("{resumed:?}") };
    let late = stream.script.ask(Asked::Debit(by_number((session, payee), 25, writer, 4)));
    assert_eq!(late, Err(Fault::Refused(Refusal::WriterFenced { epoch })));
    let position = stream.script.ask(Asked::Position { session, writer: writer.0, epoch });
    assert_eq!(position, Ok(Told::Position(3)));
    assert_eq!(stream.script.settle(session, false).total, nanos(55));
    stream.script.end();
}
