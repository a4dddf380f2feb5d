//! Owns: every decline that can be provoked over the wire: what the rules say no to is decided, recorded and remembered.

use super::{World, ledger::with, opening, span, stream::batch, velocity};
use tallystick_proto::v1::{
    AuthorizeRequest, BlockPayeeRequest, Decision, DeclineCode, Level, Next, NextAction, OpenSessionRequest,
    OpenSessionResponse, Outcome, PayeeCap, SettleRequest, StreamDebit,
};

/// What was asked; code, network code, level and next.
pub(crate) type Row = [String; 5];

/// Is what a decline must say: code, network code, level, next.
type Declined = (DeclineCode, &'static str, Level, Next);

pub(super) fn next(action: NextAction, at_most_nanos: u64) -> Next {
    Next { action: action.into(), at_most_nanos, at: None }
}

fn shown(next: &Next) -> String {
    let name = next.action().as_str_name().trim_start_matches("NEXT_ACTION_");
    match (next.action(), &next.at) {
        (NextAction::TopUp | NextAction::SmallerAmount, _) => format!("{name} {}", next.at_most_nanos),
        (_, Some(_)) => format!("{name} (its instant)"),
        _ => name.into(),
    }
}

fn row(asked: &str, (code, network, level, next): &Declined) -> Row {
    let code = code.as_str_name().trim_start_matches("DECLINE_CODE_");
    let level = level.as_str_name().trim_start_matches("LEVEL_");
    [asked, code, network, level, &shown(next)].map(str::to_owned)
}

/// Asserts that a debit is declined as expected, that this is a record, and that it is remembered.
pub(super) async fn debit(world: &World, asked: &str, request: AuthorizeRequest, expected: Declined) -> Row {
    let before = world.session(&request.session_id).await.session.unwrap();
    let first = world.decided(request.clone()).await;
    assert_is(&first, &expected, asked);
    assert!(!first.replayed && first.seq > 0 && first.debit_id.starts_with("deb_"), "{asked}: {first:?}");
    let again = world.decided(request.clone()).await;
    let new_key = (expected.0, expected.1, expected.2, next(NextAction::NewKey, 0));
    assert_is(&again, &new_key, asked);
    assert_eq!((again.replayed, again.seq, &again.debit_id), (true, first.seq, &first.debit_id), "{asked}");
    let after = world.session(&request.session_id).await.session.unwrap();
    assert_eq!((after.spent_nanos, after.debit_count), (before.spent_nanos, before.debit_count), "{asked}");
    row(asked, &expected)
}

fn assert_is(said: &Decision, (code, network, level, next): &Declined, asked: &str) {
    assert_eq!(said.outcome(), Outcome::Declined, "{asked}: {said:?}");
    assert_eq!((said.code(), said.level()), (*code, *level), "{asked}: {said:?}");
    assert_eq!(said.network_code, *network, "{asked}");
    assert_eq!(said.next.as_ref(), Some(next), "{asked}");
}

/// Asserts that an opening is declined as expected and that this is remembered.
async fn opening(world: &World, asked: &str, request: OpenSessionRequest, expected: Declined) -> Row {
    let said = async || world.authorizer().open_session(request.clone()).await.unwrap().into_inner();
    let assert_is = |said: &OpenSessionResponse| {
        assert_eq!(said.outcome(), Outcome::Declined, "{asked}: {said:?}");
        assert_eq!((said.code(), said.level()), (expected.0, expected.2), "{asked}");
        assert!(said.session.is_none() && said.seq > 0, "{asked}: {said:?}");
    };
    let (first, again) = (said().await, said().await);
    assert_is(&first);
    assert_is(&again);
    assert_eq!(first.next, Some(expected.3), "{asked}");
    assert_eq!((first.replayed, again.replayed, again.seq), (false, true, first.seq), "{asked}");
    row(asked, &expected)
}

pub(crate) async fn table(world: &World) -> Vec<Row> {
    use DeclineCode as Code;
    let nothing = next(NextAction::Nothing, 0);
    let (one, other) = (world.stage.payee_id.clone(), world.other_payee_id.clone());
    let base = world.opening();
    let open = async |change: &dyn Fn(&mut OpenSessionRequest)| {
        world.open(with(&OpenSessionRequest { idempotency_key: world.key(), ..base.clone() }, change)).await
    };
    let pay = |session_id: &str, amount_nanos| AuthorizeRequest {
        session_id: session_id.into(),
        amount_nanos,
        ..world.debit()
    };
    let session = |code, network, next| (code, network, Level::Session, next);
    let mut rows = Vec::new();

    let ended = open(&|r| r.ttl = span(0, 1_000_000)).await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let no = session(Code::SessionEnded, "54", nothing);
    rows.push(debit(world, "past the session's end, not swept yet", pay(&ended, 7), no).await);
    // Its cap would go back to the account right before an opening is declined for lack of money (I9).
    world.authorizer().settle(SettleRequest { session_id: ended, ..SettleRequest::default() }).await.unwrap();

    let at = opening::full(world).not_before;
    let early = open(&|r| r.not_before = at).await;
    let no = session(Code::NotYetValid, "57", Next { at, ..next(NextAction::WaitUntil, 0) });
    rows.push(debit(world, "before the session's not_before", pay(&early, 7), no).await);

    let plain = open(&|_| ()).await;
    let euro = AuthorizeRequest { currency: "EUR".into(), ..pay(&plain, 7) };
    let no = session(Code::CurrencyMismatch, "57", nothing);
    rows.push(debit(world, "in another currency", euro, no).await);

    let blocked = world.payee().await;
    world.payees().block_payee(BlockPayeeRequest { payee_id: blocked.clone() }).await.unwrap();
    let to_blocked = AuthorizeRequest { payee_id: blocked, ..pay(&plain, 7) };
    let no = (Code::PayeeBlocked, "62", Level::Payee, nothing);
    rows.push(debit(world, "to a blocked payee", to_blocked, no).await);

    let listed = open(&|r| r.payee_ids = vec![other.clone()]).await;
    let no = session(Code::PayeeNotAllowed, "57", nothing);
    rows.push(debit(world, "to a payee not on the allow-list", pay(&listed, 7), no).await);

    let crowded = open(&|_| ()).await;
    for _ in 0..64 {
        world.approved(AuthorizeRequest { payee_id: world.payee().await, ..pay(&crowded, 1) }).await;
    }
    let no = session(Code::TooManyPayees, "57", nothing);
    rows.push(debit(world, "to a 65th payee", pay(&crowded, 7), no).await);

    let bounded = open(&|r| (r.debit_min_nanos, r.debit_max_nanos) = (5, 50)).await;
    let no = session(Code::BelowDebitMin, "13", nothing);
    rows.push(debit(world, "4 nanos, where 5 are the least", pay(&bounded, 4), no).await);
    let no = session(Code::AboveDebitMax, "61", next(NextAction::SmallerAmount, 50));
    rows.push(debit(world, "51 nanos, where 50 are the most", pay(&bounded, 51), no).await);

    rows.extend(velocity::declines(world, &pay).await);

    let capped = open(&|r| {
        r.payee_caps = vec![PayeeCap { payee_id: one.clone(), cap_nanos: 10 }];
        r.default_payee_cap_nanos = 20;
    })
    .await;
    world.approved(pay(&capped, 8)).await;
    let no = (Code::PayeeCap, "61", Level::Payee, next(NextAction::SmallerAmount, 2));
    rows.push(debit(world, "3 nanos to a payee that may get 2 more", pay(&capped, 3), no).await);
    world.approved(pay(&capped, 2)).await;
    let no = (Code::PayeeCap, "61", Level::Payee, nothing);
    rows.push(debit(world, "1 nano to a payee that may get no more", pay(&capped, 1), no).await);
    let to_other = AuthorizeRequest { payee_id: other.clone(), ..pay(&capped, 21) };
    let no = (Code::PayeeCap, "61", Level::Payee, next(NextAction::SmallerAmount, 20));
    rows.push(debit(world, "21 nanos, where 20 are every payee's cap", to_other, no).await);

    rows.extend(caps(world, &pay).await);
    rows.push(in_batch(world, &plain).await);
    rows
}

async fn caps(world: &World, pay: &impl Fn(&str, u64) -> AuthorizeRequest) -> Vec<Row> {
    use DeclineCode as Code;
    let mut rows = Vec::new();
    let available = async || {
        let account_id = world.stage.account_id.clone();
        let request = tallystick_proto::v1::GetAccountRequest { account_id };
        let shown = world.accounts().get_account(request).await.unwrap().into_inner().account.unwrap();
        shown.available_nanos_total.parse::<u64>().unwrap()
    };
    let small = world.open(with(&world.opening(), |r| r.cap_nanos = 10)).await;
    let no = (Code::Cap, "51", Level::Session, next(NextAction::TopUp, available().await));
    rows.push(debit(world, "11 nanos of 10, with money in the account", pay(&small, 11), no).await);

    let euro = with(&world.opening(), |r| r.currency = "EUR".into());
    let no = (Code::CurrencyMismatch, "-", Level::Account, next(NextAction::Nothing, 0));
    rows.push(opening(world, "a session in another currency", euro, no).await);

    let left = available().await;
    let greedy = with(&world.opening(), |r| r.cap_nanos = left + 1);
    let no = (Code::Cap, "-", Level::Account, next(NextAction::SmallerAmount, left));
    rows.push(opening(world, "a session of a nano more than the account has", greedy, no).await);

    world.open(with(&world.opening(), |r| r.cap_nanos = left)).await;
    let no = (Code::Cap, "-", Level::Account, next(NextAction::Nothing, 0));
    rows.push(opening(world, "a session on an account without money", world.opening(), no).await);
    let no = (Code::Cap, "51", Level::Session, next(NextAction::SmallerAmount, 10));
    rows.push(debit(world, "11 nanos of 10, without money in the account", pay(&small, 11), no).await);
    world.approved(pay(&small, 10)).await;
    let no = (Code::Cap, "51", Level::Session, next(NextAction::Nothing, 0));
    rows.push(debit(world, "1 nano of a session that is spent", pay(&small, 1), no).await);
    rows
}

/// Batches say the code alone: level, network code and next are the unary call's.
async fn in_batch(world: &World, session_id: &str) -> Row {
    let debit = StreamDebit { amount_nanos: 7, number: 1, ..StreamDebit::default() };
    let mut batch = batch(session_id, &world.stage.payee_id, vec![debit]);
    batch.currency = "EUR".into();
    let mut stream = world.stream().await;
    let said = stream.batch(batch).await.results.remove(0);
    assert_eq!((said.outcome(), said.code()), (Outcome::Declined, DeclineCode::CurrencyMismatch));
    assert!(said.refused.is_none() && said.seq > 0, "{said:?}");
    ["in another currency, in a batch", "CURRENCY_MISMATCH", "-", "-", "-"].map(str::to_owned)
}
