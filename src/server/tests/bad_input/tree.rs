//! Owns: rows of sessions below sessions, top-ups, reversals, and of asking what became of a debit.

use super::{
    World,
    expected::{Expected, OPEN_CHILDREN, RETIRED, key_reused, malformed, unknown},
    ids::{unknown_session, unknown_writer},
    ledger::with,
    span,
};
use crate::bad_input::expected::wrong_state;
use tallystick_core::SessionId;
use tallystick_proto::v1::{
    AuthorizeRequest, DebitByKey, DebitByNumber, EnvelopeMode, ListDebitsRequest, LookupDebitRequest,
    OpenSessionRequest, PayeeCap, ReverseRequest, SettleRequest, TopUpRequest, lookup_debit_request::By,
};

const DAY: i64 = 86_400;
const MOST: u64 = (1 << 63) - 1;

pub(crate) async fn refuse(world: &World) {
    let parent = world
        .open(with(&world.opening(), |r| {
            r.payee_ids = vec![world.stage.payee_id.clone()];
            (r.debit_min_nanos, r.debit_max_nanos) = (5, 50);
        }))
        .await;
    let base = OpenSessionRequest {
        account_id: String::new(),
        parent_session_id: parent.clone(),
        cap_nanos: 100,
        ttl: None,
        ..world.opening()
    };
    let child = world.open(base.clone()).await;
    opening(world, &base).await;
    let settle = SettleRequest { session_id: parent.clone(), cascade: false };
    world.refuses("Settle: a child is open", OPEN_CHILDREN, world.authorizer().settle(settle)).await;
    top_ups(world, &child).await;
    reversals(world).await;
    look_ups(world).await;
    listings(world).await;
}

async fn opening(world: &World, base: &OpenSessionRequest) {
    let fresh = with(base, |r| r.idempotency_key = world.key());
    let below = |id: &str| with(&fresh, |r| r.parent_session_id = id.into());
    let other = world.other_payee_id.clone();
    let cap = PayeeCap { payee_id: other.clone(), cap_nanos: 5 };
    let shared = EnvelopeMode::Shared.into();
    let rows: Vec<(&str, Expected, OpenSessionRequest)> = vec![
        ("neither account nor parent", malformed("account_id"), below("")),
        (
            "account and parent",
            malformed("parent_session_id"),
            with(&fresh, |r| r.account_id.clone_from(&world.stage.account_id)),
        ),
        ("parent is an account", malformed("parent_session_id"), below(&world.stage.account_id)),
        ("parent unknown", unknown("UNKNOWN_SESSION"), below(&unknown_session())),
        ("parent settled", RETIRED, below(&world.settled_id)),
        ("mode 9", malformed("mode"), with(&fresh, |r| r.mode = 9)),
        ("ends after its parent", malformed("ttl"), with(&fresh, |r| r.ttl = span(DAY, 0))),
        (
            "debits below its parent's least",
            malformed("debit_min_nanos"),
            with(&fresh, |r| r.debit_min_nanos = 4),
        ),
        (
            "debits above its parent's most",
            malformed("debit_max_nanos"),
            with(&fresh, |r| r.debit_max_nanos = 51),
        ),
        (
            "most below its parent's least",
            malformed("debit_max_nanos"),
            with(&fresh, |r| r.debit_max_nanos = 4),
        ),
        (
            "least above its parent's most",
            malformed("debit_min_nanos"),
            with(&fresh, |r| r.debit_min_nanos = 51),
        ),
        ("payee not its parent's", malformed("payee_ids"), with(&fresh, |r| r.payee_ids = vec![other])),
        (
            "cap of a payee not its parent's",
            malformed("payee_caps.payee_id"),
            with(&fresh, |r| r.payee_caps = vec![cap]),
        ),
        ("key again, other mode", key_reused("mode"), with(base, |r| r.mode = shared)),
    ];
    for (what, expected, request) in rows {
        let mut client = world.authorizer();
        world.refuses(format!("OpenSession below: {what}"), expected, client.open_session(request)).await;
    }
}

async fn top_ups(world: &World, child: &str) {
    let session_id = world.open(world.opening()).await;
    let base = TopUpRequest {
        session_id,
        idempotency_key: world.key(),
        add_nanos: 5,
        extend_by: span(1, 0),
        parent_secret: Vec::new(),
    };
    let mut client = world.authorizer();
    client.top_up(base.clone()).await.unwrap();
    let fresh = with(&base, |r| r.idempotency_key = world.key());
    let on = |id: &str| with(&fresh, |r| r.session_id = id.into());
    let (add, extend) = (malformed("add_nanos"), malformed("extend_by"));
    let rows: Vec<(&str, Expected, TopUpRequest)> = vec![
        ("session empty", malformed("session_id"), on("")),
        ("session is a payee", malformed("session_id"), on(&world.stage.payee_id)),
        ("session unknown", unknown("UNKNOWN_SESSION"), on(&unknown_session())),
        ("session settled", RETIRED, on(&world.settled_id)),
        ("key empty", malformed("idempotency_key"), with(&fresh, |r| r.idempotency_key.clear())),
        (
            "key of 256 bytes",
            malformed("idempotency_key"),
            with(&fresh, |r| r.idempotency_key = "k".repeat(256)),
        ),
        ("nothing to add", add, with(&fresh, |r| (r.add_nanos, r.extend_by) = (0, None))),
        ("2^63 to add", add, with(&fresh, |r| r.add_nanos = 1 << 63)),
        ("a cap past 2^63-1", add, with(&fresh, |r| r.add_nanos = MOST)),
        ("extended by less than nothing", extend, with(&fresh, |r| r.extend_by = span(-1, 0))),
        ("extended by more than 30 days", extend, with(&fresh, |r| r.extend_by = span(30 * DAY, 1))),
        ("an end more than 30 days from now", extend, with(&fresh, |r| r.extend_by = span(30 * DAY, 0))),
        ("an end after its parent's", extend, on(child)),
        ("key again, other amount", key_reused("add_nanos"), with(&base, |r| r.add_nanos = 6)),
        ("key again, other end", key_reused("extend_by"), with(&base, |r| r.extend_by = span(2, 0))),
    ];
    for (what, expected, request) in rows {
        world.refuses(format!("TopUp: {what}"), expected, client.top_up(request)).await;
    }
}

async fn reversals(world: &World) {
    let debit_id = world.approved(world.debit()).await.debit_id;
    let second = world.approved(world.debit()).await.debit_id;
    let euro = AuthorizeRequest { currency: "EUR".into(), ..world.debit() };
    let declined = world.decided(euro).await.debit_id;
    let base = ReverseRequest { debit_id, idempotency_key: world.key(), amount_nanos: 3 };
    let mut client = world.authorizer();
    client.reverse(base.clone()).await.unwrap();
    let fresh = with(&base, |r| r.idempotency_key = world.key());
    let of = |id: &str| with(&fresh, |r| r.debit_id = id.into());
    let session = SessionId::parse(&world.stage.session_id).unwrap();
    let rows: Vec<(&str, Expected, ReverseRequest)> = vec![
        ("debit empty", malformed("debit_id"), of("")),
        ("debit is a session", malformed("debit_id"), of(&world.stage.session_id)),
        ("debit cut short", malformed("debit_id"), of(&base.debit_id[..20])),
        ("debit unknown", unknown("UNKNOWN_DEBIT"), of(&session.debit(1).to_string())),
        ("debit not decided yet", unknown("UNKNOWN_DEBIT"), of(&session.debit(1 << 40).to_string())),
        ("debit declined", wrong_state("DECLINED"), of(&declined)),
        ("key empty", malformed("idempotency_key"), with(&fresh, |r| r.idempotency_key.clear())),
        ("amount 2^63", malformed("amount_nanos"), with(&fresh, |r| r.amount_nanos = 1 << 63)),
        ("more than is left of it", malformed("amount_nanos"), with(&fresh, |r| r.amount_nanos = 5)),
        ("key again, other debit", key_reused("debit_id"), with(&base, |r| r.debit_id = second)),
        ("key again, other amount", key_reused("amount_nanos"), with(&base, |r| r.amount_nanos = 2)),
    ];
    for (what, expected, request) in rows {
        world.refuses(format!("Reverse: {what}"), expected, client.reverse(request)).await;
    }
}

async fn look_ups(world: &World) {
    let session_id = world.stage.session_id.clone();
    let key = DebitByKey { session_id: session_id.clone(), idempotency_key: "k".into() };
    let number = DebitByNumber { session_id, writer_id: unknown_writer(), number: 1 };
    let by_key = |change: &dyn Fn(&mut DebitByKey)| Some(By::Key(with(&key, change)));
    let by_number = |change: &dyn Fn(&mut DebitByNumber)| Some(By::Number(with(&number, change)));
    let rows: Vec<(&str, Expected, Option<By>)> = vec![
        ("by nothing", malformed("by"), None),
        ("id empty", malformed("debit_id"), Some(By::DebitId(String::new()))),
        ("id is a session", malformed("debit_id"), Some(By::DebitId(world.stage.session_id.clone()))),
        ("key's session empty", malformed("key.session_id"), by_key(&|k| k.session_id.clear())),
        ("key empty", malformed("key.idempotency_key"), by_key(&|k| k.idempotency_key.clear())),
        (
            "key of 256 bytes",
            malformed("key.idempotency_key"),
            by_key(&|k| k.idempotency_key = "k".repeat(256)),
        ),
        ("number's session empty", malformed("number.session_id"), by_number(&|n| n.session_id.clear())),
        ("number's writer empty", malformed("number.writer_id"), by_number(&|n| n.writer_id.clear())),
        ("number 0", malformed("number.number"), by_number(&|n| n.number = 0)),
    ];
    for (what, expected, by) in rows {
        let mut client = world.authorizer();
        let call = client.lookup_debit(LookupDebitRequest { by });
        world.refuses(format!("LookupDebit: {what}"), expected, call).await;
    }
}

async fn listings(world: &World) {
    let base =
        ListDebitsRequest { session_id: world.stage.session_id.clone(), ..ListDebitsRequest::default() };
    let rows: [(&str, Expected, ListDebitsRequest); 3] = [
        ("session empty", malformed("session_id"), with(&base, |r| r.session_id.clear())),
        ("session unknown", unknown("UNKNOWN_SESSION"), with(&base, |r| r.session_id = unknown_session())),
        ("page_size 1001", malformed("page_size"), with(&base, |r| r.page_size = 1_001)),
    ];
    for (what, expected, request) in rows {
        let mut client = world.authorizer();
        world.refuses(format!("ListDebits: {what}"), expected, client.list_debits(request)).await;
    }
}
