//! Owns: rows of `Authorize`, by key and by number.

use super::{
    World,
    expected::{BELOW_WINDOW, Expected, RETIRED, fenced, gap, key_reused, malformed, unknown},
    ids::{unknown_payee, unknown_session, unknown_writer},
    ledger::with,
    stream::Stream,
};
use tallystick_proto::v1::{AuthorizeRequest, SettleRequest, WriterNumber, authorize_request::Intent};

type Row = (&'static str, Expected, AuthorizeRequest);

pub(crate) async fn refuse(world: &World) {
    let base = AuthorizeRequest {
        currency: "USD".into(),
        reference: "order 66".into(),
        evidence_hash: vec![1; 32],
        ..world.debit()
    };
    world.approved(base.clone()).await;
    let fresh = world.debit();
    let mut rows = ids(world, &fresh);
    rows.extend(fields(&fresh));
    rows.extend(reused(world, &base));
    refuse_all(world, "", rows).await;
    by_number(world).await;
    // A settled session answers with its settlement, again and again, and is no bad input.
    let settle = SettleRequest { session_id: world.settled_id.clone(), ..SettleRequest::default() };
    assert!(world.authorizer().settle(settle).await.unwrap().into_inner().replayed);
}

async fn refuse_all(world: &World, how: &str, rows: Vec<Row>) {
    for (what, expected, request) in rows {
        let mut client = world.authorizer();
        world.refuses(format!("Authorize{how}: {what}"), expected, client.authorize(request)).await;
    }
}

fn ids(world: &World, fresh: &AuthorizeRequest) -> Vec<Row> {
    let stage = &world.stage;
    let session = |id: &str| with(fresh, |r| r.session_id = id.into());
    let payee = |id: &str| with(fresh, |r| r.payee_id = id.into());
    vec![
        ("session unknown", unknown("UNKNOWN_SESSION"), session(&unknown_session())),
        ("session settled", RETIRED, session(&world.settled_id)),
        ("session expired and swept", RETIRED, session(&world.expired_id)),
        ("session empty", malformed("session_id"), session("")),
        ("session is an account", malformed("session_id"), session(&stage.account_id)),
        (
            "session is its settlement",
            malformed("session_id"),
            session(&stage.session_id.replace("ses", "set")),
        ),
        ("session in upper case", malformed("session_id"), session(&stage.session_id.to_uppercase())),
        ("payee unknown", unknown("UNKNOWN_PAYEE"), payee(&unknown_payee())),
        ("payee empty", malformed("payee_id"), payee("")),
        ("payee is a session", malformed("payee_id"), payee(&stage.session_id)),
        ("payee cut short", malformed("payee_id"), payee(&stage.payee_id[..29])),
    ]
}

fn fields(fresh: &AuthorizeRequest) -> Vec<Row> {
    let key = |key: String| with(fresh, |r| r.intent = Some(Intent::IdempotencyKey(key)));
    vec![
        ("amount 0", malformed("amount_nanos"), with(fresh, |r| r.amount_nanos = 0)),
        ("amount 2^63", malformed("amount_nanos"), with(fresh, |r| r.amount_nanos = 1 << 63)),
        ("amount 2^64-1", malformed("amount_nanos"), with(fresh, |r| r.amount_nanos = u64::MAX)),
        ("currency unknown", malformed("currency"), with(fresh, |r| r.currency = "ZZZ".into())),
        ("currency lower case", malformed("currency"), with(fresh, |r| r.currency = "usd".into())),
        ("currency withdrawn", malformed("currency"), with(fresh, |r| r.currency = "DEM".into())),
        ("no key and no number", malformed("intent"), with(fresh, |r| r.intent = None)),
        ("key empty", malformed("idempotency_key"), key(String::new())),
        ("key of 256 bytes", malformed("idempotency_key"), key("k".repeat(256))),
        ("reference of 129 bytes", malformed("reference"), with(fresh, |r| r.reference = "r".repeat(129))),
        (
            "evidence hash of 31 bytes",
            malformed("evidence_hash"),
            with(fresh, |r| r.evidence_hash = vec![1; 31]),
        ),
        (
            "evidence hash of 64 bytes",
            malformed("evidence_hash"),
            with(fresh, |r| r.evidence_hash = vec![1; 64]),
        ),
    ]
}

/// Uses the key of a debit that was approved, each time with one field changed.
fn reused(world: &World, base: &AuthorizeRequest) -> Vec<Row> {
    let other = &world.other_payee_id;
    vec![
        ("key again, other amount", key_reused("amount_nanos"), with(base, |r| r.amount_nanos += 1)),
        ("key again, other payee", key_reused("payee_id"), with(base, |r| r.payee_id.clone_from(other))),
        ("key again, other currency", key_reused("currency"), with(base, |r| r.currency = "EUR".into())),
        ("key again, no currency", key_reused("currency"), with(base, |r| r.currency.clear())),
        ("key again, other reference", key_reused("reference"), with(base, |r| r.reference.push('6'))),
        ("key again, other evidence", key_reused("evidence_hash"), with(base, |r| r.evidence_hash[31] = 2)),
        ("key again, no evidence", key_reused("evidence_hash"), with(base, |r| r.evidence_hash.clear())),
        (
            "key again, all of it other",
            key_reused("amount_nanos"),
            with(base, |r| (r.amount_nanos, r.payee_id, r.reference) = (1, other.clone(), String::new())),
        ),
    ]
}

async fn by_number(world: &World) {
    let first = world.stream().await;
    let second = Stream::open(&world.channel, &first.writer_id).await;
    assert_eq!((first.epoch, second.epoch), (1, 2));
    let writer = |writer_id: &str, epoch, number, acked_through| {
        let writer_id = writer_id.into();
        let at = WriterNumber { writer_id, epoch, number, acked_through };
        AuthorizeRequest { intent: Some(Intent::WriterNumber(at)), ..world.debit() }
    };
    let by = |epoch, number, acked_through| writer(&second.writer_id, epoch, number, acked_through);
    world.approved(by(2, 1, 0)).await;
    let rows = vec![
        ("writer unknown", unknown("UNKNOWN_WRITER"), writer(&unknown_writer(), 1, 1, 0)),
        (
            "writer is a session",
            malformed("writer_number.writer_id"),
            writer(&world.stage.session_id, 1, 1, 0),
        ),
        ("writer empty", malformed("writer_number.writer_id"), writer("", 1, 1, 0)),
        ("number 0", malformed("number"), by(2, 0, 0)),
        ("acked_through as great as the number", malformed("acked_through"), by(2, 2, 2)),
        ("acked_through beyond the number", malformed("acked_through"), by(2, 2, u64::MAX)),
        ("a gap", gap("2"), by(2, 3, 0)),
        ("a gap of 2^64", gap("2"), by(2, u64::MAX, 0)),
        ("an old epoch", fenced("2"), by(1, 2, 0)),
        ("epoch 0", fenced("2"), by(0, 2, 0)),
        ("an epoch never given out", malformed("epoch"), by(3, 2, 0)),
        (
            "number again, other amount",
            key_reused("amount_nanos"),
            with(&by(2, 1, 0), |r| r.amount_nanos = 8),
        ),
        (
            "number again, other payee",
            key_reused("payee_id"),
            with(&by(2, 1, 0), |r| r.payee_id.clone_from(&world.other_payee_id)),
        ),
        (
            "number again, other currency",
            key_reused("currency"),
            with(&by(2, 1, 0), |r| r.currency = "USD".into()),
        ),
        (
            "number again, other reference",
            key_reused("reference"),
            with(&by(2, 1, 0), |r| r.reference.push('x')),
        ),
        (
            "number again, other evidence",
            key_reused("evidence_hash"),
            with(&by(2, 1, 0), |r| r.evidence_hash = vec![3; 32]),
        ),
    ];
    refuse_all(world, " by number", rows).await;
    world.approved(by(2, 2, 1)).await;
    refuse_all(world, " by number", vec![("a number acknowledged before", BELOW_WINDOW, by(2, 1, 0))]).await;
}
