//! Owns: rows of `CreateAccount`, `Deposit` and `CreatePayee`.

use super::{
    World,
    expected::{Expected, key_reused, malformed, unknown},
    ids::unknown_account,
};
use tallystick_proto::v1;

/// Returns what is no currency that an account may have, and why.
pub(crate) fn no_currencies() -> [(&'static str, &'static str); 9] {
    [
        ("empty", ""),
        ("unknown", "ZZZ"),
        ("lower case", "usd"),
        ("withdrawn", "DEM"),
        ("gold", "XAU"),
        ("a test code", "XTS"),
        ("by number", "840"),
        ("a coin without its chain", "USDC"),
        ("a coin on an unknown chain", "USDC@mars"),
    ]
}

pub(crate) async fn refuse(world: &World) {
    accounts(world).await;
    deposits(world).await;
    payees(world).await;
}

async fn accounts(world: &World) {
    let base = v1::CreateAccountRequest {
        idempotency_key: world.key(),
        currency: "EUR".into(),
        reference: "first".into(),
        ..v1::CreateAccountRequest::default()
    };
    let mut client = world.accounts();
    client.create_account(base.clone()).await.unwrap();
    let new = || v1::CreateAccountRequest { idempotency_key: world.key(), ..base.clone() };
    let rows: [(&str, Expected, v1::CreateAccountRequest); 5] = [
        ("key empty", malformed("idempotency_key"), with(&base, |r| r.idempotency_key.clear())),
        (
            "key of 256 bytes",
            malformed("idempotency_key"),
            with(&base, |r| r.idempotency_key = "k".repeat(256)),
        ),
        ("reference of 256 bytes", malformed("reference"), with(&new(), |r| r.reference = "r".repeat(256))),
        ("key again, other currency", key_reused("currency"), with(&base, |r| r.currency = "USD".into())),
        ("key again, other reference", key_reused("reference"), with(&base, |r| r.reference.clear())),
    ];
    for (what, expected, request) in rows {
        world.refuses(format!("CreateAccount: {what}"), expected, client.create_account(request)).await;
    }
    for (what, currency) in no_currencies() {
        let request = with(&new(), |r| r.currency = currency.into());
        let call = client.create_account(request);
        world.refuses(format!("CreateAccount: currency {what}"), malformed("currency"), call).await;
    }
}

async fn deposits(world: &World) {
    let base = v1::DepositRequest {
        account_id: world.stage.account_id.clone(),
        idempotency_key: world.key(),
        amount_nanos: 5,
        currency: "USD".into(),
        ..v1::DepositRequest::default()
    };
    let mut client = world.accounts();
    client.deposit(base.clone()).await.unwrap();
    let new = || v1::DepositRequest { idempotency_key: world.key(), ..base.clone() };
    let rows: [(&str, Expected, v1::DepositRequest); 12] = [
        ("amount 0", malformed("amount_nanos"), with(&new(), |r| r.amount_nanos = 0)),
        ("amount 2^63", malformed("amount_nanos"), with(&new(), |r| r.amount_nanos = 1 << 63)),
        ("amount 2^64-1", malformed("amount_nanos"), with(&new(), |r| r.amount_nanos = u64::MAX)),
        ("currency unknown", malformed("currency"), with(&new(), |r| r.currency = "ZZZ".into())),
        ("currency lower case", malformed("currency"), with(&new(), |r| r.currency = "usd".into())),
        ("currency not the account's", malformed("currency"), with(&new(), |r| r.currency = "EUR".into())),
        ("key empty", malformed("idempotency_key"), with(&base, |r| r.idempotency_key.clear())),
        (
            "key of 256 bytes",
            malformed("idempotency_key"),
            with(&base, |r| r.idempotency_key = "k".repeat(256)),
        ),
        ("account unknown", unknown("UNKNOWN_ACCOUNT"), with(&new(), |r| r.account_id = unknown_account())),
        (
            "account is a session",
            malformed("account_id"),
            with(&new(), |r| r.account_id.clone_from(&world.stage.session_id)),
        ),
        ("key again, other amount", key_reused("amount_nanos"), with(&base, |r| r.amount_nanos = 6)),
        ("key again, other currency", key_reused("currency"), with(&base, |r| r.currency = "EUR".into())),
    ];
    for (what, expected, request) in rows {
        world.refuses(format!("Deposit: {what}"), expected, client.deposit(request)).await;
    }
}

async fn payees(world: &World) {
    let base = v1::CreatePayeeRequest { idempotency_key: world.key(), name: "Hooli".into() };
    let mut client = world.payees();
    client.create_payee(base.clone()).await.unwrap();
    let new = || v1::CreatePayeeRequest { idempotency_key: world.key(), ..base.clone() };
    let rows: [(&str, Expected, v1::CreatePayeeRequest); 5] = [
        ("name empty", malformed("name"), with(&new(), |r| r.name.clear())),
        ("name of 256 bytes", malformed("name"), with(&new(), |r| r.name = "n".repeat(256))),
        ("key empty", malformed("idempotency_key"), with(&base, |r| r.idempotency_key.clear())),
        (
            "key of 256 bytes",
            malformed("idempotency_key"),
            with(&base, |r| r.idempotency_key = "k".repeat(256)),
        ),
        ("key again, other name", key_reused("name"), with(&base, |r| r.name = "Umbrella".into())),
    ];
    for (what, expected, request) in rows {
        world.refuses(format!("CreatePayee: {what}"), expected, client.create_payee(request)).await;
    }
}

/// Returns the same request with one thing changed.
pub(crate) fn with<T: Clone>(base: &T, change: impl FnOnce(&mut T)) -> T {
    let mut changed = base.clone();
    change(&mut changed);
    changed
}
