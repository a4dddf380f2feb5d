//! Owns: limits in time over the wire: what is no limit, what one says no to and until when, and what is shown of it.

use super::{
    World,
    declines::{Row, debit, next},
    expected::{Expected, malformed},
    ledger::with,
    span,
};
use tallystick_proto::v1::{
    AuthorizeRequest, CreateAccountRequest, DeclineCode as Code, GetAccountRequest, Level, Next, NextAction,
    OpenSessionRequest, VelocityLimit, VelocityMeasure, VelocityPace,
};

const DAY: i64 = 86_400;

fn count(most: u64, seconds: i64) -> VelocityLimit {
    let (pace, measure) = (VelocityPace::Unspecified.into(), VelocityMeasure::Count.into());
    VelocityLimit { pace, measure, most, per: span(seconds, 0), ..VelocityLimit::default() }
}

fn amount(most: u64, seconds: i64) -> VelocityLimit {
    VelocityLimit { measure: VelocityMeasure::Amount.into(), ..count(most, seconds) }
}

fn no_limits() -> Vec<(&'static str, Expected, VelocityLimit)> {
    let (rate, window) = (count(5, 1), count(5, DAY));
    let paced = |pace: VelocityPace, limit: &VelocityLimit| with(limit, |l| l.pace = pace.into());
    vec![
        ("most 0", malformed("velocity.most"), with(&rate, |l| l.most = 0)),
        ("most 2^63", malformed("velocity.most"), with(&rate, |l| l.most = 1 << 63)),
        ("no per", malformed("velocity.per"), with(&rate, |l| l.per = None)),
        ("per negative", malformed("velocity.per"), with(&rate, |l| l.per = span(-1, 0))),
        ("per 401 days", malformed("velocity.per"), with(&rate, |l| l.per = span(401 * DAY, 0))),
        ("a rate over a day", malformed("velocity.per"), paced(VelocityPace::Rate, &window)),
        ("a window over a second", malformed("velocity.per"), paced(VelocityPace::RollingWindow, &rate)),
        ("a window with a burst", malformed("velocity.burst"), with(&window, |l| l.burst = 1)),
        ("burst 2^63", malformed("velocity.burst"), with(&rate, |l| l.burst = 1 << 63)),
        ("another pace", malformed("velocity.pace"), with(&rate, |l| l.pace = 9)),
        ("no measure", malformed("velocity.measure"), with(&rate, |l| l.measure = 0)),
        ("another measure", malformed("velocity.measure"), with(&rate, |l| l.measure = 9)),
    ]
}

pub(crate) async fn refuse(world: &World) {
    let account = CreateAccountRequest {
        idempotency_key: world.key(),
        currency: "EUR".into(),
        ..CreateAccountRequest::default()
    };
    let nine = vec![count(5, 1); 9];
    let rows = no_limits().into_iter().map(|(what, expected, limit)| (what, expected, vec![limit]));
    for (what, expected, velocity) in rows.chain([("9 limits", malformed("velocity"), nine)]) {
        let request = with(&world.opening(), |r| r.velocity.clone_from(&velocity));
        let mut client = world.authorizer();
        world.refuses(format!("OpenSession: velocity, {what}"), expected, client.open_session(request)).await;
        let request = with(&account, |r| r.velocity.clone_from(&velocity));
        let mut client = world.accounts();
        world
            .refuses(format!("CreateAccount: velocity, {what}"), expected, client.create_account(request))
            .await;
    }
}

/// Debits that limits in time decline, until when, and what is shown to be left.
pub(super) async fn declines(world: &World, pay: &impl Fn(&str, u64) -> AuthorizeRequest) -> Vec<Row> {
    let open = async |velocity: Vec<VelocityLimit>| {
        let request = OpenSessionRequest { velocity, ttl: span(2 * DAY, 0), ..world.opening() };
        world.open(request).await
    };
    let mut rows = Vec::new();

    let even = open(vec![count(1, 60)]).await;
    let first = world.approved(pay(&even, 1)).await.decided_at.unwrap();
    let at = Some(prost_types::Timestamp { seconds: first.seconds + 60, ..first });
    let no = (Code::VelocityRate, "65", Level::Session, Next { at, ..next(NextAction::WaitUntil, 0) });
    rows.push(debit(world, "a second debit in a minute that has one", pay(&even, 1), no).await);

    let rolling = open(vec![amount(20, DAY), count(100, 60)]).await;
    let first = world.approved(pay(&rolling, 15)).await.decided_at.unwrap();
    let at = Some(prost_types::Timestamp { seconds: first.seconds + DAY, ..first });
    let no = (Code::VelocityWindow, "61", Level::Session, Next { at, ..next(NextAction::WaitUntil, 0) });
    rows.push(debit(world, "6 nanos more in a day that has 5 left", pay(&rolling, 6), no).await);
    let no = (Code::VelocityWindow, "61", Level::Session, next(NextAction::SmallerAmount, 5));
    rows.push(debit(world, "21 nanos, where 20 a day are the most", pay(&rolling, 21), no).await);
    let shown = world.session(&rolling).await.session.unwrap().velocity;
    let [rate, window] = shown.as_slice() else { panic!("two limits: {shown:?}") };
    assert_eq!((rate.pace(), rate.most, rate.left), (VelocityPace::Rate, 100, 99), "rates come first");
    assert_eq!((window.pace(), window.most, window.left), (VelocityPace::RollingWindow, 20, 5));

    let each = open(vec![VelocityLimit { each_payee: true, ..amount(20, DAY) }]).await;
    world.approved(pay(&each, 15)).await;
    let no = (Code::VelocityWindow, "61", Level::Payee, next(NextAction::SmallerAmount, 5));
    rows.push(debit(world, "21 nanos, where each payee gets 20 a day", pay(&each, 21), no).await);
    world.approved(AuthorizeRequest { payee_id: world.other_payee_id.clone(), ..pay(&each, 20) }).await;
    let shown = world.session(&each).await.session.unwrap().velocity.remove(0);
    assert_eq!((shown.left, shown.payee_count), (0, 2));
    account_is_limited(world).await;
    rows
}

async fn account_is_limited(world: &World) {
    let request = CreateAccountRequest {
        idempotency_key: world.key(),
        currency: "USD".into(),
        velocity: vec![count(3, DAY)],
        ..CreateAccountRequest::default()
    };
    let created = world.accounts().create_account(request).await.unwrap().into_inner().account.unwrap();
    assert_eq!((created.velocity[0].most, created.velocity[0].left), (3, 3));
    let request = GetAccountRequest { account_id: created.account_id.clone() };
    let shown = world.accounts().get_account(request).await.unwrap().into_inner().account.unwrap();
    assert_eq!(shown.velocity, created.velocity);
}
