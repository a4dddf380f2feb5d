//! Owns: whose accounts and debits are in whose view: two front-ends side by side, and a payee beside another.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a function of a test is no `#[test]` to clippy")]

mod roles;

use roles::{Keyed, roles};
use std::time::Duration;
use tallystick_client::{Client, ClientError, v1};

/// Is what one front-end has: keys, and an account with an open session and a settled one, each with a debit.
struct Shop {
    operator: Client,
    agent: Client,
    account_id: String,
    deposit_id: String,
    session_id: String,
    settled_id: String,
    debit_id: String,
}

fn debit(session_id: &str, payee_id: &str, key: &str) -> v1::AuthorizeRequest {
    v1::AuthorizeRequest {
        session_id: session_id.into(),
        payee_id: payee_id.into(),
        amount_nanos: 600,
        intent: Some(v1::authorize_request::Intent::IdempotencyKey(key.into())),
        ..Default::default()
    }
}

fn opening(account_id: &str, key: &str) -> v1::OpenSessionRequest {
    v1::OpenSessionRequest {
        account_id: account_id.into(),
        idempotency_key: key.into(),
        cap_nanos: 10_000,
        currency: "USD".into(),
        ttl: Some(Duration::from_secs(3_600).try_into().unwrap()),
        ..Default::default()
    }
}

impl Shop {
    async fn open(server: &Keyed, development: &str, name: &str, payee_id: &str) -> Self {
        let like = |text: &str| v1::CreateCredentialRequest {
            roles: roles(text),
            front_end: name.into(),
            ..Default::default()
        };
        let operator = server.client(&server.credential(development, like("operator")).await.0);
        let agent = server.client(&server.credential(development, like("authorize")).await.0);
        // Both shops use the same keys: they are their own.
        let account = v1::CreateAccountRequest {
            idempotency_key: "account".into(),
            currency: "USD".into(),
            ..Default::default()
        };
        let account = operator.create_account(account).await.unwrap().account.unwrap();
        assert_eq!(account.front_end, name);
        let account_id = account.account_id;
        let deposit = v1::DepositRequest {
            account_id: account_id.clone(),
            idempotency_key: "deposit".into(),
            amount_nanos: 1_000_000,
            currency: "USD".into(),
            pending: true,
        };
        let deposit_id = operator.deposit(deposit).await.unwrap().deposit.unwrap().deposit_id;
        operator.confirm_deposit(v1::ConfirmDepositRequest { deposit_id: deposit_id.clone() }).await.unwrap();
        let mut sessions = Vec::new();
        for key in ["stays", "settles"] {
            let opened = operator.open_session(opening(&account_id, key)).await.unwrap();
            let session_id = opened.session.unwrap().session_id;
            let decision =
                agent.authorize(debit(&session_id, payee_id, "first")).await.unwrap().decision.unwrap();
            sessions.push((session_id, decision.debit_id));
        }
        let (settled_id, _) = sessions.pop().unwrap();
        let settle = v1::SettleRequest { session_id: settled_id.clone(), cascade: false };
        operator.settle(settle).await.unwrap();
        let (session_id, debit_id) = sessions.pop().unwrap();
        Self { operator, agent, account_id, deposit_id, session_id, settled_id, debit_id }
    }
}

/// Says that what was asked is not there for whoever asked.
fn is_unknown<T: std::fmt::Debug>(what: &str, answer: Result<T, ClientError>) {
    let refused = answer.expect_err(what);
    let ClientError::Refused { refusal, .. } = refused else { panic!("{what}: {refused}") };
    use v1::Refusal as Reason;
    let unknown = [
        Reason::UnknownAccount,
        Reason::UnknownSession,
        Reason::UnknownDebit,
        Reason::UnknownDeposit,
        Reason::UnknownSettlement,
    ];
    assert!(unknown.contains(&refusal), "{what}: {refusal:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_a_front_end_its_own_and_nothing_else() {
    let server = Keyed::start().await;
    let development = server.development.clone().unwrap();
    let all = server.client(&development);
    let payee = v1::CreatePayeeRequest { idempotency_key: "payee".into(), name: "Acme".into() };
    let payee_id = all.create_payee(payee).await.unwrap().payee.unwrap().payee_id;
    let one = Shop::open(&server, &development, "one", &payee_id).await;
    let two = Shop::open(&server, &development, "two", &payee_id).await;
    assert_ne!(one.account_id, two.account_id);

    let (other, agent) = (&two.operator, &two.agent);
    let account_id = one.account_id.clone();
    is_unknown("account", other.get_account(v1::GetAccountRequest { account_id: account_id.clone() }).await);
    let deposits = v1::ListDepositsRequest { account_id: account_id.clone(), ..Default::default() };
    is_unknown("deposits", other.list_deposits(deposits).await);
    let sessions = v1::ListSessionsRequest { account_id: account_id.clone(), ..Default::default() };
    is_unknown("sessions", other.list_sessions(sessions).await);
    let deposit = v1::DepositRequest {
        account_id: account_id.clone(),
        idempotency_key: "new".into(),
        amount_nanos: 1,
        currency: "USD".into(),
        ..Default::default()
    };
    is_unknown("deposit", other.deposit(deposit).await);
    let back = v1::ReturnDepositRequest { deposit_id: one.deposit_id.clone() };
    is_unknown("return", other.return_deposit(back).await);
    is_unknown("opening", other.open_session(opening(&account_id, "new")).await);
    // A key of another's is no key of one's own, though what it stands for is asked exactly.
    is_unknown("replayed opening", other.open_session(opening(&account_id, "stays")).await);
    for session_id in [&one.session_id, &one.settled_id] {
        let shown = other.get_session(v1::GetSessionRequest { session_id: session_id.clone() }).await;
        is_unknown("session", shown);
        is_unknown(
            "settle",
            other.settle(v1::SettleRequest { session_id: session_id.clone(), cascade: true }).await,
        );
        let debits = v1::ListDebitsRequest { session_id: session_id.clone(), ..Default::default() };
        is_unknown("debits", other.list_debits(debits).await);
        for key in ["first", "new"] {
            is_unknown("debit", agent.authorize(debit(session_id, &payee_id, key)).await);
        }
        let by = v1::lookup_debit_request::By::Key(v1::DebitByKey {
            session_id: session_id.clone(),
            idempotency_key: "first".into(),
        });
        let found = other.lookup_debit(v1::LookupDebitRequest { by: Some(by) }).await.unwrap();
        assert_eq!(found.state(), v1::LookupState::NeverSeen);
        let within = v1::OpenSessionRequest {
            parent_session_id: session_id.clone(),
            account_id: String::new(),
            ..opening("", "below")
        };
        is_unknown("child", agent.open_session(within).await);
        let top_up = v1::TopUpRequest {
            session_id: session_id.clone(),
            idempotency_key: "more".into(),
            add_nanos: 1,
            ..Default::default()
        };
        is_unknown("top-up", other.top_up(top_up).await);
    }
    let by = v1::lookup_debit_request::By::DebitId(one.debit_id.clone());
    let found = other.lookup_debit(v1::LookupDebitRequest { by: Some(by) }).await.unwrap();
    assert_eq!(found.state(), v1::LookupState::NeverSeen);
    let reverse = v1::ReverseRequest {
        debit_id: one.debit_id.clone(),
        idempotency_key: "back".into(),
        ..Default::default()
    };
    is_unknown("reversal", other.reverse(reverse).await);
    let settlement = v1::GetSettlementRequest { settlement_id: one.settled_id.clone() };
    is_unknown("settlement", other.get_settlement(settlement).await);

    let stream = agent.writer(tallystick_client::WriterOptions::default()).await.unwrap();
    let (session, payee) =
        (tallystick_client::SessionId::new(&one.session_id), tallystick_client::PayeeId::new(&payee_id));
    let asked = stream.submit(vec![tallystick_client::Debit::new(&session, &payee, 1)]).await.unwrap();
    assert!(format!("{:?}", asked.await).contains("UnknownSession"), "a debit on a stream");

    for (shop, accounts) in [(&one.operator, 1), (&two.operator, 1), (&all, 2)] {
        let listed = shop.list_accounts(v1::ListAccountsRequest::default()).await.unwrap();
        assert_eq!(listed.accounts.len(), accounts);
        let listed = shop.list_settlements(v1::ListSettlementsRequest::default()).await.unwrap();
        assert_eq!(listed.settlements.len(), accounts, "one was settled in each");
        let payee = shop.get_payee(v1::GetPayeeRequest { payee_id: payee_id.clone() }).await.unwrap();
        let positions = payee.payee.unwrap().positions;
        assert_eq!(positions.len(), accounts - 1, "what all shops owe is not one shop's to know");
    }
    // One's own is all there, asked the same way.
    let shown = one.operator.get_session(v1::GetSessionRequest { session_id: one.session_id.clone() }).await;
    assert_eq!(shown.unwrap().session.unwrap().spent_nanos, 600);
    let again = one.agent.authorize(debit(&one.settled_id, &payee_id, "first")).await.unwrap();
    assert!(again.decision.unwrap().replayed, "from the index, after the settlement");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payee_takes_back_what_it_got_and_nothing_of_anothers() {
    let server = Keyed::start().await;
    let development = server.development.clone().unwrap();
    let all = server.client(&development);
    let mut payees = Vec::new();
    for name in ["Acme", "Other"] {
        let made =
            all.create_payee(v1::CreatePayeeRequest { idempotency_key: name.into(), name: name.into() });
        let payee_id = made.await.unwrap().payee.unwrap().payee_id;
        let like = v1::CreateCredentialRequest {
            roles: roles("collect"),
            payee_id: payee_id.clone(),
            ..Default::default()
        };
        payees.push((payee_id, server.client(&server.credential(&development, like).await.0)));
    }
    let shop = Shop::open(&server, &development, "one", &payees[0].0).await;
    let reverse = |nanos| v1::ReverseRequest {
        debit_id: shop.debit_id.clone(),
        idempotency_key: format!("back {nanos}"),
        amount_nanos: nanos,
    };
    is_unknown("another payee's debit", payees[1].1.reverse(reverse(100)).await);
    assert_eq!(payees[0].1.reverse(reverse(100)).await.unwrap().reversed_nanos, 100);
    let by =
        || v1::LookupDebitRequest { by: Some(v1::lookup_debit_request::By::DebitId(shop.debit_id.clone())) };
    assert_eq!(payees[0].1.lookup_debit(by()).await.unwrap().state(), v1::LookupState::Approved);
    assert_eq!(payees[1].1.lookup_debit(by()).await.unwrap().state(), v1::LookupState::NeverSeen);
    // What it is owed is its own to know.
    let show = |client: Client, payee_id: &str| {
        let payee_id = payee_id.to_owned();
        async move { client.get_payee(v1::GetPayeeRequest { payee_id }).await.unwrap().payee.unwrap().positions }
    };
    assert_eq!(show(payees[0].1.clone(), &payees[0].0).await.len(), 1);
    assert_eq!(show(payees[1].1.clone(), &payees[0].0).await.len(), 0);
    server.stop().await;
}
