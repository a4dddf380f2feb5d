//! Owns: rows of `AuthorizeStream`: what ends a stream, and what is refused in a batch.

use super::{
    World,
    expected::{Expected, Said, fenced, in_batch, malformed, unknown},
    ids::{unknown_payee, unknown_session, unknown_writer},
    ledger::with,
    stream::{Stream, batch},
};
use tallystick_proto::v1::{
    DebitBatch, Hello, PositionsRequest, StreamDebit, authorize_stream_request::Message as Ask,
    authorize_stream_response::Message as Answer,
};

const NOT_A_RULE: &str = "MALFORMED";

pub(crate) async fn refuse(world: &World) {
    beginnings(world).await;
    ends(world).await;
    batches(world).await;
    numbers(world).await;
    positions(world).await;
}

fn good(world: &World, debits: Vec<StreamDebit>) -> DebitBatch {
    batch(&world.stage.session_id, &world.stage.payee_id, debits)
}

fn keyed(world: &World) -> StreamDebit {
    StreamDebit { amount_nanos: 7, idempotency_key: world.key(), ..StreamDebit::default() }
}

fn numbered(number: u64) -> StreamDebit {
    StreamDebit { amount_nanos: 7, number, ..StreamDebit::default() }
}

fn hello(writer_id: &str) -> Ask {
    Ask::Hello(Hello { writer_id: writer_id.into() })
}

/// Sends one thing on a stream that has not said hello.
async fn beginnings(world: &World) {
    let positions = PositionsRequest { session_ids: vec![world.stage.session_id.clone()] };
    let rows: [(&str, Expected, Option<Ask>); 6] = [
        ("a batch before hello", malformed("message"), Some(Ask::Batch(good(world, vec![keyed(world)])))),
        ("positions before hello", malformed("message"), Some(Ask::Positions(positions))),
        ("an empty message", malformed("message"), None),
        ("hello of an unknown writer", unknown("UNKNOWN_WRITER"), Some(hello(&unknown_writer()))),
        ("hello of a session", malformed("hello.writer_id"), Some(hello(&world.stage.session_id))),
        ("hello of a writer cut short", malformed("hello.writer_id"), Some(hello("wri_"))),
    ];
    for (what, expected, ask) in rows {
        let mut stream = Stream::silent(&world.channel).await;
        world.refused(&format!("stream: {what}"), expected, stream.ended(ask)).await;
    }
}

/// Sends one thing on a stream that is at work, which ends it.
async fn ends(world: &World) {
    let many = |count| vec![String::new(); count];
    let one = || good(world, vec![keyed(world)]);
    let debits = vec![keyed(world); 10_001];
    let rows: [(&str, Expected, Option<Ask>); 9] = [
        ("hello twice", malformed("hello"), Some(hello(""))),
        ("an empty message after hello", malformed("message"), None),
        ("a batch of 10,001 debits", malformed("batch.debits"), Some(Ask::Batch(good(world, debits)))),
        (
            "a batch with 10,001 sessions",
            malformed("batch.session_ids"),
            Some(Ask::Batch(with(&one(), |r| r.session_ids = many(10_001)))),
        ),
        (
            "a batch with 10,001 payees",
            malformed("batch.payee_ids"),
            Some(Ask::Batch(with(&one(), |r| r.payee_ids = many(10_001)))),
        ),
        (
            "a batch in an unknown currency",
            malformed("currency"),
            Some(Ask::Batch(with(&one(), |r| r.currency = "ZZZ".into()))),
        ),
        (
            "a batch in a lower case currency",
            malformed("currency"),
            Some(Ask::Batch(with(&one(), |r| r.currency = "usd".into()))),
        ),
        (
            "a batch in a withdrawn currency",
            malformed("currency"),
            Some(Ask::Batch(with(&one(), |r| r.currency = "DEM".into()))),
        ),
        (
            "positions in 10,001 sessions",
            malformed("session_ids"),
            Some(Ask::Positions(PositionsRequest { session_ids: many(10_001) })),
        ),
    ];
    for (what, expected, ask) in rows {
        let mut stream = world.stream().await;
        world.refused(&format!("stream: {what}"), expected, stream.ended(ask)).await;
    }
    let mut older = world.stream().await;
    let newer = Stream::open(&world.channel, &older.writer_id).await;
    let said = async { Said::of(&older.answer().await.expect_err("it should have ended")) };
    world.refused("stream: of a writer that has a newer one", fenced("2"), said).await;
    drop(newer);
}

/// Sends batches of one bad debit; the stream goes on after each.
async fn batches(world: &World) {
    let (fresh, stage) = (|| keyed(world), &world.stage);
    let debit = |change: &dyn Fn(&mut StreamDebit)| good(world, vec![with(&fresh(), change)]);
    let between = |session: &str, payee: &str| batch(session, payee, vec![fresh()]);
    let rows: [(&str, (&'static str, &'static str), DebitBatch); 17] = [
        ("session index out of range", (NOT_A_RULE, "session"), debit(&|d| d.session = 1)),
        ("payee index 2^32-1", (NOT_A_RULE, "payee"), debit(&|d| d.payee = u32::MAX)),
        ("no tables", (NOT_A_RULE, "session"), DebitBatch { debits: vec![fresh()], ..DebitBatch::default() }),
        ("number and key", (NOT_A_RULE, "number"), debit(&|d| d.number = 1)),
        ("neither number nor key", (NOT_A_RULE, "number"), debit(&|d| d.idempotency_key.clear())),
        (
            "key of 256 bytes",
            (NOT_A_RULE, "idempotency_key"),
            debit(&|d| d.idempotency_key = "k".repeat(256)),
        ),
        ("amount 0", (NOT_A_RULE, "amount_nanos"), debit(&|d| d.amount_nanos = 0)),
        ("amount 2^63", (NOT_A_RULE, "amount_nanos"), debit(&|d| d.amount_nanos = 1 << 63)),
        ("amount 2^64-1", (NOT_A_RULE, "amount_nanos"), debit(&|d| d.amount_nanos = u64::MAX)),
        ("reference of 129 bytes", (NOT_A_RULE, "reference"), debit(&|d| d.reference = "r".repeat(129))),
        (
            "evidence hash of 31 bytes",
            (NOT_A_RULE, "evidence_hash"),
            debit(&|d| d.evidence_hash = vec![1; 31]),
        ),
        ("session is a payee", (NOT_A_RULE, "session_ids"), between(&stage.payee_id, &stage.payee_id)),
        ("payee is a session", (NOT_A_RULE, "payee_ids"), between(&stage.session_id, &stage.session_id)),
        ("session unknown", ("UNKNOWN_SESSION", ""), between(&unknown_session(), &stage.payee_id)),
        ("session settled", ("SESSION_RETIRED", ""), between(&world.settled_id, &stage.payee_id)),
        ("session expired and swept", ("SESSION_RETIRED", ""), between(&world.expired_id, &stage.payee_id)),
        ("payee unknown", ("UNKNOWN_PAYEE", ""), between(&stage.session_id, &unknown_payee())),
    ];
    let mut stream = world.stream().await;
    for (what, (reason, named), batch) in rows {
        let said = stream.last_refused(batch);
        world.refused(&format!("batch: {what}"), in_batch(reason, named), said).await;
    }
}

async fn numbers(world: &World) {
    let mut stream = world.stream().await;
    let first = stream.batch(good(world, vec![numbered(1), numbered(2)])).await;
    assert!(first.results.iter().all(|result| result.refused.is_none()), "{first:?}");
    let other = |number, change: &dyn Fn(&mut StreamDebit)| vec![with(&numbered(number), change)];
    let rows = [
        ("a gap", ("NUMBER_GAP", "3"), vec![numbered(4)]),
        ("what follows a gap", ("NOT_ATTEMPTED", "3"), vec![numbered(4), numbered(5)]),
        (
            "what follows a malformed number",
            ("NOT_ATTEMPTED", "3"),
            vec![with(&numbered(3), |d| d.amount_nanos = 0), numbered(4)],
        ),
        (
            "acked_through as great as the number",
            (NOT_A_RULE, "acked_through"),
            other(3, &|d| d.acked_through = 3),
        ),
        ("number again, other amount", ("KEY_REUSED", "amount_nanos"), other(1, &|d| d.amount_nanos = 8)),
        ("number again, other reference", ("KEY_REUSED", "reference"), other(2, &|d| d.reference.push('x'))),
        (
            "number again, other evidence",
            ("KEY_REUSED", "evidence_hash"),
            other(2, &|d| d.evidence_hash = vec![1; 32]),
        ),
    ];
    for (what, (reason, named), debits) in rows {
        let said = stream.last_refused(good(world, debits));
        world.refused(&format!("batch: {what}"), in_batch(reason, named), said).await;
    }
    let again = DebitBatch { currency: "USD".into(), ..good(world, vec![numbered(1)]) };
    let said = stream.last_refused(again);
    world.refused("batch: number again, other currency", in_batch("KEY_REUSED", "currency"), said).await;
    let again = batch(&world.stage.session_id, &world.other_payee_id, vec![numbered(1)]);
    let said = stream.last_refused(again);
    world.refused("batch: number again, other payee", in_batch("KEY_REUSED", "payee_id"), said).await;
    let third = stream.batch(good(world, vec![with(&numbered(3), |d| d.acked_through = 2)])).await;
    assert!(third.results[0].refused.is_none(), "{third:?}");
    let said = stream.last_refused(good(world, vec![numbered(2)]));
    world.refused("batch: a number acknowledged before", in_batch("BELOW_WINDOW", ""), said).await;
}

async fn positions(world: &World) {
    let mut stream = world.stream().await;
    let rows = [
        ("no id", "ses_".to_owned(), (NOT_A_RULE, "session_ids")),
        ("an unknown session", unknown_session(), ("UNKNOWN_SESSION", "")),
        ("a settled session", world.settled_id.clone(), ("SESSION_RETIRED", "")),
        ("an expired session", world.expired_id.clone(), ("SESSION_RETIRED", "")),
    ];
    for (what, id, (reason, named)) in rows {
        let said = async {
            let asked = Ask::Positions(PositionsRequest { session_ids: vec![id.clone()] });
            let Ok(Answer::Positions(told)) = stream.ask(asked).await else { panic!("no positions") };
            assert_eq!((told.positions.len(), told.positions[0].session_id.as_str()), (1, id.as_str()));
            Said::of_debit(told.positions[0].refused.as_ref().expect("it should have been refused"))
        };
        world.refused(&format!("positions: {what}"), in_batch(reason, named), said).await;
    }
}
