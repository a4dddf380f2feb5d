//! Owns: rows of the calls about money and where it comes from: funding, deposits on their way, withdrawals, credit.

use super::{
    World,
    expected::{Expected, key_reused, malformed, unknown, wrong_state},
    ids::unknown_account,
    ledger::with,
    span,
};
use tallystick_core::{DepositId, id::Place};
use tallystick_proto::v1::{
    ConfirmDepositRequest, CreateAccountRequest, DepositRequest, ExternalAuthority, FailDepositRequest,
    Funding, ListDepositsRequest, PaymentMethod, RepayRequest, ReturnDepositRequest, SetCreditLimitRequest,
    WithdrawRequest,
};

const DAY: i64 = 86_400;

pub(crate) async fn refuse(world: &World) {
    let credit = account(world, |r| {
        r.funding = Funding::CreditLine.into();
        r.credit_limit_nanos = 100;
    })
    .await;
    let external = account(world, |r| {
        r.funding = Funding::ExternalAuthority.into();
        r.external_authority = authority(world);
    })
    .await;
    funding(world).await;
    deposits(world, &credit).await;
    moves(world).await;
    withdrawals(world, &credit, &external).await;
    repayments(world, &credit, &external).await;
    limits(world, &credit, &external).await;
    listings(world).await;
}

fn new(world: &World) -> CreateAccountRequest {
    CreateAccountRequest {
        idempotency_key: world.key(),
        currency: "USD".into(),
        ..CreateAccountRequest::default()
    }
}

async fn account(world: &World, change: impl FnOnce(&mut CreateAccountRequest)) -> String {
    let request = with(&new(world), change);
    world.accounts().create_account(request).await.unwrap().into_inner().account.unwrap().account_id
}

#[expect(clippy::unnecessary_wraps, reason = "that is what the field takes")]
fn authority(world: &World) -> Option<ExternalAuthority> {
    Some(ExternalAuthority {
        reference: "mandate".into(),
        amount_nanos: 1_000,
        usable_until: Some(prost_types::Timestamp { seconds: world.now.seconds + 7 * DAY, nanos: 0 }),
        margin: span(60, 0),
    })
}

async fn funding(world: &World) {
    let prepaid = new(world);
    let credit = with(&prepaid, |r| (r.funding, r.credit_limit_nanos) = (Funding::CreditLine.into(), 9));
    let external = with(&prepaid, |r| {
        r.funding = Funding::ExternalAuthority.into();
        r.external_authority = authority(world);
    });
    let method = |change: &dyn Fn(&mut PaymentMethod)| {
        with(&prepaid, |r| r.payment_method = Some(with(&PaymentMethod::default(), change)))
    };
    let facts = |change: &dyn Fn(&mut ExternalAuthority)| {
        with(&external, |r| change(r.external_authority.as_mut().unwrap()))
    };
    let until = |seconds, nanos| facts(&|f| f.usable_until = Some(prost_types::Timestamp { seconds, nanos }));
    let limit = || malformed("credit_limit_nanos");
    let usable = || malformed("external_authority.usable_until");
    let margin = || malformed("external_authority.margin");
    let amount = || malformed("external_authority.amount_nanos");
    let rows: Vec<(&str, Expected, CreateAccountRequest)> = vec![
        ("funding 9", malformed("funding"), with(&prepaid, |r| r.funding = 9)),
        ("funding -1", malformed("funding"), with(&prepaid, |r| r.funding = -1)),
        ("a limit, prepaid", limit(), with(&prepaid, |r| r.credit_limit_nanos = 1)),
        ("a limit, external", limit(), with(&external, |r| r.credit_limit_nanos = 1)),
        ("credit line, limit 0", limit(), with(&credit, |r| r.credit_limit_nanos = 0)),
        ("credit line, limit 2^63", limit(), with(&credit, |r| r.credit_limit_nanos = 1 << 63)),
        (
            "an authority, prepaid",
            malformed("external_authority"),
            with(&prepaid, |r| r.external_authority = authority(world)),
        ),
        (
            "an authority, credit line",
            malformed("external_authority"),
            with(&credit, |r| r.external_authority = authority(world)),
        ),
        (
            "external, no authority",
            malformed("external_authority"),
            with(&external, |r| r.external_authority = None),
        ),
        (
            "authority without reference",
            malformed("external_authority.reference"),
            facts(&|f| f.reference.clear()),
        ),
        (
            "authority's reference of 256 bytes",
            malformed("external_authority.reference"),
            facts(&|f| f.reference = "r".repeat(256)),
        ),
        ("authority of 0", amount(), facts(&|f| f.amount_nanos = 0)),
        ("authority of 2^63", amount(), facts(&|f| f.amount_nanos = 1 << 63)),
        ("authority without an end", usable(), facts(&|f| f.usable_until = None)),
        ("authority until 1970", usable(), until(0, 0)),
        ("authority until yesterday", usable(), until(world.now.seconds - DAY, 0)),
        ("authority until a nanosecond too many", usable(), until(world.now.seconds, 1_000_000_000)),
        ("authority until past 2554", usable(), until(i64::MAX, 0)),
        ("authority's margin as long as it lasts", usable(), facts(&|f| f.margin = span(7 * DAY, 0))),
        ("authority's margin over 30 days", margin(), facts(&|f| f.margin = span(30 * DAY, 1))),
        ("authority's margin negative", margin(), facts(&|f| f.margin = span(-1, 0))),
        ("method's kind of 65", malformed("payment_method.kind"), method(&|m| m.kind = "k".repeat(65))),
        ("method's brand of 65", malformed("payment_method.brand"), method(&|m| m.brand = "b".repeat(65))),
        (
            "method's funding type of 65",
            malformed("payment_method.funding_type"),
            method(&|m| m.funding_type = "f".repeat(65)),
        ),
        (
            "method's three digits",
            malformed("payment_method.last_four"),
            method(&|m| m.last_four = "123".into()),
        ),
        (
            "method's four letters",
            malformed("payment_method.last_four"),
            method(&|m| m.last_four = "abcd".into()),
        ),
        (
            "method's other digits",
            malformed("payment_method.last_four"),
            method(&|m| m.last_four = "٣٣".into()),
        ),
    ];
    let mut client = world.accounts();
    for (what, expected, request) in rows {
        world.refuses(format!("CreateAccount: {what}"), expected, client.create_account(request)).await;
    }
    let external = with(&external, |r| r.idempotency_key = world.key());
    let credit = with(&credit, |r| r.idempotency_key = world.key());
    client.create_account(external.clone()).await.unwrap();
    client.create_account(credit.clone()).await.unwrap();
    let other = with(&external, |r| r.external_authority.as_mut().unwrap().amount_nanos = 2);
    let brand = PaymentMethod { brand: "visa".into(), ..PaymentMethod::default() };
    let rows = [
        ("limit", "credit_limit_nanos", with(&credit, |r| r.credit_limit_nanos = 8)),
        ("authority", "external_authority", other),
        ("method", "payment_method", with(&credit, |r| r.payment_method = Some(brand))),
        (
            "funding",
            "funding",
            with(&credit, |r| (r.funding, r.credit_limit_nanos) = (Funding::Prepaid.into(), 0)),
        ),
    ];
    for (what, field, request) in rows {
        let call = client.create_account(request);
        world.refuses(format!("CreateAccount: key again, other {what}"), key_reused(field), call).await;
    }
}

async fn deposits(world: &World, credit: &str) {
    let base = deposit(world);
    let mut client = world.accounts();
    client.deposit(base.clone()).await.unwrap();
    let again = with(&base, |r| r.pending = true);
    world.refuses("Deposit: key again, now pending", key_reused("pending"), client.deposit(again)).await;
    let onto = with(&deposit(world), |r| r.account_id = credit.into());
    world.refuses("Deposit: on a credit line", malformed("account_id"), client.deposit(onto)).await;
}

fn deposit(world: &World) -> DepositRequest {
    DepositRequest {
        account_id: world.stage.account_id.clone(),
        idempotency_key: world.key(),
        amount_nanos: 5,
        currency: "USD".into(),
        pending: false,
    }
}

async fn moves(world: &World) {
    let made = async |pending| {
        let request = with(&deposit(world), |r| r.pending = pending);
        world.accounts().deposit(request).await.unwrap().into_inner().deposit.unwrap().deposit_id
    };
    let (pending, available, failed, returned) =
        (made(true).await, made(false).await, made(true).await, made(false).await);
    let mut client = world.accounts();
    client.fail_deposit(FailDepositRequest { deposit_id: failed.clone() }).await.unwrap();
    client.return_deposit(ReturnDepositRequest { deposit_id: returned.clone() }).await.unwrap();
    let stranger = DepositId::new(Place { partition: 7, slot: 4_000_000, generation: 3 }, 5).to_string();
    let guessed = DepositId::new(DepositId::parse(&pending).unwrap().place(), 99).to_string();
    let mut ids: Vec<(String, Expected, String)> = Vec::new();
    for (what, id) in [
        ("empty", String::new()),
        ("an account's", world.stage.account_id.clone()),
        ("cut short", pending[..29].into()),
        ("in upper case", pending.to_uppercase()),
    ] {
        ids.push((what.into(), malformed("deposit_id"), id));
    }
    ids.push(("unknown".into(), unknown("UNKNOWN_DEPOSIT"), stranger));
    ids.push(("guessed".into(), unknown("UNKNOWN_DEPOSIT"), guessed));
    for (what, expected, id) in ids {
        for call in ["ConfirmDeposit", "FailDeposit", "ReturnDeposit"] {
            refuse_move(world, call, &format!("id {what}"), expected, &id).await;
        }
    }
    for (call, id, state) in [
        ("ConfirmDeposit", &failed, "FAILED"),
        ("ConfirmDeposit", &returned, "RETURNED"),
        ("FailDeposit", &available, "AVAILABLE"),
        ("FailDeposit", &returned, "RETURNED"),
        ("ReturnDeposit", &pending, "PENDING"),
        ("ReturnDeposit", &failed, "FAILED"),
    ] {
        refuse_move(world, call, &format!("it is {state}"), wrong_state(state), id).await;
    }
}

async fn refuse_move(world: &World, call: &str, what: &str, expected: Expected, id: &str) {
    let (sent, deposit_id) = (format!("{call}: {what}"), id.to_owned());
    let mut client = world.accounts();
    match call {
        "ConfirmDeposit" => {
            let call = client.confirm_deposit(ConfirmDepositRequest { deposit_id });
            world.refuses(sent, expected, call).await;
        }
        "FailDeposit" => {
            let call = client.fail_deposit(FailDepositRequest { deposit_id });
            world.refuses(sent, expected, call).await;
        }
        _ => {
            let call = client.return_deposit(ReturnDepositRequest { deposit_id });
            world.refuses(sent, expected, call).await;
        }
    }
}

async fn withdrawals(world: &World, credit: &str, external: &str) {
    let base = WithdrawRequest {
        account_id: world.stage.account_id.clone(),
        idempotency_key: world.key(),
        amount_nanos: 2,
        currency: "USD".into(),
    };
    let mut client = world.accounts();
    client.withdraw(base.clone()).await.unwrap();
    let fresh = with(&base, |r| r.idempotency_key = world.key());
    let on = |id: &str| with(&fresh, |r| r.account_id = id.into());
    let rows: [(&str, Expected, WithdrawRequest); 12] = [
        ("amount 0", malformed("amount_nanos"), with(&fresh, |r| r.amount_nanos = 0)),
        ("amount 2^63", malformed("amount_nanos"), with(&fresh, |r| r.amount_nanos = 1 << 63)),
        ("currency unknown", malformed("currency"), with(&fresh, |r| r.currency = "ZZZ".into())),
        ("currency not the account's", malformed("currency"), with(&fresh, |r| r.currency = "EUR".into())),
        ("key empty", malformed("idempotency_key"), with(&fresh, |r| r.idempotency_key.clear())),
        (
            "key of 256 bytes",
            malformed("idempotency_key"),
            with(&fresh, |r| r.idempotency_key = "k".repeat(256)),
        ),
        ("account unknown", unknown("UNKNOWN_ACCOUNT"), on(&unknown_account())),
        ("account is a payee", malformed("account_id"), on(&world.stage.payee_id)),
        ("from a credit line", malformed("account_id"), on(credit)),
        ("from an external authority", malformed("account_id"), on(external)),
        ("key again, other amount", key_reused("amount_nanos"), with(&base, |r| r.amount_nanos = 1)),
        ("key again, other currency", key_reused("currency"), with(&base, |r| r.currency = "EUR".into())),
    ];
    for (what, expected, request) in rows {
        world.refuses(format!("Withdraw: {what}"), expected, client.withdraw(request)).await;
    }
}

async fn repayments(world: &World, credit: &str, external: &str) {
    let base = RepayRequest {
        account_id: credit.into(),
        idempotency_key: world.key(),
        amount_nanos: 1,
        currency: "USD".into(),
    };
    let on = |id: &str| with(&base, |r| r.account_id = id.into());
    let rows: [(&str, Expected, RepayRequest); 10] = [
        ("amount 0", malformed("amount_nanos"), with(&base, |r| r.amount_nanos = 0)),
        ("amount 2^64-1", malformed("amount_nanos"), with(&base, |r| r.amount_nanos = u64::MAX)),
        ("more than is outstanding", malformed("amount_nanos"), base.clone()),
        ("currency unknown", malformed("currency"), with(&base, |r| r.currency.clear())),
        ("currency not the account's", malformed("currency"), with(&base, |r| r.currency = "EUR".into())),
        ("key empty", malformed("idempotency_key"), with(&base, |r| r.idempotency_key.clear())),
        ("account unknown", unknown("UNKNOWN_ACCOUNT"), on(&unknown_account())),
        ("account empty", malformed("account_id"), on("")),
        ("of a prepaid account", malformed("account_id"), on(&world.stage.account_id)),
        ("of an external authority", malformed("account_id"), on(external)),
    ];
    let mut client = world.accounts();
    for (what, expected, request) in rows {
        world.refuses(format!("Repay: {what}"), expected, client.repay(request)).await;
    }
}

async fn limits(world: &World, credit: &str, external: &str) {
    let base = SetCreditLimitRequest {
        account_id: credit.into(),
        idempotency_key: world.key(),
        credit_limit_nanos: 50,
    };
    let mut client = world.accounts();
    client.set_credit_limit(base.clone()).await.unwrap();
    let fresh = with(&base, |r| r.idempotency_key = world.key());
    let on = |id: &str| with(&fresh, |r| r.account_id = id.into());
    let limit = malformed("credit_limit_nanos");
    let rows: [(&str, Expected, SetCreditLimitRequest); 8] = [
        ("limit 0", limit, with(&fresh, |r| r.credit_limit_nanos = 0)),
        ("limit 2^63", limit, with(&fresh, |r| r.credit_limit_nanos = 1 << 63)),
        ("key empty", malformed("idempotency_key"), with(&fresh, |r| r.idempotency_key.clear())),
        ("account unknown", unknown("UNKNOWN_ACCOUNT"), on(&unknown_account())),
        ("account is a session", malformed("account_id"), on(&world.stage.session_id)),
        ("of a prepaid account", malformed("account_id"), on(&world.stage.account_id)),
        ("of an external authority", malformed("account_id"), on(external)),
        (
            "key again, other limit",
            key_reused("credit_limit_nanos"),
            with(&base, |r| r.credit_limit_nanos = 51),
        ),
    ];
    for (what, expected, request) in rows {
        world.refuses(format!("SetCreditLimit: {what}"), expected, client.set_credit_limit(request)).await;
    }
}

async fn listings(world: &World) {
    let base =
        ListDepositsRequest { account_id: world.stage.account_id.clone(), ..ListDepositsRequest::default() };
    let rows: [(&str, Expected, ListDepositsRequest); 4] = [
        ("account unknown", unknown("UNKNOWN_ACCOUNT"), with(&base, |r| r.account_id = unknown_account())),
        ("account empty", malformed("account_id"), with(&base, |r| r.account_id.clear())),
        ("page_size 1001", malformed("page_size"), with(&base, |r| r.page_size = 1_001)),
        ("page_token rubbish", malformed("page_token"), with(&base, |r| r.page_token = "rubbish".into())),
    ];
    let mut client = world.accounts();
    for (what, expected, request) in rows {
        world.refuses(format!("ListDeposits: {what}"), expected, client.list_deposits(request)).await;
    }
}
