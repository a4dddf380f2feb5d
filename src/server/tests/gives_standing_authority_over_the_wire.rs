//! Tokens from outside: a secret is said to the one call that asked for it and its repetitions, and is nowhere else; who holds a token
//! sees what risk systems ask for, and who operates it the rest; a spent refresh secret that comes back is an alert.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that shows what is shown to whom")]

mod roles;

use roles::{Keyed, keyed, roles};
use std::{fs, path::Path, time::Duration};
use tallystick_client::v1::{
    self, AuthorizeStreamRequest, Outcome, authorize_request::Intent,
    authorize_stream_request::Message as Say, authorize_stream_response::Message as Hear,
    authorizer_client::AuthorizerClient, renewal::Periods,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const USD: u64 = 1_000_000_000;

struct Stage {
    account_id: String,
    payee_id: String,
    grants: String,
    agent: String,
    payee: String,
    other_payee: String,
}

/// Makes an account that is paid by card, a payee, and keys for whoever grants, spends and collects.
async fn stage(server: &Keyed) -> Stage {
    let development = server.development.clone().unwrap();
    let client = server.client(&development);
    let method = v1::PaymentMethod {
        kind: "card".into(),
        brand: "Girocard".into(),
        last_four: "0042".into(),
        funding_type: "debit".into(),
    };
    let account = v1::CreateAccountRequest {
        idempotency_key: "account".into(),
        currency: "USD".into(),
        payment_method: Some(method),
        ..Default::default()
    };
    let account_id = client.create_account(account).await.unwrap().account.unwrap().account_id;
    let deposit = v1::DepositRequest {
        account_id: account_id.clone(),
        idempotency_key: "deposit".into(),
        amount_nanos: 10_000 * USD,
        currency: "USD".into(),
        ..Default::default()
    };
    client.deposit(deposit).await.unwrap();
    let mut payees = Vec::new();
    for name in ["acme", "other"] {
        let payee = v1::CreatePayeeRequest { idempotency_key: name.into(), name: name.into() };
        payees.push(client.create_payee(payee).await.unwrap().payee.unwrap().payee_id);
    }
    let with = |text: &str, payee_id: &str| v1::CreateCredentialRequest {
        roles: roles(text),
        payee_id: payee_id.into(),
        ..Default::default()
    };
    Stage {
        account_id,
        grants: server.credential(&development, with("grant", "")).await.0,
        agent: server.credential(&development, with("authorize", "")).await.0,
        payee: server.credential(&development, with("collect", &payees[0])).await.0,
        other_payee: server.credential(&development, with("collect", &payees[1])).await.0,
        payee_id: payees.swap_remove(0),
    }
}

fn mandate(stage: &Stage, key: &str) -> v1::IssueTokenRequest {
    let every = Some(Duration::from_secs(7 * 24 * 3_600).try_into().unwrap());
    let renewal = v1::Renewal {
        periods: Some(Periods::Rolling(v1::RollingPeriods { every, anchor: None })),
        ..Default::default()
    };
    v1::IssueTokenRequest {
        account_id: stage.account_id.clone(),
        idempotency_key: key.into(),
        cap_nanos: 25 * USD,
        currency: "USD".into(),
        ttl: Some(Duration::from_secs(365 * 24 * 3_600).try_into().unwrap()),
        payee_ids: vec![stage.payee_id.clone()],
        renewal: Some(renewal),
        authority: Some(v1::Authority { principal: "cfo".into(), ..Default::default() }),
        reference: "llm calls".into(),
        ..Default::default()
    }
}

fn debit(token_id: &str, payee_id: &str, secret: &str, key: &str) -> v1::AuthorizeRequest {
    v1::AuthorizeRequest {
        session_id: token_id.into(),
        payee_id: payee_id.into(),
        amount_nanos: USD,
        secret: secret.as_bytes().to_vec(),
        intent: Some(Intent::IdempotencyKey(key.into())),
        ..Default::default()
    }
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// Returns whether a file below holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| {
        if entry.file_type().unwrap().is_dir() {
            return holds(&entry.path(), bytes);
        }
        fs::read(entry.path()).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_said_again_to_who_asked_and_stored_nowhere() {
    let server = Keyed::start().await;
    let stage = stage(&server).await;
    let granting = server.client(&stage.grants);
    let issued = granting.issue_token(mandate(&stage, "mandate")).await.unwrap();
    let refresh_secret = issued.secret.clone().unwrap();
    let agent = server.client(&stage.agent);
    let refresh = v1::RefreshTokenRequest {
        token_id: issued.token_id.clone(),
        refresh_secret: refresh_secret.secret.clone().into_bytes(),
        ..Default::default()
    };
    let first = agent.refresh_token(refresh.clone()).await.unwrap();
    assert_eq!((first.outcome(), first.generation, first.replayed), (Outcome::Approved, 1, false));
    let token = first.token.clone().unwrap();
    assert_eq!((token.cap_nanos, token.remaining_nanos), (25 * USD, 25 * USD));

    // Once from a checkpoint, which an orderly end leaves.
    let folder = server.stop().await;
    let server = Keyed::start_on(folder).await;
    let again = server.client(&stage.grants).issue_token(mandate(&stage, "mandate")).await.unwrap();
    assert!(again.replayed);
    assert_eq!((again.token_id, again.secret), (issued.token_id.clone(), issued.secret));
    let again = server.client(&stage.agent).refresh_token(refresh.clone()).await.unwrap();
    assert!(again.replayed);
    assert_eq!((&again.secret, &again.refresh_secret), (&first.secret, &first.refresh_secret));

    let secret = first.secret.unwrap().secret;
    let agent = server.client(&stage.agent);
    let spent = agent.authorize(debit(&token.token_id, &stage.payee_id, &secret, "k")).await;
    assert_eq!(spent.unwrap().decision.unwrap().outcome(), Outcome::Approved);
    // From here on who comes with the first refresh secret is not retrying.
    let reused = server.ask::<v1::RefreshTokenResponse>("Tokens/RefreshToken", &stage.agent, &refresh).await;
    let refused = reused.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "FAMILY_REVOKED".into()));
    let after = agent.authorize(debit(&token.token_id, &stage.payee_id, &secret, "l")).await;
    let after = after.unwrap().decision.unwrap();
    assert_eq!((after.outcome(), after.code()), (Outcome::Declined, v1::DeclineCode::Revoked));
    let shown = v1::GetTokenRequest { token_id: issued.token_id, ..Default::default() };
    let shown = server.client(&stage.grants).get_token(shown).await.unwrap().token.unwrap();
    assert_eq!(shown.state(), v1::TokenState::Revoked);
    assert!(shown.standing.unwrap().revoked_at.is_some(), "the alert is shown");

    let folder = server.stop().await;
    for said in [&secret, &refresh_secret.secret, &first.refresh_secret.unwrap().secret] {
        assert!(!holds(folder.path(), said.as_bytes()), "a secret is in the folder");
        assert!(holds(folder.path(), &said.as_bytes()[..10]), "its first characters are");
    }
    let key = fs::read(folder.path().join("SEALED_KEY")).unwrap();
    assert_eq!(key.len(), 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sees_of_a_token_what_is_theirs_to_see() {
    let server = Keyed::start().await;
    let stage = stage(&server).await;
    let ask = v1::IssueTokenRequest { renewal: None, ..mandate(&stage, "token") };
    let issued = server.client(&stage.grants).issue_token(ask).await.unwrap();
    let secret = issued.secret.unwrap();
    let get = |key: String, secret: &str| {
        let (server, secret) = (&server, secret.as_bytes().to_vec());
        let request = v1::GetTokenRequest { token_id: issued.token_id.clone(), secret };
        async move {
            let answer = server.ask::<v1::GetTokenResponse>("Tokens/GetToken", &key, &request).await;
            answer.map(|answer| answer.token.unwrap())
        }
    };
    let operator = get(stage.grants.clone(), "").await.unwrap();
    assert_eq!(operator.secret_prefix, secret.prefix);
    assert!(secret.secret.starts_with(&operator.secret_prefix) && operator.secret_prefix.len() == 10);
    assert_eq!(
        (operator.account_id.as_str(), operator.reference.as_str()),
        (stage.account_id.as_str(), "llm calls")
    );
    let holders = [
        ("the holder", get(stage.agent.clone(), &secret.secret).await.unwrap()),
        ("its payee", get(stage.payee.clone(), "").await.unwrap()),
    ];
    for (who, shown) in &holders {
        let method = shown.payment_method.clone().unwrap();
        assert_eq!((method.kind.as_str(), method.last_four.as_str()), ("card", "0042"), "{who}");
        assert_eq!(shown.remaining_nanos, 25 * USD);
        assert!(shown.ends_at.is_some() && shown.state() == v1::TokenState::Active);
        assert!(shown.account_id.is_empty() && shown.secret_prefix.is_empty() && shown.reference.is_empty());
        assert!(shown.authority.is_none() && shown.payees.is_empty() && shown.standing.is_none());
    }
    println!("operator: {operator:#?}\nholder: {:#?}", holders[0].1);
    // An agent without the secret, a wrong one, another payee.
    for (who, key, secret) in [
        ("an agent without the secret", &stage.agent, ""),
        ("an agent with another", &stage.agent, "tks_0000"),
        ("an operator with another", &stage.grants, "tks_0000"),
    ] {
        let refused = get(key.clone(), secret).await.unwrap_err();
        assert_eq!(reason(&refused), "SECRET_WRONG", "{who}");
    }
    let refused = get(stage.other_payee.clone(), "").await.unwrap_err();
    assert_eq!(reason(&refused), "UNKNOWN_TOKEN");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_debited_and_opened_under_on_every_way() {
    let server = Keyed::start().await;
    let stage = stage(&server).await;
    let ask = v1::IssueTokenRequest { renewal: None, ..mandate(&stage, "token") };
    let issued = server.client(&stage.grants).issue_token(ask).await.unwrap();
    let (token_id, secret) = (issued.token_id, issued.secret.unwrap().secret);
    let agent = server.client(&stage.agent);
    for (key, secret, wanted) in
        [("k", secret.as_str(), ""), ("none", "", "SECRET_WRONG"), ("x", "x", "SECRET_WRONG")]
    {
        let request = debit(&token_id, &stage.payee_id, secret, key);
        let answer =
            server.ask::<v1::AuthorizeResponse>("Authorizer/Authorize", &stage.agent, &request).await;
        assert_eq!(answer.as_ref().map_or_else(reason, |_| String::new()), wanted, "{key}");
    }
    // On a stream it is presented once.
    let (say, outbound) = mpsc::channel(8);
    let tell = |message| AuthorizeStreamRequest { message: Some(message) };
    say.send(tell(Say::Hello(v1::Hello::default()))).await.unwrap();
    let mut streams = AuthorizerClient::new(server.channel.clone());
    let opened = streams.authorize_stream(keyed(Some(&stage.agent), ReceiverStream::new(outbound))).await;
    let mut hear = opened.unwrap().into_inner();
    hear.message().await.unwrap();
    let batch = |number| {
        tell(Say::Batch(v1::DebitBatch {
            batch_id: number,
            session_ids: vec![token_id.clone()],
            payee_ids: vec![stage.payee_id.clone()],
            debits: vec![v1::StreamDebit { number: 1, amount_nanos: USD, ..Default::default() }],
            ..Default::default()
        }))
    };
    let mut refused = Vec::new();
    for number in 1..=2 {
        say.send(batch(number)).await.unwrap();
        let Some(Hear::Batch(result)) = hear.message().await.unwrap().unwrap().message else {
            panic!("no result")
        };
        refused.push(result.results[0].refused.as_ref().map(|no| no.refusal().as_str_name().to_owned()));
        // The first is answered before: what is presented holds for what is still to be read.
        let present = v1::Present { session_id: token_id.clone(), secret: secret.clone().into_bytes() };
        say.send(tell(Say::Present(present))).await.unwrap();
    }
    assert_eq!(refused, [Some("REFUSAL_SECRET_WRONG".to_owned()), None]);

    let open = v1::OpenSessionRequest {
        parent_token_id: token_id.clone(),
        parent_secret: secret.into_bytes(),
        idempotency_key: "session".into(),
        cap_nanos: 5 * USD,
        currency: "USD".into(),
        ttl: Some(Duration::from_secs(60).try_into().unwrap()),
        ..Default::default()
    };
    let session = agent.open_session(open.clone()).await.unwrap().session.unwrap();
    assert_eq!(
        (session.parent_token_id.as_str(), session.parent_session_id.as_str()),
        (token_id.as_str(), "")
    );
    let open = v1::OpenSessionRequest { parent_secret: Vec::new(), idempotency_key: "other".into(), ..open };
    let none = server.ask::<v1::OpenSessionResponse>("Authorizer/OpenSession", &stage.agent, &open).await;
    assert_eq!(reason(&none.unwrap_err()), "SECRET_WRONG");
    let tree = v1::GetTreeRequest { root_id: stage.account_id.clone(), ..Default::default() };
    let tree = server.client(&stage.grants).get_tree(tree).await.unwrap();
    assert_eq!(tree.account.unwrap().account_id, stage.account_id);
    let ids: Vec<(&str, &str)> =
        tree.nodes.iter().map(|node| (node.id.as_str(), node.parent_id.as_str())).collect();
    let wanted =
        [(token_id.as_str(), stage.account_id.as_str()), (session.session_id.as_str(), token_id.as_str())];
    assert_eq!(ids, wanted);
    let token = &tree.nodes[0];
    assert_eq!(
        (token.spent_nanos, token.reserved_by_children_nanos, token.available_nanos),
        (2 * USD, 5 * USD, 18 * USD)
    );
    assert_eq!(
        (token.next_decline(), token.next_decline_id.as_str()),
        (v1::DeclineCode::Cap, token_id.as_str())
    );
    let settled = server.client(server.development.as_ref().unwrap());
    let settle = v1::SettleRequest { session_id: token_id, cascade: true };
    assert_eq!(settled.settle(settle).await.unwrap().settlement.unwrap().total_nanos, 2 * USD);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_token_may_not_be_is_refused_by_field_and_rule() {
    let server = Keyed::start().await;
    let stage = stage(&server).await;
    let base = || mandate(&stage, "k");
    let zone = |time_zone: &str, weekday, local_minute| {
        let day = Some(v1::calendar_periods::Day::Weekday(weekday));
        let periods =
            Periods::Calendar(v1::CalendarPeriods { day, local_minute, time_zone: time_zone.into() });
        Some(v1::Renewal { periods: Some(periods), ..Default::default() })
    };
    let cases: Vec<(&str, v1::IssueTokenRequest)> = vec![
        (
            "renewal.calendar.time_zone",
            v1::IssueTokenRequest { renewal: zone("Europe/Bonn", 1, 0), ..base() },
        ),
        (
            "renewal.calendar.weekday",
            v1::IssueTokenRequest { renewal: zone("Europe/Berlin", 8, 0), ..base() },
        ),
        (
            "renewal.calendar.local_time",
            v1::IssueTokenRequest { renewal: zone("Europe/Berlin", 1, 1_440), ..base() },
        ),
        ("renewal.periods", v1::IssueTokenRequest { renewal: Some(v1::Renewal::default()), ..base() }),
        ("use", v1::IssueTokenRequest { r#use: v1::TokenUse::OneTime.into(), ..base() }),
        ("secret_hash", v1::IssueTokenRequest { secret_hash: vec![1; 32], ..base() }),
        ("secret_hash", v1::IssueTokenRequest { secret_hash: vec![1; 31], renewal: None, ..base() }),
        ("secret_prefix", v1::IssueTokenRequest { secret_prefix: "tks_".into(), renewal: None, ..base() }),
        ("cap_nanos", v1::IssueTokenRequest { cap_nanos: 0, ..base() }),
        (
            "ttl",
            v1::IssueTokenRequest {
                ttl: Some(Duration::from_secs(1_828 * 86_400).try_into().unwrap()),
                ..base()
            },
        ),
        (
            "renewal.total_cap_nanos",
            v1::IssueTokenRequest { mode: v1::EnvelopeMode::Reserved.into(), ..base() },
        ),
        ("parent_token_id", v1::IssueTokenRequest { parent_token_id: "tok_0".into(), ..base() }),
    ];
    for (field, request) in cases {
        let refused =
            server.ask::<v1::IssueTokenResponse>("Tokens/IssueToken", &stage.grants, &request).await;
        let refused = refused.unwrap_err();
        let details = refused.get_error_details();
        let named =
            details.bad_request().map(|bad| bad.field_violations[0].field.clone()).unwrap_or_default();
        assert_eq!((refused.code(), named.as_str()), (Code::InvalidArgument, field), "{}", refused.message());
    }
    // Nothing of that used the key up.
    server.client(&stage.grants).issue_token(base()).await.unwrap();
    server.stop().await;
}
