//! Owns: rows of `OpenSession`.

use super::{
    World,
    expected::{Expected, key_reused, malformed, unknown},
    ids::{unknown_account, unknown_payee},
    ledger::{no_currencies, with},
    span,
};
use prost_types::Timestamp;
use tallystick_core::{PayeeId, id::Place};
use tallystick_proto::v1::{Authority, OpenSessionRequest, PayeeCap};

type Row = (&'static str, Expected, OpenSessionRequest);
const DAY: i64 = 86_400;

/// Returns a session with every field.
pub(super) fn full(world: &World) -> OpenSessionRequest {
    let (payee_id, other) = (world.stage.payee_id.clone(), world.other_payee_id.clone());
    OpenSessionRequest {
        not_before: at(world, 1),
        payee_ids: vec![payee_id.clone(), other],
        payee_caps: vec![PayeeCap { payee_id, cap_nanos: 500 }],
        default_payee_cap_nanos: 400,
        debit_min_nanos: 2,
        debit_max_nanos: 300,
        authority: Some(Authority {
            principal: "cfo".into(),
            method: "passkey".into(),
            evidence_hash: vec![7; 32],
            approved_at: at(world, -1),
        }),
        reference: "trip".into(),
        ..world.opening()
    }
}

/// Returns an instant some days from when the stage was set.
#[expect(clippy::unnecessary_wraps, reason = "that is what the field takes")]
fn at(world: &World, days: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: world.now.seconds + days * DAY, nanos: 0 })
}

/// Returns ids that are well made and were never given out.
fn strangers(count: u32) -> Vec<String> {
    let stranger = |slot| PayeeId::new(Place { partition: 9, slot, generation: 9 }, 9).to_string();
    (0..count).map(stranger).collect()
}

pub(crate) async fn refuse(world: &World) {
    let base = world.opening();
    let mut rows = amounts(&base);
    rows.extend(spans(world, &base));
    rows.extend(payees(world, &base));
    rows.extend(texts(&base));
    rows.extend(reused(world));
    for (what, expected, request) in rows {
        let mut client = world.authorizer();
        world.refuses(format!("OpenSession: {what}"), expected, client.open_session(request)).await;
    }
    for (what, currency) in no_currencies() {
        let request = with(&base, |r| r.currency = currency.into());
        let mut client = world.authorizer();
        let call = client.open_session(request);
        world.refuses(format!("OpenSession: currency {what}"), malformed("currency"), call).await;
    }
}

fn amounts(base: &OpenSessionRequest) -> Vec<Row> {
    vec![
        ("cap 0", malformed("cap_nanos"), with(base, |r| r.cap_nanos = 0)),
        ("cap 2^63", malformed("cap_nanos"), with(base, |r| r.cap_nanos = 1 << 63)),
        ("cap 2^64-1", malformed("cap_nanos"), with(base, |r| r.cap_nanos = u64::MAX)),
        (
            "default payee cap 2^63",
            malformed("default_payee_cap_nanos"),
            with(base, |r| r.default_payee_cap_nanos = 1 << 63),
        ),
        (
            "default payee cap 2^64-1",
            malformed("default_payee_cap_nanos"),
            with(base, |r| r.default_payee_cap_nanos = u64::MAX),
        ),
        ("debit_min 2^63", malformed("debit_min_nanos"), with(base, |r| r.debit_min_nanos = 1 << 63)),
        ("debit_max 2^64-1", malformed("debit_max_nanos"), with(base, |r| r.debit_max_nanos = u64::MAX)),
        (
            "debit_max below debit_min",
            malformed("debit_max_nanos"),
            with(base, |r| (r.debit_min_nanos, r.debit_max_nanos) = (10, 9)),
        ),
    ]
}

fn spans(world: &World, base: &OpenSessionRequest) -> Vec<Row> {
    let late = Some(Timestamp { seconds: 1 << 40, nanos: 0 });
    let torn = Some(Timestamp { seconds: world.now.seconds, nanos: 1_000_000_000 });
    vec![
        ("no ttl", malformed("ttl"), with(base, |r| r.ttl = None)),
        ("ttl 0", malformed("ttl"), with(base, |r| r.ttl = span(0, 0))),
        ("ttl negative", malformed("ttl"), with(base, |r| r.ttl = span(-60, 0))),
        ("ttl negative by a nanosecond", malformed("ttl"), with(base, |r| r.ttl = span(0, -1))),
        ("ttl 30 days and a nanosecond", malformed("ttl"), with(base, |r| r.ttl = span(30 * DAY, 1))),
        ("ttl 2^63-1 seconds", malformed("ttl"), with(base, |r| r.ttl = span(i64::MAX, 999_999_999))),
        ("ttl with 10^9 nanos", malformed("ttl"), with(base, |r| r.ttl = span(1, 1_000_000_000))),
        ("not_before in 40 days", malformed("not_before"), with(base, |r| r.not_before = at(world, 40))),
        ("not_before past the year 2554", malformed("not_before"), with(base, |r| r.not_before = late)),
        ("not_before with 10^9 nanos", malformed("not_before"), with(base, |r| r.not_before = torn)),
        (
            "not_before in 1969",
            malformed("not_before"),
            with(base, |r| r.not_before = Some(Timestamp { seconds: -1, nanos: 0 })),
        ),
        ("over before it begins", malformed("ttl"), with(base, |r| r.not_before = at(world, -2))),
        (
            "authority approved in 1969",
            malformed("authority.approved_at"),
            with(base, |r| {
                let approved_at = Some(Timestamp { seconds: -1, nanos: 0 });
                r.authority = Some(Authority { approved_at, ..Authority::default() });
            }),
        ),
    ]
}

fn payees(world: &World, base: &OpenSessionRequest) -> Vec<Row> {
    let (one, other) = (&world.stage.payee_id, &world.other_payee_id);
    let cap = |id: &str, cap_nanos| PayeeCap { payee_id: id.into(), cap_nanos };
    let many = || strangers(1_025);
    vec![
        ("1,025 payees", malformed("payee_ids"), with(base, |r| r.payee_ids = many())),
        (
            "1,025 payee caps",
            malformed("payee_caps"),
            with(base, |r| r.payee_caps = many().iter().map(|id| cap(id, 1)).collect()),
        ),
        ("payee twice", malformed("payee_ids"), with(base, |r| r.payee_ids = vec![one.clone(), one.clone()])),
        (
            "payee capped twice",
            malformed("payee_caps"),
            with(base, |r| r.payee_caps = vec![cap(one, 1), cap(one, 2)]),
        ),
        (
            "cap for a payee not on the allow-list",
            malformed("payee_caps.payee_id"),
            with(base, |r| (r.payee_ids, r.payee_caps) = (vec![one.clone()], vec![cap(other, 1)])),
        ),
        ("payee cap 0", malformed("payee_caps.cap_nanos"), with(base, |r| r.payee_caps = vec![cap(one, 0)])),
        (
            "payee cap 2^63",
            malformed("payee_caps.cap_nanos"),
            with(base, |r| r.payee_caps = vec![cap(one, 1 << 63)]),
        ),
        (
            "payee listed is an account",
            malformed("payee_ids"),
            with(base, |r| r.payee_ids = vec![one.clone(), r.account_id.clone()]),
        ),
        (
            "payee capped is no id",
            malformed("payee_caps.payee_id"),
            with(base, |r| r.payee_caps = vec![cap("pay_", 1)]),
        ),
        (
            "payee listed is unknown",
            unknown("UNKNOWN_PAYEE"),
            with(base, |r| r.payee_ids = vec![one.clone(), unknown_payee()]),
        ),
        (
            "payee capped is unknown",
            unknown("UNKNOWN_PAYEE"),
            with(base, |r| r.payee_caps = vec![cap(&unknown_payee(), 1)]),
        ),
        ("account unknown", unknown("UNKNOWN_ACCOUNT"), with(base, |r| r.account_id = unknown_account())),
        ("account is a payee", malformed("account_id"), with(base, |r| r.account_id.clone_from(one))),
    ]
}

fn texts(base: &OpenSessionRequest) -> Vec<Row> {
    let by = |principal: usize, method: usize, evidence: usize| {
        Some(Authority {
            principal: "p".repeat(principal),
            method: "m".repeat(method),
            evidence_hash: vec![1; evidence],
            approved_at: None,
        })
    };
    vec![
        ("key empty", malformed("idempotency_key"), with(base, |r| r.idempotency_key.clear())),
        (
            "key of 256 bytes",
            malformed("idempotency_key"),
            with(base, |r| r.idempotency_key = "k".repeat(256)),
        ),
        (
            "key of 128 letters, 256 bytes",
            malformed("idempotency_key"),
            with(base, |r| r.idempotency_key = "ß".repeat(128)),
        ),
        ("reference of 256 bytes", malformed("reference"), with(base, |r| r.reference = "r".repeat(256))),
        (
            "principal of 256 bytes",
            malformed("authority.principal"),
            with(base, |r| r.authority = by(256, 0, 0)),
        ),
        ("method of 65 bytes", malformed("authority.method"), with(base, |r| r.authority = by(0, 65, 0))),
        (
            "evidence hash of 31 bytes",
            malformed("authority.evidence_hash"),
            with(base, |r| r.authority = by(0, 0, 31)),
        ),
        (
            "evidence hash of 33 bytes",
            malformed("authority.evidence_hash"),
            with(base, |r| r.authority = by(0, 0, 33)),
        ),
    ]
}

/// Uses the key of a session that was opened with every field, each time with one field changed.
fn reused(world: &World) -> Vec<Row> {
    let base = &world.full;
    vec![
        ("key again, other currency", key_reused("currency"), with(base, |r| r.currency = "EUR".into())),
        ("key again, other cap", key_reused("cap_nanos"), with(base, |r| r.cap_nanos += 1)),
        ("key again, other ttl", key_reused("ttl"), with(base, |r| r.ttl = span(3_600, 1))),
        (
            "key again, other not_before",
            key_reused("not_before"),
            with(base, |r| r.not_before = at(world, 2)),
        ),
        ("key again, payees in other order", key_reused("payee_ids"), with(base, |r| r.payee_ids.reverse())),
        (
            "key again, other payee cap",
            key_reused("payee_caps"),
            with(base, |r| r.payee_caps[0].cap_nanos += 1),
        ),
        (
            "key again, other default payee cap",
            key_reused("default_payee_cap_nanos"),
            with(base, |r| r.default_payee_cap_nanos += 1),
        ),
        ("key again, other debit_min", key_reused("debit_min_nanos"), with(base, |r| r.debit_min_nanos += 1)),
        ("key again, no debit_max", key_reused("debit_max_nanos"), with(base, |r| r.debit_max_nanos = 0)),
        (
            "key again, other evidence hash",
            key_reused("authority"),
            with(base, |r| r.authority.as_mut().unwrap().evidence_hash = vec![8; 32]),
        ),
        (
            "key again, other principal",
            key_reused("authority"),
            with(base, |r| r.authority.as_mut().unwrap().principal.clear()),
        ),
        ("key again, other reference", key_reused("reference"), with(base, |r| r.reference.clear())),
    ]
}
